package worktree

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"sync"

	"hc/lib/folder"
	"hc/lib/hash/simd"
	"hc/lib/hyperbee"
	"hc/lib/hyperdrive"
)

// update is one update under way.
type update struct {
	tree    *Tree
	root    *os.Root
	to      Source
	before  []Source // versions that any file may be of
	was     []Source // versions that files left out may be of, too
	options UpdateOptions
	steps   []step
	planned map[string]bool        // names that were considered; nil if none can come twice
	same    []hyperdrive.Item      // files that are as they should be, except perhaps for their time
	retimes []retime               // those of them with another time
	unended []string               // names beside which an interrupted update may have left unfinished files
	left    []string               // names that are not written
	seen    map[string]fs.FileInfo // files to be replaced or removed, as they were found
	written map[[32]byte]string    // digests of files that were written, and their names
	edited  []string               // names of files that were edited here
	total   uint64                 // bytes that will be written
	faulty  int                    // bytes of the names of files that nobody could give as they were signed
	unsure  error                  // why it is not known whether a file is as it should be
	looked  looked

	mu   sync.Mutex // guards written, left and done while files are written
	done Updated
}

// step is one file that changes; item is nil for one that is removed.
type step struct {
	name string
	item *hyperdrive.Item
}

func (t *Tree) newUpdate(ctx context.Context, to Source, options UpdateOptions) (u *update, err error) {
	u = &update{tree: t, to: to, options: options, seen: map[string]fs.FileInfo{}, written: map[[32]byte]string{}}
	if u.before, err = t.before(ctx, to); err != nil {
		return nil, err
	}
	if u.was, err = versionsOf(ctx, to, t.was); err != nil {
		return nil, err
	}
	if t.Interrupted() || len(t.Left) > 0 || t.More {
		u.planned = map[string]bool{}
	}
	u.root, err = os.OpenRoot(t.Root)
	return u, err
}

func (u *update) close() { _ = u.root.Close() } // only looked through

// plan finds out what has to be written and removed. It changes nothing yet.
func (u *update) plan(ctx context.Context) error {
	if !u.tree.at.Pinned || u.tree.More { // nothing is known to be here
		err := u.to.Files().List(ctx, "/", func(item hyperdrive.Item) error { return u.consider(ctx, item.Name, &item) })
		if err != nil {
			return err
		}
	}
	for _, before := range u.before {
		err := u.to.Files().Diff(ctx, before.Files(), "/", func(old, fresh *hyperdrive.Item) error {
			if fresh != nil {
				return u.consider(ctx, fresh.Name, fresh)
			}
			return u.consider(ctx, old.Name, nil)
		})
		if err != nil {
			return err
		}
	}
	return u.planLeft(ctx)
}

// planLeft considers the names that the last update left out.
func (u *update) planLeft(ctx context.Context) error {
	for _, name := range u.tree.leftNames() {
		item, err := u.to.Files().Get(ctx, name)
		if errors.Is(err, hyperbee.ErrNotFound) {
			if err := u.planGone(ctx, name); err != nil {
				return err
			}
			continue
		}
		if err == nil {
			err = hyperdrive.CheckName(name)
		}
		if err != nil && !isAbsent(err) {
			return err
		}
		item.Name, item.Err = name, err
		if err := u.consider(ctx, name, &item); err != nil {
			return err
		}
	}
	return nil
}

// planGone considers a name that could not be removed, or was never written: what is there is removed only if the drive had it
// like that.
func (u *update) planGone(ctx context.Context, name string) error {
	if hyperdrive.CheckName(name) != nil || u.planned[name] {
		return nil
	}
	here, err := u.look(name)
	if err != nil {
		return u.skipRefused(name, err)
	}
	clean, err := u.clean(ctx, here, name)
	switch {
	case err == nil && clean:
		return u.consider(ctx, name, nil)
	case ctx.Err() == nil && (notGiven(err) || errors.Is(err, hyperdrive.ErrBehind)): // it cannot be known
		return nil
	}
	return u.skipRefused(name, err)
}

