package folder

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"hc/lib/hyperdrive"
)

var (
	// ErrRefused says that one item must not, or cannot, be written into this folder; others can. What was there is unchanged.
	ErrRefused = errors.New("not written")

	// ErrInTheWay, an ErrRefused, says that something of the folder's own would have to go.
	ErrInTheWay = fmt.Errorf("something is in the way: %w", ErrRefused)
)

// NotAllowed makes an error about a path wrap ErrRefused if the system does not permit the operation, or the disk does not
// accept the name: other paths may still work. On a read-only disk none would.
func NotAllowed(path string, err error) error {
	var why syscall.Errno
	if !errors.As(err, &why) || errors.Is(err, ErrRefused) {
		return err
	}
	switch why {
	case syscall.EACCES, syscall.EPERM, syscall.ENAMETOOLONG:
		return fmt.Errorf("%q: %w: %w", path, ErrRefused, why)
	}
	return err
}

// A Decision says what becomes of something that is in the way.
type Decision int

// Decisions.
const (
	Refuse  Decision = iota // it stays, and the item is an error: ErrInTheWay
	Replace                 // it goes
	Keep                    // it stays, and the item counts as done
)

// Existing is a file or a link of the folder that an item would replace.
type Existing struct {
	Path string      // in the drive, without a leading /
	Info fs.FileInfo // from Lstat
	Gone bool        // the drive has no file there any more: it is to be removed
}

// ExportOptions say how a folder is written.
type ExportOptions struct {
	// Decide is asked about everything that an item would replace or remove; nil refuses. The caller knows what was there
	// before, and whether somebody has changed it since. Decide is called for one thing at a time, but from any goroutine, for
	// whatever has appeared or changed since a write was begun.
	Decide func(Existing) (Decision, error)

	// OutsideLinks allows links whose target may be outside the folder. Nothing here ever follows one, but other programs will.
	OutsideLinks bool
}

// An Export writes a drive's files into a folder of the disk. Each file is written under another name in its folder, and is
// renamed once all of its content was verified: under its name there is the old file or the new one, whole.
//
//	x, err := folder.OpenExport("copy", folder.ExportOptions{Decide: …})
//	…
//	err = x.Remove(path)            // first everything that is gone: a file may have become a folder
//	err = x.Put(item, func(w io.Writer) error {
//		return hyperdrive.Content(ctx, d.Blobs(), item, w)
//	})
//	err = x.Close()
//
// Begin is Put in two halves, the second of which may run in parallel with others.
//
// Nothing is ever written, or removed, through a symbolic link. Items may come in any order; that of a drive's keys is the
// fastest. Only one Export may be at work in a folder: it removes what an earlier one, if it was killed, left unfinished.
type Export struct {
	opt   ExportOptions
	dirs  []exportDir // from the folder itself down to that of the last item
	folds bool        // the disk treats some different names as the same
	seed  maphash.Seed
	temps tempNames
	begun sync.WaitGroup // files

	deciding sync.Mutex // held while Decide is asked

	mu      sync.Mutex          // guards stats, and:
	written map[uint64]struct{} // hashes of the paths that were written, or begun
	stats   ExportStats
}

// ExportStats count what an Export did.
type ExportStats struct {
	Files, Links, Removed, Kept uint64
	Bytes                       uint64 // of files
}

// OpenExport opens a folder for writing, and makes it if it is not there.
func OpenExport(dir string, opt ExportOptions) (*Export, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	x := &Export{opt: opt, seed: maphash.MakeSeed(), written: map[uint64]struct{}{}, temps: newTempNames()}
	top, err := openDir(root, "")
	if err != nil {
		return nil, err
	}
	err = top.list(x.temps)
	if err == nil {
		x.folds, err = foldsNames(root, &x.temps)
	}
	if err != nil {
		_ = top.root.close()
		return nil, fmt.Errorf("writing to folder %q: %w", dir, err)
	}
	x.dirs = []exportDir{top}
	return x, nil
}

// Close waits for all writes that were begun, and closes the folder.
func (x *Export) Close() error {
	x.begun.Wait()
	x.leave(0)
	return x.dirs[0].root.close()
}

