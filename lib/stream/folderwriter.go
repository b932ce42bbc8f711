package stream

import (
	"errors"
	"io/fs"
)

// Tree says that the stream is the whole folder: what it does not name is deleted. With since it builds on the import that
// left the core of names at that head, and may Keep what that has. It comes first.
func (w *Writer) Tree(since *Since) error { return w.item(Item{Kind: KindTree, Since: since}) }

// Changes says that the stream is what tells the folder from the version of the drive that since names: what it does not name
// stays. It comes first, in place of Tree.
func (w *Writer) Changes(since Since) error {
	return w.item(Item{Kind: KindChanges, Since: &since})
}

// File begins a file, whose content are the blocks that are written next. mtime is in nanoseconds since 1970.
func (w *Writer) File(mode fs.FileMode, mtime int64, path string) error {
	return w.item(Item{Kind: KindFile, Mode: mode, ModTime: mtime, Path: path})
}

// Keep says that path is as the import that Tree named left it.
func (w *Writer) Keep(path string) error { return w.item(Item{Kind: KindKeep, Path: path}) }

// Link writes a symbolic link.
func (w *Writer) Link(path, target string) error {
	return w.item(Item{Kind: KindLink, Path: path, Target: target})
}

// Delete says that path goes. It stands in a stream without Tree.
func (w *Writer) Delete(path string) error { return w.item(Item{Kind: KindDelete, Path: path}) }

// Purge says that names of the drive go which are no paths of a stream. It stands under Changes.
func (w *Writer) Purge() error { return w.item(Item{Kind: KindPurge}) }

// Same writes a hard link: path has the content, mode and mtime of the file that was written as earlier.
func (w *Writer) Same(path, earlier string) error {
	return w.item(Item{Kind: KindSame, Path: path, Target: earlier})
}

var (
	errMixed  = errors.New("hc-stream: a folder's frames and blocks that belong to no file do not go together")
	errNoFile = errors.New("blocks that belong to no file")
)

// item writes a folder frame. What a FolderReader would refuse is refused.
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
