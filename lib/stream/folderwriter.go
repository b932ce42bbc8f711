package stream

import (
	"errors"
	"io/fs"
)

// Tree says that the stream is the whole folder: paths that it does not name are deleted. With since it builds on the
// import that left the core of names at that head, and may Keep its paths. It must be the first frame.
func (w *Writer) Tree(since *Since) error { return w.item(Item{Kind: KindTree, Since: since}) }

// Changes says that the stream is the difference between the folder and the version of the drive in since: paths that
// it does not name stay. It must be the first frame, instead of Tree.
func (w *Writer) Changes(since Since) error {
	return w.item(Item{Kind: KindChanges, Since: &since})
}

// File begins a file, whose content is the blocks that are written next. mtime is in nanoseconds since 1970.
func (w *Writer) File(mode fs.FileMode, mtime int64, path string) error {
	return w.item(Item{Kind: KindFile, Mode: mode, ModTime: mtime, Path: path})
}

// Keep says that path is unchanged since the import that Tree named.
func (w *Writer) Keep(path string) error { return w.item(Item{Kind: KindKeep, Path: path}) }

// Link writes a symbolic link.
func (w *Writer) Link(path, target string) error {
	return w.item(Item{Kind: KindLink, Path: path, Target: target})
}

// Delete says that path is removed. It is only allowed in a stream without Tree.
func (w *Writer) Delete(path string) error { return w.item(Item{Kind: KindDelete, Path: path}) }

// Purge says that names of the drive that cannot be paths of a stream are removed. It is only allowed after Changes.
func (w *Writer) Purge() error { return w.item(Item{Kind: KindPurge}) }

// Same writes a hard link: path has the content, mode and mtime of the file that was written as earlier.
func (w *Writer) Same(path, earlier string) error {
	return w.item(Item{Kind: KindSame, Path: path, Target: earlier})
}

var (
	errMixed  = errors.New("hc-stream: a folder's frames cannot be mixed with blocks that belong to no file")
	errNoFile = errors.New("blocks that belong to no file")
)

// item writes a folder frame. It refuses items that a FolderReader would refuse.
func (w *Writer) item(it Item) error {
	if w.err != nil {
		return w.err
	}
	if w.folder == nil && (w.frames > 0 || w.count > 0) {
		return w.fail(errMixed)
	}
	if w.folder == nil {
		w.folder = &folderRules{}
	}
	w.flush()
	if err := w.folder.admit(it); err != nil {
		return w.fail(err)
	}
	w.header = appendItem(w.header[:0], it)
	w.emit(w.header)
	w.frames++
	return w.err
}

// mayWriteBlocks returns the Writer's error, or one for blocks that would belong to no file of a folder.
func (w *Writer) mayWriteBlocks() error {
	if w.err == nil && w.folder != nil && !w.folder.inFile {
		return w.fail(errNoFile)
	}
	return w.err
}
