package folder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"hc/lib/hidden"
	"hc/lib/stream"
)

// A Source is what is imported: a folder, or one file.
type Source struct {
	Path string // on disk
	As   string // in the drive: a relative path; "" for a folder whose content goes to the root
}

// ErrSpecial is wrapped by errors about what a drive does not hold: devices, sockets, pipes, names that are not UTF-8.
var ErrSpecial = errors.New("a drive holds files and symbolic links only, with names in UTF-8")

// ErrChanged is wrapped by errors about a file that something writes while it is read.
var ErrChanged = errors.New("changed while it was read")

// errGone is what a file ends with that is not there any more: as if it had not been found.
var errGone = fmt.Errorf("it was deleted: %w", ErrChanged)

// A found is a file or a link on its way into a stream.
type found struct {
	path   string // in the drive
	source *source
	name   string      // below the source's root
	info   fs.FileInfo // of the file itself, never of what a link points to
	target string      // of a link, as the drive has it; "" for a file
}

// source is an open Source.
type source struct {
	root   *os.Root // what is below it is reached through it, so that no link leads out
	only   string   // of a single file: its name in root
	as     string
	places []string   // absolute names of the folder on disk, for links into it
	cache  *statCache // nil for none
}

// walker finds all that is below its sources, in the order of a drive's keys: the bytes of whole paths.
type walker struct {
	ctx   context.Context
	opt   *Options
	rules []rules // of the folders around, from the top down
	each  func(found) error
}

// openSources opens what is to be imported, in the order of keys.
func openSources(sources []Source) (open []*source, err error) {
	defer func() {
		if err != nil {
			closeSources(open)
		}
	}()
	for _, s := range sources {
		one, err := openSource(s)
		if err != nil {
			return open, err
		}
		open = append(open, one)
	}
	slices.SortFunc(open, func(a, b *source) int { return strings.Compare(a.key(), b.key()) })
	for i, s := range open {
		if i > 0 && (s.as == open[i-1].as || open[i-1].as == "") {
			return open, fmt.Errorf("two of what is to be imported would be %q: import them one at a time, or what holds both", s.as)
		}
	}
	return open, nil
}

func openSource(s Source) (*source, error) {
	if s.As != "" {
		if err := stream.CheckPath(s.As); err != nil {
			return nil, fmt.Errorf("importing %q: %w", s.Path, err)
		}
	}
	info, err := os.Stat(s.Path)
	if err != nil {
		return nil, err
	}
	one := &source{as: s.As}
	dir := s.Path
	if !info.IsDir() {
		dir, one.only = filepath.Split(filepath.Clean(s.Path))
		dir = filepath.Clean(dir)
	}
	if one.only != "" && s.As == "" {
		return nil, fmt.Errorf("importing %q: a file needs a name", s.Path)
	}
	if one.root, err = os.OpenRoot(dir); err != nil {
		return nil, err
	}
	if whole, err := filepath.Abs(dir); err == nil {
		one.places = append(one.places, whole)
		if real, err := filepath.EvalSymlinks(whole); err == nil && real != whole {
			one.places = append(one.places, real)
		}
	}
	return one, nil
}

// key is where the source stands in the order of a drive.
func (s *source) key() string {
	if s.only != "" || s.as == "" {
		return s.as
	}
	return s.as + "/"
}

func closeSources(open []*source) {
	for _, s := range open {
		_ = s.root.Close() // only read from
	}
}

// walk finds what is in one source.
func (w *walker) walk(s *source) error {
	if s.only != "" {
		if w.leftOut(s.as, false) {
			return nil
		}
		info, err := s.root.Lstat(s.only)
		if err != nil {
			return err
		}
		return w.entry(s, s.root, "", s.as, s.only, info)
	}
	prefix := ""
	if s.as != "" {
		if w.leftOut(s.as, true) {
			return nil
		}
		prefix = s.as + "/"
	}
	return w.folder(s, s.root, prefix, "")
}

// An entry is what a folder holds under a name.
type entry struct {
	name string // a folder's ends with a /, as it does in the keys of what is in it
	info fs.FileInfo
}

// folder finds what is in one folder: prefix is its path in the drive, below the one in the source, each with a / behind it.
func (w *walker) folder(s *source, at *os.Root, prefix, below string) error {
	entries, err := readFolder(at)
	if err != nil {
		return fmt.Errorf("reading folder %q: %w", at.Name(), err)
	}
	before := len(w.rules)
	defer func() { w.rules = w.rules[:before] }()
	if err := w.readRules(at, prefix, entries); err != nil {
		return err
	}
	for _, e := range entries {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		name := strings.TrimSuffix(e.name, "/")
		if w.leftOut(prefix+name, e.info.IsDir()) {
			continue
		}
		if err := w.entry(s, at, below, prefix+name, name, e.info); err != nil {
			return err
		}
	}
	return nil
}

