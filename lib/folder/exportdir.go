package folder

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"hc/lib/hyperdrive"
)

// An exportDir is an open folder of an Export: a real one, not reached by a link, and the same for as long as it is open.
type exportDir struct {
	root  *sharedRoot
	name  string                   // in the folder above
	names map[string]bool          // the names in it, as spelt, that were there when it was opened, or are the drive's
	fold  func(name string) string // for tests: the name that the disk takes a name for
}

// lstat looks at what is in it.
func (d *exportDir) lstat(name string) (fs.FileInfo, error) {
	if d.fold != nil {
		name = d.fold(name)
	}
	return d.root.Lstat(name)
}

// list reads the names in it, and removes unfinished files of others.
func (d *exportDir) list(own tempNames) error {
	names, err := d.root.dir.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		if isTemp(name) {
			if !own.has(name) {
				_ = d.root.Remove(name)
			}
			continue
		}
		d.names[name] = true
	}
	return nil
}

func (d *exportDir) add(name string)    { d.names[name] = true }
func (d *exportDir) forget(name string) { delete(d.names, name) }

// spelt returns an error if the disk has a name, but in another spelling.
func (x *Export) spelt(dir *exportDir, path, name string) error {
	if !x.folds || dir.names[name] {
		return nil
	}
	return fmt.Errorf("%q: %w: this disk takes its name for that of another file", path, ErrRefused)
}

// enter opens the folder that path is in, and makes it if there is none.
func (x *Export) enter(path string) (*exportDir, string, error) {
	parts := strings.Split(path, "/")
	folders := parts[:len(parts)-1]
	common := x.common(folders)
	x.leave(common)
	for i := common; i < len(folders); i++ {
		if err := x.descend(strings.Join(parts[:i+1], "/"), folders[i]); err != nil {
			return nil, "", err
		}
	}
	return x.top(), parts[len(parts)-1], nil
}

// find opens the folder that path is in; nil if there is none.
func (x *Export) find(path string) (*exportDir, string, error) {
	parts := strings.Split(path, "/")
	folders := parts[:len(parts)-1]
	common := x.common(folders)
	x.leave(common)
	for _, name := range folders[common:] {
		info, err := x.top().lstat(name)
		if errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() || err == nil && x.spelt(x.top(), path, name) != nil {
			return nil, "", nil
		}
		if err == nil {
			err = x.open(name, info, false)
		}
		if err != nil {
			return nil, "", fmt.Errorf("removing %q: %w", path, err)
		}
	}
	return x.top(), parts[len(parts)-1], nil
}

// Tidy removes unfinished files of another Export beside a path, and then its folders as far as they are empty.
func (x *Export) Tidy(path string) error {
	if err := hyperdrive.CheckName("/" + path); err != nil {
		return fmt.Errorf("%q: %w: %w", path, ErrRefused, err)
	}
	if _, _, err := x.find(path); err != nil { // this lists the folders on the way, as far as there are any
		return NotAllowed(path, err)
	}
	return x.removeEmpty()
}

// common returns how many of the folders are open.
func (x *Export) common(folders []string) int {
	n := 0
	for n < len(folders) && n+1 < len(x.dirs) && x.dirs[n+1].name == folders[n] {
		n++
	}
	return n
}

// leave closes all folders below the first depth ones.
func (x *Export) leave(depth int) {
	for len(x.dirs) > depth+1 {
		x.top().root.release()
		x.dirs = x.dirs[:len(x.dirs)-1]
	}
}

func (x *Export) top() *exportDir { return &x.dirs[len(x.dirs)-1] }

// descend opens the folder name, with the given path, in the innermost open one, and makes it if there is none. A link does not
// count as a folder: it is in the way.
func (x *Export) descend(path, name string) error {
	dir := x.top()
	if err := x.notOurs(path); err != nil {
		return err
	}
	made, err := x.makeFolder(dir, path, name)
	if errors.Is(err, ErrRefused) {
		return err
	}
	if err == nil {
		var info fs.FileInfo
		if info, err = dir.lstat(name); err == nil {
			err = x.open(name, info, made)
		}
	}
	if err != nil {
		return fmt.Errorf("making folder %q: %w", path, err)
	}
	return nil
}