// consider looks at what is on the disk under a name that differs between the versions. A name that it may not look at is left
// out.
func (u *update) consider(ctx context.Context, name string, item *hyperdrive.Item) error {
	return u.skipRefused(name, u.considerOne(ctx, name, item))
}

func (u *update) considerOne(ctx context.Context, name string, item *hyperdrive.Item) error {
	if !u.tree.Wants(name) || u.planned[name] {
		return nil
	}
	if u.planned != nil {
		u.planned[name] = true
	}
	if item != nil && item.Err != nil {
		u.refuse(name, item.Err)
		return nil
	}
	if hyperdrive.CheckName(name) != nil { // it is gone from the drive, and was never written
		return nil
	}
	here, err := u.look(name)
	if err != nil {
		return err
	}
	done, err := u.isDone(ctx, here, item)
	if ctx.Err() == nil && (notGiven(err) || errors.Is(err, hyperdrive.ErrBehind)) { // it cannot be known: no sha256 was signed
		u.unsure = fmt.Errorf("comparing it with the file in the folder: %w", err)
		return u.leaveOut(name, u.unsure)
	}
	if err != nil {
		return err
	}
	if done {
		if u.tree.Interrupted() {
			u.unended = append(u.unended, name)
		}
		return nil
	}
	return u.step(ctx, here, name, item)
}

// isDone reports whether a name is as it should be.
func (u *update) isDone(ctx context.Context, here *onDisk, item *hyperdrive.Item) (bool, error) {
	if item == nil {
		return here.absent || here.info.IsDir(), nil // a folder's files have names of their own
	}
	same, err := here.is(ctx, u.to, *item)
	if !same || err != nil {
		return false, err
	}
	u.done.Same++
	if item.Entry.Blob != nil {
		u.same = append(u.same, *item)
		u.retimes = appendRetime(u.retimes, here, *item)
	}
	return true, nil
}

// step notes that a name is to be written or removed.
func (u *update) step(ctx context.Context, here *onDisk, name string, item *hyperdrive.Item) error {
	if err := u.letGo(ctx, here, name); err != nil {
		return err
	}
	if !here.absent {
		u.seen[name] = here.info
	}
	if item != nil {
		if err := u.unblock(ctx, here); err != nil {
			return err
		}
		size, _ := item.Entry.Size()
		u.total += size
	}
	u.steps = append(u.steps, step{name, item})
	return nil
}

// unblock checks whether a file in the place of a new file's folder is the drive's, which is removed, or somebody's own.
func (u *update) unblock(ctx context.Context, here *onDisk) error {
	name := here.blocker
	if name == "" {
		return nil
	}
	if item, err := u.to.Files().Get(ctx, name); err == nil && item.Err == nil {
		return fmt.Errorf("%q: %w: the drive has a file or a link, and a folder, of the name %q", here.path, folder.ErrRefused, name[1:])
	} else if !isAbsent(err) {
		return err
	}
	if _, known := u.seen[name]; known {
		return nil
	}
	blocker, err := u.look(name)
	if err != nil || blocker.absent {
		return err
	}
	if err := u.letGo(ctx, blocker, name); err != nil {
		return err
	}
	u.seen[name] = blocker.info
	return nil
}

// letGo checks whether the file on the disk may be replaced: an edited one is noted or, if edits are to be kept, refused.
func (u *update) letGo(ctx context.Context, here *onDisk, name string) error {
	clean, err := u.clean(ctx, here, name)
	if err != nil || clean {
		return err
	}
	if u.options.KeepEdits {
		return fmt.Errorf("%q: %w: it stays as it is here: %w", name[1:], ErrLocal, folder.ErrRefused)
	}
	u.edited = append(u.edited, name)
	return nil
}

