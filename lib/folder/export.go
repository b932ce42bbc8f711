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
	// ErrRefused is wrapped by errors about one item that must not, or cannot, be written into this folder; others can. What
	// was there is as it was.
	ErrRefused = errors.New("not written")

	// ErrInTheWay is wrapped, with ErrRefused, where something of the folder's own would have to go.
	ErrInTheWay = fmt.Errorf("something is in the way: %w", ErrRefused)
)

// NotAllowed makes an error about a path one that wraps ErrRefused where the system does not allow it, or the disk takes no such
// name: it may well have others. Of a disk that is read-only it has none.
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

// A Decision is what is to become of something that is in the way.
type Decision int

// Decisions.
const (
	Refuse  Decision = iota // it stays, and the item is an error: ErrInTheWay
	Replace                 // it goes
	Keep                    // it stays, and the item counts as done
)

// Existing is a file or a link of the folder that an item would take the place of.
type Existing struct {
	Path string      // in the drive, without a / before it
	Info fs.FileInfo // as Lstat says
	Gone bool        // the drive has nothing there any more: it is to be removed
}

// ExportOptions say how a folder is written.
type ExportOptions struct {
	// Decide is asked about everything that an item would replace or remove; nil refuses. Who calls knows what was there
	// before, and whether somebody has changed it since. It is asked about one at a time, but from any goroutine: about what
	// has come, or was changed, since a write was begun.
	Decide func(Existing) (Decision, error)

	// OutsideLinks lets links be written whose target may be outside of the folder. Nothing here ever follows one, but other
	// programs will.
	OutsideLinks bool
}

// An Export writes a drive's files into a folder of the disk. Each file is written under another name in its folder, and
// takes its place once all of its content was verified: what is there under its name is the old one or the new one, whole.
//
//	x, err := folder.OpenExport("copy", folder.ExportOptions{Decide: …})
//	…
//	err = x.Remove(path)            // first of all that is gone: a file may have become a folder
//	err = x.Put(item, func(w io.Writer) error {
//		return hyperdrive.Content(ctx, d.Blobs(), item, w)
//	})
//	err = x.Close()
//
// Begin is Put in two halves, the second of which may run beside others.
//
// Nothing is ever written, or removed, through a symbolic link. Items may come in any order; that of a drive's keys is the
// fastest. At most one Export may be at work in a folder: it removes what one before it that was killed has left unfinished.
type Export struct {
	opt   ExportOptions
	dirs  []exportDir // from the folder itself down to where the last item was
	folds bool        // the disk takes some names for one another
	seed  maphash.Seed
	temps tempNames
	begun sync.WaitGroup // files

	deciding sync.Mutex // held while Decide is asked

	mu      sync.Mutex          // guards stats, and:
	written map[uint64]struct{} // hashes of the paths of what was written, or begun
	stats   ExportStats
}

// ExportStats count what an Export did.
type ExportStats struct {
	Files, Links, Removed, Kept uint64
	Bytes                       uint64 // of files
}

// OpenExport opens a folder to be written, which is made if it is not there.
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

// Close lets go of the folder, once all that was begun has ended.
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

// Put writes one item of a drive. Of a file, content is called to write what the drive has, verified: if it returns an
// error, nothing was written. Its writer is an *os.File, so that CopyFile can make it a clone of another. The errors that
// wrap ErrRefused are about this item alone; others, say of a full disk, will be those of the next one, too.
func (x *Export) Put(item hyperdrive.Item, content func(w io.Writer) error) error {
	write, err := x.Begin(item, content)
	if err != nil || write == nil {
		return err
	}
	return write()
}

// Begin is Put up to the writing of a file, which write does: it may run beside others, and beside all else that is done
// with the Export. It must be called, without waiting for anything of this goroutine. It is nil if nothing is left to be
// done.
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
	if x.folds { // what the disk takes for its name has to see it
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
	was        fs.FileInfo // what is there, and goes, as it was when that was decided; nil: nothing
}

// place opens the folder of a path and makes way for it.
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

// claim notes that a path is written, or is none any more.
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

// clear sees to it that a name may be taken; was is what has it, and goes, done says that this is to stay.
func (x *Export) clear(dir *exportDir, path, name string) (was fs.FileInfo, done bool, err error) {
	if x.claimed(path) {
		return nil, false, fmt.Errorf("%q: %w: it was written already", path, ErrRefused)
	}
	if !x.folds && !dir.names[name] { // what comes meanwhile is seen when this gets its name
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
		x.begun.Wait()                                 // it may be of one of those
		if removeFolders(dir.root.Root, name) != nil { // what has no file is nobody's
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

// Remove removes a file or a link that the drive does not have any more, and then its folders as far as they are empty. What
// is not there is no error; a folder, or what Decide refuses, is ErrInTheWay.
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
		return nil // another file, which the disk takes for this one
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

// PutDrive is Put for every item of a version: of each that is refused refused is told, which may end it by an error.
func (x *Export) PutDrive(ctx context.Context, d *hyperdrive.Drive, blobs hyperdrive.Blobs, refused func(item hyperdrive.Item, err error) error) error {
	return d.List(ctx, "/", func(item hyperdrive.Item) error {
		err := x.Put(item, func(w io.Writer) error { return hyperdrive.Content(ctx, blobs, item, w) })
		if errors.Is(err, ErrRefused) {
			return refused(item, err)
		}
		return err
	})
}