// readFolder returns what is in a folder in the order of keys, without a store.
func readFolder(at *os.Root) ([]entry, error) {
	dir, err := at.Open(".")
	if err != nil {
		return nil, err
	}
	defer dir.Close() // only read from
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	entries := make([]entry, 0, len(names))
	for _, name := range names {
		if hidden.Path(name) || isTemp(name) {
			continue
		}
		info, err := at.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // gone since the names were read
		}
		if err != nil {
			return nil, err
		}
		if info.IsDir() {
			name += "/"
		}
		entries = append(entries, entry{name, info})
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	return entries, nil
}

// entry passes on one entry of a folder, or what is in it.
func (w *walker) entry(s *source, at *os.Root, below, path, name string, info fs.FileInfo) error {
	if err := stream.CheckPath(path); err != nil {
		return w.leaveOut(path, err)
	}
	f := found{path: path, source: s, name: below + name, info: info}
	switch {
	case info.IsDir():
		return w.descend(s, at, f, name)
	case info.Mode().IsRegular():
		return w.each(f)
	case info.Mode()&fs.ModeSymlink == 0:
		return w.leaveOut(path, fmt.Errorf("it is a %s", kindOf(info.Mode())))
	}
	target, err := at.Readlink(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // gone since it was seen
	}
	if err != nil {
		return err
	}
	f.target = s.linkTarget(target)
	if err := stream.CheckTarget(f.target); err != nil {
		return w.leaveOut(path, err)
	}
	return w.each(f)
}

// descend walks a folder that was found, which is still that folder when it is open.
func (w *walker) descend(s *source, at *os.Root, f found, name string) error {
	sub, err := at.OpenRoot(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // gone since it was seen
	}
	if err != nil {
		return err
	}
	defer sub.Close() // only read from
	info, err := sub.Stat(".")
	if err != nil {
		return err
	}
	if !os.SameFile(info, f.info) {
		return fmt.Errorf("folder %q: %w", f.path, ErrChanged)
	}
	return w.folder(s, sub, f.path+"/", f.name+"/")
}

// leaveOut is what becomes of something that a drive does not hold.
func (w *walker) leaveOut(path string, why error) error {
	err := fmt.Errorf("%q: %w: %w", path, why, ErrSpecial)
	if !w.opt.SkipSpecial {
		return err
	}
	w.opt.warn("%q is left out: %v", path, why)
	return nil
}

// kindOf names what is neither a file, a folder nor a link.
func kindOf(m fs.FileMode) string {
	switch {
	case m&fs.ModeNamedPipe != 0:
		return "named pipe"
	case m&fs.ModeSocket != 0:
		return "socket"
	case m&fs.ModeDevice != 0:
		return "device"
	}
	return "special file"
}

// linkTarget returns a link's target as the drive has it: one into the folder that is absolute on disk is absolute there.
func (s *source) linkTarget(target string) string {
	if !filepath.IsAbs(target) {
		return filepath.ToSlash(target)
	}
	for _, place := range s.places {
		rest, ok := strings.CutPrefix(filepath.Clean(target), place)
		if !ok || s.only != "" || rest != "" && rest[0] != filepath.Separator && !strings.HasSuffix(place, string(filepath.Separator)) {
			continue
		}
		return "/" + strings.Trim(s.as+"/"+strings.Trim(filepath.ToSlash(rest), "/"), "/")
	}
	return target
}

// maxIgnoreFile is the most bytes of an ignore file.
const maxIgnoreFile = 1 << 20

// readRules reads the ignore file of a folder, if it has one.
func (w *walker) readRules(at *os.Root, prefix string, entries []entry) error {
	i, there := slices.BinarySearchFunc(entries, IgnoreFile, func(e entry, name string) int { return strings.Compare(e.name, name) })
	if !there || !entries[i].info.Mode().IsRegular() {
		return nil
	}
	info := entries[i].info
	if info.Size() > maxIgnoreFile {
		return fmt.Errorf("%q has %d bytes: the most is %d", prefix+IgnoreFile, info.Size(), maxIgnoreFile)
	}
	file, err := openSame(at, IgnoreFile, info)
	if err != nil {
		return fmt.Errorf("reading %q: %w", prefix+IgnoreFile, err)
	}
	defer file.Close() // only read from
	text := make([]byte, info.Size())
	n, err := readFull(file, text)
	if err != nil {
		return fmt.Errorf("reading %q: %w", prefix+IgnoreFile, err)
	}
	w.rules = append(w.rules, parseRules(prefix, string(text[:n])))
	return nil
}

// leftOut reports whether rules leave a path out: those of the options before those of any file.
func (w *walker) leftOut(path string, isFolder bool) bool {
	if out, ok := w.opt.rules.verdict(path, path[strings.LastIndexByte(path, '/')+1:], isFolder); ok {
		return out
	}
	return leftOut(w.rules, path, isFolder)
}

// openSame opens a file that was seen: what took its place since is not opened, or not taken for it.
func openSame(at *os.Root, name string, seen fs.FileInfo) (*os.File, error) {
	file, err := at.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe in its place would have us wait
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errGone
	}
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && !os.SameFile(info, seen) {
		err = ErrChanged
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}