// makeFolder makes a folder if there is none; made says that it was not there.
func (x *Export) makeFolder(dir *exportDir, path, name string) (made bool, err error) {
	err = fs.ErrNotExist
	if x.folds || dir.names[name] {
		var info fs.FileInfo
		if info, err = dir.lstat(name); err == nil {
			err = x.makeWay(dir, path, name, info)
		}
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	err = dir.root.Mkdir(name, 0o777)
	if errors.Is(err, fs.ErrExist) { // somebody has made it meanwhile
		info, err := dir.lstat(name)
		if err == nil {
			err = x.makeWay(dir, path, name, info)
		}
		dir.add(name)
		return false, err
	}
	if err == nil {
		dir.add(name)
	}
	return err == nil, err
}

// notOurs refuses a folder where a file or a link of the drive was written, or begun.
func (x *Export) notOurs(path string) error {
	if x.claimed(path) {
		return fmt.Errorf("%q: %w: the drive has a file or a link and a folder of that name", path, ErrRefused)
	}
	return nil
}

// makeWay makes sure that an existing name is a folder. If it removes what was there, it returns fs.ErrNotExist.
func (x *Export) makeWay(dir *exportDir, path, name string, info fs.FileInfo) error {
	if err := x.spelt(dir, path, name); err != nil {
		return err
	}
	if info.IsDir() {
		return nil
	}
	decision, err := x.decide(Existing{Path: path, Info: info, Gone: true})
	if err != nil {
		return err
	}
	if decision == Keep {
		return fmt.Errorf("%q: %w: it is not a folder", path, ErrInTheWay)
	}
	if err := dir.root.Remove(name); err != nil {
		return err
	}
	dir.forget(name)
	return fs.ErrNotExist
}

// open opens a folder in the innermost open one; seen is how it was found. A folder that was just made need not be listed.
func (x *Export) open(name string, seen fs.FileInfo, made bool) error {
	root, err := x.top().root.OpenRoot(name)
	if err != nil {
		return err
	}
	dir, err := openDir(root, name)
	if err != nil {
		return err
	}
	info, err := root.Stat(".")
	if err == nil && !os.SameFile(info, seen) {
		err = fmt.Errorf("something took its place: %w", ErrInTheWay)
	}
	if err == nil && !made {
		err = dir.list(x.temps)
	}
	if err != nil {
		_ = dir.root.close()
		return err
	}
	x.dirs = append(x.dirs, dir)
	return nil
}

// removeFolders removes a folder that holds nothing but folders. Anything else stays, and is an error.
func removeFolders(in *os.Root, name string) error {
	if in.Remove(name) == nil {
		return nil
	}
	root, err := in.OpenRoot(name)
	if err != nil {
		return err
	}
	defer root.Close() // only looked through
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if !entry.IsDir() {
			return ErrInTheWay
		}
		if err := removeFolders(root, entry.Name()); err != nil {
			return err
		}
	}
	return in.Remove(name)
}

// openDir returns a folder whose names are not known yet. It takes over root, even on an error.
func openDir(root *os.Root, name string) (exportDir, error) {
	shared, err := share(root)
	return exportDir{root: shared, name: name, names: map[string]bool{}}, err
}

// removeEmpty removes the folders that are open, from the last one up, as far as they are empty.
func (x *Export) removeEmpty() error {
	for len(x.dirs) > 1 && len(x.top().names) == 0 {
		name := x.top().name
		x.leave(len(x.dirs) - 2)
		if x.top().root.Remove(name) != nil {
			return nil // something is in it
		}
		x.top().forget(name)
	}
	return nil
}

// foldsNames finds out whether a disk treats names as the same that differ in case, or in how Unicode spells a letter.
func foldsNames(root *os.Root, temps *tempNames) (bool, error) {
	for _, pair := range [][2]string{{"a", "A"}, {"\u00e4", "a\u0308"}, {"\u212a", "k"}} {
		base := temps.next()
		folder := base + pair[0]
		if err := root.Mkdir(folder, 0o700); err != nil {
			return false, err
		}
		_, err := root.Lstat(base + pair[1])
		if e := root.Remove(folder); e != nil {
			return false, e
		}
		if err == nil {
			return true, nil
		}
	}
	return false, nil
}