// Stats returns what was done so far.
func (x *Export) Stats() ExportStats {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.stats
}

// Put writes one item of a drive. For a file, it calls content to write the verified content from the drive; if content returns
// an error, nothing has been written. The writer is an *os.File, so that CopyFile can make it a clone of another. Errors that
// wrap ErrRefused are about this item alone; others, such as that of a full disk, would also hit the next one.
func (x *Export) Put(item hyperdrive.Item, content func(w io.Writer) error) error {
	write, err := x.Begin(item, content)
	if err != nil || write == nil {
		return err
	}
	return write()
}

// Begin is Put except for writing a file, which write does. write may run in parallel with others, and with everything else
// done with the Export. It must be called, and must not have to wait for this goroutine. It is nil if nothing is left to do.
func (x *Export) Begin(item hyperdrive.Item, content func(w io.Writer) error) (write func() error, err error) {
	path, err := x.check(item)
	if err != nil {
		return nil, err
	}
	if item.Entry.Link != nil {
		target, err := x.linkTarget(path, *item.Entry.Link)
		if err != nil {
			return nil, err
		}
		return nil, x.link(path, target)
	}
	at, err := x.place(path)
	if at.dir == nil || err != nil {
		return nil, err
	}
	mode, mtime := attributes(item.Entry)
	dir, name := at.dir, at.name
	write = x.begin(at, func(dir *sharedRoot, temp string) (done ExportStats, err error) {
		file, err := dir.create(temp)
		if err != nil {
			return done, NotAllowed(path, err)
		}
		n, err := writeFile(dir, file, temp, mode, mtime, content)
		return ExportStats{Files: 1, Bytes: uint64(n)}, err
	})
	if x.folds { // names that the disk treats as the same must be noticed
		err := write()
		if err == nil {
			dir.add(name)
		}
		return nil, err
	}
	dir.add(name)
	return write, nil
}

func (x *Export) link(path, target string) error {
	at, err := x.place(path)
	if at.dir == nil || err != nil {
		return err
	}
	write := x.begin(at, func(dir *sharedRoot, temp string) (done ExportStats, err error) {
		return ExportStats{Links: 1}, NotAllowed(path, dir.Symlink(target, temp))
	})
	if err := write(); err != nil {
		return err
	}
	at.dir.add(at.name)
	return nil
}

// check returns the path of an item that a folder may have.
func (x *Export) check(item hyperdrive.Item) (string, error) {
	err := item.Err
	if err == nil {
		err = hyperdrive.CheckName(item.Name)
	}
	if err == nil && isTemp(item.Name[strings.LastIndexByte(item.Name, '/')+1:]) {
		err = errors.New("such a name is for unfinished files")
	}
	if err == nil && item.Entry.Link == nil && item.Entry.Blob == nil {
		err = errors.New("it is neither a file nor a link")
	}
	if err != nil {
		return "", fmt.Errorf("%q: %w: %w", item.Name, ErrRefused, err)
	}
	return item.Name[1:], nil
}

// attributes returns a file's mode and time, as far as the drive has them.
func attributes(e hyperdrive.Entry) (mode fs.FileMode, mtime time.Time) {
	mode = 0o644
	if e.Executable {
		mode = 0o755
	}
	meta := hyperdrive.ParseMeta(e.Metadata)
	if meta.HasMode {
		mode = meta.Mode.Perm()
	}
	if meta.HasModTime {
		mtime = time.Unix(0, meta.ModTime)
	}
	return mode, mtime
}

// place is where an item goes.
type place struct {
	dir        *exportDir // nil: what is there is to stay
	path, name string
	was        fs.FileInfo // the file to be replaced, as it was when that was decided; nil: none
}

// place opens the folder of a path and clears the way for it.
func (x *Export) place(path string) (place, error) {
	dir, name, err := x.enter(path)
	if err != nil {
		return place{}, NotAllowed(path, err)
	}
	was, done, err := x.clear(dir, path, name)
	if done || err != nil {
		return place{}, err
	}
	return place{dir, path, name, was}, nil
}

