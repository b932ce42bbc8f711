package worktree

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"hc/lib/folder"
	"hc/lib/hash"
	"hc/lib/hyperdrive"
)

// update is one update under way.
type update struct {
	tree    *Tree
	root    *os.Root
	to      Source
	before  []Source
	options UpdateOptions
	steps   []step
	seen    map[string]fs.FileInfo // what is to be replaced or removed, as it was found
	written map[[32]byte]string    // digests of files that were written, and their names
	edited  []string               // names of files that were edited here
	total   uint64                 // bytes that will be written
	done    Updated
}

// step is one file that changes: item is nil for one that goes.
type step struct {
	name string
	item *hyperdrive.Item
}

func (t *Tree) newUpdate(ctx context.Context, to Source, options UpdateOptions) (u *update, err error) {
	u = &update{tree: t, to: to, options: options, seen: map[string]fs.FileInfo{}, written: map[[32]byte]string{}}
	if u.before, err = t.before(ctx, to); err != nil {
		return nil, err
	}
	u.root, err = os.OpenRoot(t.Root)
	return u, err
}

func (u *update) close() { _ = u.root.Close() } // only looked through

// plan finds out what has to be written and removed. Nothing is changed yet.
func (u *update) plan(ctx context.Context) error {
	if len(u.before) == 0 {
		return u.to.Files().List(ctx, "/", func(item hyperdrive.Item) error { return u.consider(ctx, item.Name, &item) })
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
	u.unique()
	return nil
}

// unique drops steps that two differences have both brought.
func (u *update) unique() {
	if len(u.before) < 2 {
		return
	}
	seen := make(map[string]bool, len(u.steps))
	kept := u.steps[:0]
	for _, s := range u.steps {
		if !seen[s.name] {
			seen[s.name] = true
			kept = append(kept, s)
		}
	}
	u.steps = kept
}

// consider looks at what is on the disk under a name that differs between the versions.
func (u *update) consider(ctx context.Context, name string, item *hyperdrive.Item) error {
	if !u.tree.Wants(name) {
		return nil
	}
	if item != nil && item.Err != nil {
		u.refuse(name, item.Err)
		return nil
	}
	if hyperdrive.CheckName(name) != nil { // one that is gone was never written
		return nil
	}
	here, err := u.look(name)
	if err != nil {
		return err
	}
	if item == nil && here.absent {
		return nil
	}
	if item != nil {
		same, err := here.is(ctx, u.to, *item)
		if err != nil {
			return err
		}
		if same {
			u.done.Same++
			return nil
		}
	}
	clean, err := u.clean(ctx, here, name)
	if err != nil {
		return err
	}
	if !clean {
		u.edited = append(u.edited, name)
	}
	if !here.absent {
		u.seen[name] = here.info
	}
	if item != nil {
		size, _ := item.Entry.Size()
		u.total += size
	}
	u.steps = append(u.steps, step{name, item})
	return nil
}

// clean reports whether what is on the disk is as one of the versions has it that may be there, or nothing.
func (u *update) clean(ctx context.Context, here *onDisk, name string) (bool, error) {
	if here.absent || here.info.IsDir() { // what is in a folder is looked at under its own name
		return true, nil
	}
	for _, before := range u.before {
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
	root   *os.Root
	path   string
	absent bool
	info   fs.FileInfo
	sum    *[32]byte // once it was asked for
}

// look looks at a name, through no link.
func (u *update) look(name string) (*onDisk, error) {
	d := &onDisk{root: u.root, path: strings.TrimPrefix(name, "/")}
	for folder := path.Dir(d.path); folder != "."; folder = path.Dir(folder) {
		info, err := u.root.Lstat(folder)
		if err == nil && !info.IsDir() { // a file or a link where a folder should be: looked at under its own name
			d.absent = true
			return d, nil
		}
	}
	var err error
	d.info, err = u.root.Lstat(d.path)
	if errors.Is(err, fs.ErrNotExist) {
		d.absent, err = true, nil
	}
	return d, err
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
	return target == folder.LinkTarget(d.path, *item.Entry.Link), err
}

// digest returns the sha256 of the file.
func (d *onDisk) digest() ([32]byte, error) {
	if d.sum != nil {
		return *d.sum, nil
	}
	file, err := d.root.Open(d.path)
	if err != nil {
		return [32]byte{}, err
	}
	defer file.Close() // only read from
	sum := hash.NewSHA256()
	if _, err := io.Copy(sum, file); err != nil {
		return [32]byte{}, err
	}
	d.sum = (*[32]byte)(sum.Sum(nil))
	return *d.sum, nil
}