// clean reports whether the file on the disk is as one of the versions that may be there has it, or absent.
func (u *update) clean(ctx context.Context, here *onDisk, name string) (bool, error) {
	if here.absent || here.info.IsDir() { // a folder's files are looked at under their own names
		return true, nil
	}
	versions := u.before
	if len(u.was) > 0 && u.tree.leftOut(name) {
		versions = slices.Concat(versions, u.was)
	}
	for _, before := range versions {
		item, err := before.Files().Get(ctx, name)
		if err != nil {
			if isAbsent(err) {
				continue
			}
			return false, err
		}
		if same, err := here.is(ctx, before, item); same || err != nil {
			return same, err
		}
	}
	return false, nil
}

// onDisk is what the folder has under a name.
type onDisk struct {
	root    *os.Root
	path    string
	absent  bool
	blocker string // with absent: the name of a file in the place of its folder; "": there is none
	info    fs.FileInfo
	sum     *[32]byte // once it was asked for
}

// looked is what the last look found on the way to a name: the next name usually has the same way.
type looked struct {
	folder string // a path that is a folder, and not reached by a link; "": nothing is known
	absent string // a path that does not exist, nor anything below it; "": nothing is known
}

// look looks at a name, following no link.
func (u *update) look(name string) (*onDisk, error) {
	d := &onDisk{root: u.root, path: strings.TrimPrefix(name, "/")}
	if u.looked.absent != "" && strings.HasPrefix(d.path, u.looked.absent+"/") {
		d.absent = true
		return d, nil
	}
	if in := path.Dir(d.path); in != u.looked.folder {
		u.lookAbove(d, in)
	}
	if d.absent {
		return d, nil
	}
	var err error
	d.info, err = u.root.Lstat(d.path)
	if errors.Is(err, fs.ErrNotExist) {
		d.absent, err = true, nil
	}
	return d, folder.NotAllowed(d.path, err)
}

// lookAbove looks at the folders on the way to a name. Nothing changes while the update is planned.
func (u *update) lookAbove(d *onDisk, in string) {
	u.looked = looked{folder: in}
	for folder := in; folder != "."; folder = path.Dir(folder) {
		info, err := u.root.Lstat(folder)
		switch {
		case err == nil && !info.IsDir(): // a file or a link in the place of a folder: looked at under its own name
			d.absent, d.blocker = true, "/"+folder
		case errors.Is(err, fs.ErrNotExist):
			u.looked.absent = folder
		}
		if err != nil || !info.IsDir() {
			u.looked.folder = ""
		}
	}
	if d.blocker != "" { // names below it need a look of their own
		u.looked = looked{}
	}
	d.absent = d.absent || u.looked.absent != ""
}

// is reports whether the file on the disk is what a version has.
func (d *onDisk) is(ctx context.Context, of files, item hyperdrive.Item) (bool, error) {
	if d.absent || item.Err != nil {
		return false, nil
	}
	if item.Entry.Link != nil {
		return d.isLink(item)
	}
	if !d.info.Mode().IsRegular() || item.Entry.Blob == nil {
		return false, nil
	}
	if size, ok := item.Entry.Size(); ok && size != uint64(d.info.Size()) {
		return false, nil
	}
	if modeOf(item.Entry) != d.info.Mode().Perm() && !plainMode(item.Entry, d.info.Mode()) {
		return false, nil
	}
	want, err := sumOf(ctx, of, item)
	if err != nil {
		return false, err
	}
	sum, err := d.digest()
	return sum == want, err
}

func (d *onDisk) isLink(item hyperdrive.Item) (bool, error) {
	if d.info.Mode()&fs.ModeSymlink == 0 {
		return false, nil
	}
	target, err := d.root.Readlink(d.path)
	return target == hyperdrive.LinkTarget(d.path, *item.Entry.Link), err
}

// digest returns the sha256 of the file.
func (d *onDisk) digest() ([32]byte, error) {
	if d.sum != nil {
		return *d.sum, nil
	}
	file, err := folder.Open(d.root, d.path)
	if err != nil {
		return [32]byte{}, folder.NotAllowed(d.path, err)
	}
	defer file.Close() // only read from
	sum := simd.NewSHA256()
	if _, err := io.Copy(sum, file); err != nil {
		return [32]byte{}, err
	}
	d.sum = (*[32]byte)(sum.Sum(nil))
	return *d.sum, nil
}