// claim notes that a path is being written, or no longer is.
func (x *Export) claim(path string, written bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if written {
		x.written[maphash.String(x.seed, path)] = struct{}{}
		return
	}
	delete(x.written, maphash.String(x.seed, path))
}

func (x *Export) claimed(path string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	_, ok := x.written[maphash.String(x.seed, path)]
	return ok
}

// clear makes sure that a name may be taken. was is the file there that will be replaced; done says that it is to stay.
func (x *Export) clear(dir *exportDir, path, name string) (was fs.FileInfo, done bool, err error) {
	if x.claimed(path) {
		return nil, false, fmt.Errorf("%q: %w: it was written already", path, ErrRefused)
	}
	if !x.folds && !dir.names[name] { // anything that appears meanwhile is noticed at the rename
		return nil, false, nil
	}
	info, err := dir.lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, NotAllowed(path, fmt.Errorf("writing %q: %w", path, err))
	}
	if err := x.spelt(dir, path, name); err != nil {
		return nil, false, err
	}
	if info.IsDir() {
		x.begun.Wait()                                 // it may belong to a write under way
		if removeFolders(dir.root.Root, name) != nil { // folders without files are nobody's
			return nil, false, fmt.Errorf("%q: %w: it is a folder", path, ErrInTheWay)
		}
		return nil, false, nil
	}
	decision, err := x.decide(Existing{Path: path, Info: info})
	if decision == Keep {
		x.count(ExportStats{Kept: 1})
	}
	return info, decision == Keep, err
}

// decide asks about what is in the way, one at a time, and returns Replace, Keep, or an error.
func (x *Export) decide(e Existing) (Decision, error) {
	x.deciding.Lock()
	defer x.deciding.Unlock()
	decision := Refuse
	if x.opt.Decide != nil {
		var err error
		if decision, err = x.opt.Decide(e); err != nil {
			return Refuse, err
		}
	}
	if decision == Refuse {
		return Refuse, fmt.Errorf("%q: %w", e.Path, ErrInTheWay)
	}
	return decision, nil
}

func (x *Export) count(done ExportStats) {
	x.mu.Lock()
	defer x.mu.Unlock()
	s := &x.stats
	s.Files, s.Links, s.Removed, s.Kept, s.Bytes = s.Files+done.Files, s.Links+done.Links, s.Removed+done.Removed, s.Kept+done.Kept, s.Bytes+done.Bytes
}

// Remove removes a file or a link that the drive no longer has, and then its folders as far as they are empty. It is no error
// if nothing is there. A folder, or a refusal by Decide, is ErrInTheWay.
func (x *Export) Remove(path string) error {
	if err := hyperdrive.CheckName("/" + path); err != nil {
		return fmt.Errorf("%q: %w: %w", path, ErrRefused, err)
	}
	dir, name, err := x.find(path)
	if dir == nil || err != nil {
		return NotAllowed(path, err)
	}
	info, err := dir.lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return NotAllowed(path, fmt.Errorf("removing %q: %w", path, err))
	}
	if x.spelt(dir, path, name) != nil {
		return nil // another file, with a name that the disk treats as the same
	}
	if info.IsDir() {
		return fmt.Errorf("%q: %w: it is a folder", path, ErrInTheWay)
	}
	decision, err := x.decide(Existing{Path: path, Info: info, Gone: true})
	if decision == Keep {
		x.count(ExportStats{Kept: 1})
	}
	if decision != Replace {
		return err
	}
	if err := dir.root.Remove(name); err != nil {
		return NotAllowed(path, fmt.Errorf("removing %q: %w", path, err))
	}
	dir.forget(name)
	x.count(ExportStats{Removed: 1})
	return x.removeEmpty()
}

// PutDrive is Put for every item of a version. It calls refused for each that is refused; an error of that ends it.
func (x *Export) PutDrive(ctx context.Context, d *hyperdrive.Drive, blobs hyperdrive.Blobs, refused func(item hyperdrive.Item, err error) error) error {
	return d.List(ctx, "/", func(item hyperdrive.Item) error {
		err := x.Put(item, func(w io.Writer) error { return hyperdrive.Content(ctx, blobs, item, w) })
		if errors.Is(err, ErrRefused) {
			return refused(item, err)
		}
		return err
	})
}
