package folder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"unicode/utf8"

	"hc/lib/stream"
)

// A Source is what is imported: a folder, or one file.
type Source struct {
	Path string // on disk
	As   string // in the drive: a relative path; "" for a folder whose content goes to the root
}

// ErrSpecial says that a drive cannot hold something: devices, sockets, pipes, names that are not UTF-8.
var ErrSpecial = errors.New("a drive holds files and symbolic links only, with names in UTF-8")

// ErrChanged says that something wrote to a file while it was read.
var ErrChanged = errors.New("changed while it was read")

// A ChangedError says which file of a drive an ErrChanged is about.
type ChangedError struct {
	Path string
	Err  error
}

func (e *ChangedError) Error() string { return fmt.Sprintf("reading %q: %v", e.Path, e.Err) }

func (e *ChangedError) Unwrap() error { return e.Err }

// readError returns an error about reading a file for the drive.
func readError(path string, err error) error {
	if errors.Is(err, ErrChanged) {
		return &ChangedError{path, err}
	}
	return fmt.Errorf("reading %q: %w", path, err)
}

// errGone says that a file is gone: it is treated as if it had not been found.
var errGone = fmt.Errorf("it was deleted: %w", ErrChanged)

// A found is a file or a link on its way into a stream.
type found struct {
	source *source
	folder string // its path in the drive, ending in /
	name   string // in the folder; for a single file its path in the drive
	stat   fileStat
	target string // of a link, as the drive has it; "" for a file
}

// path returns its path in the drive.
func (f *found) path() string { return f.folder + f.name }

// below returns its path below its source's root.
func (f *found) below() string {
	if f.source.only != "" {
		return f.source.only
	}
	return f.path()[len(f.source.prefix()):]
}

// source is an open Source.
type source struct {
	root   *os.Root // everything below is reached through it, so that no link leads out
	only   string   // for a single file: its name in root
	as     string
	places []string // absolute names of the folder on disk, for links into it
}

// walker finds everything below its sources, in the order of a drive's keys: that of the bytes of whole paths.
type walker struct {
	ctx   context.Context
	opt   *Options
	each  func(*found) error
	slots chan struct{} // taken while a folder is listed
}

func newWalker(ctx context.Context, opt *Options, each func(*found) error) *walker {
	return &walker{ctx: ctx, opt: opt, each: each, slots: make(chan struct{}, runtime.GOMAXPROCS(0))}
}

// openSources opens the sources, in the order of keys.
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
			return open, fmt.Errorf("two of the sources would be %q: import them one at a time, or the folder that holds both", s.as)
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

// key returns the source's place in the order of a drive.
func (s *source) key() string {
	if s.only != "" {
		return s.as
	}
	return s.prefix()
}

// prefix returns what precedes the paths of a folder's content in the drive.
func (s *source) prefix() string {
	if s.as == "" {
		return ""
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
	if w.leftOut(nil, s.as, s.only == "") {
		return nil
	}
	if s.only == "" {
		l := &listing{root: s.root, prefix: s.prefix()}
		w.list(l)
		return w.folder(s, l)
	}
	at, err := s.root.Open(".")
	if err != nil {
		return err
	}
	defer at.Close() // only read from
	stat, err := lstat(s.root, at, s.only)
	if err != nil {
		return err
	}
	return w.entry(&found{source: s, name: s.as, stat: stat}, s.root)
}

// folder finds what is in one folder.
func (w *walker) folder(s *source, l *listing) error {
	if l.err != nil || l.gone {
		return l.err
	}
	children := children{w: w, of: l}
	defer children.close()
	children.start()
	for _, e := range l.entries {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		name, isFolder := strings.CutSuffix(e.name, "/")
		f := found{source: s, folder: l.prefix, name: name, stat: e.stat}
		if !isFolder {
			if err := w.entry(&f, l.root); err != nil {
				return err
			}
			continue
		}
		if err := stream.CheckPath(f.path()); err != nil {
			if err := w.leaveOut(f.path(), err); err != nil {
				return err
			}
			continue
		}
		child := children.get()
		err := w.folder(s, child)
		child.close()
		if err != nil {
			return err
		}
	}
	return nil
}

// entry passes on a file or a link.
func (w *walker) entry(f *found, at *os.Root) error {
	if err := checkName(f); err != nil {
		return w.leaveOut(f.path(), err)
	}
	switch {
	case f.stat.mode.IsRegular():
		return w.each(f)
	case f.stat.mode&fs.ModeSymlink == 0:
		return w.leaveOut(f.path(), fmt.Errorf("it is a %s", kindOf(f.stat.mode)))
	}
	name := f.name
	if f.source.only != "" {
		name = f.source.only
	}
	target, err := at.Readlink(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // gone since it was seen
	}
	if err != nil {
		return err
	}
	f.target = f.source.linkTarget(target)
	if err := stream.CheckTarget(f.target); err != nil {
		return w.leaveOut(f.path(), err)
	}
	return w.each(f)
}

// checkName is stream.CheckPath for something in a folder that has passed it, with a name that is not a store's: little is
// left to check.
func checkName(f *found) error {
	if f.folder != "" && len(f.folder)+len(f.name) <= stream.MaxPath && utf8.ValidString(f.name) {
		return nil
	}
	return stream.CheckPath(f.path())
}

// leaveOut handles something that a drive cannot hold.
func (w *walker) leaveOut(path string, why error) error {
	err := fmt.Errorf("%q: %w: %w", path, why, ErrSpecial)
	if !w.opt.SkipSpecial {
		return err
	}
	w.opt.warn("%q is left out: %v", path, why)
	return nil
}

// kindOf returns a name for something that is neither a file, a folder nor a link.
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

// linkTarget returns a link's target as the drive has it. An absolute target inside the folder is absolute in the drive, too.
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

// maxIgnoreFile is the most bytes that an ignore file may have.
const maxIgnoreFile = 1 << 20

// readRules reads the ignore file of a folder, if it has one.
func (l *listing) readRules() error {
	i, there := slices.BinarySearchFunc(l.entries, IgnoreFile, func(e entry, name string) int { return strings.Compare(e.name, name) })
	if !there || !l.entries[i].stat.mode.IsRegular() {
		return nil
	}
	stat := l.entries[i].stat
	if stat.size > maxIgnoreFile {
		return fmt.Errorf("%q has %d bytes: the most is %d", l.prefix+IgnoreFile, stat.size, maxIgnoreFile)
	}
	file, err := openSame(l.root, IgnoreFile, stat)
	if err != nil {
		return fmt.Errorf("reading %q: %w", l.prefix+IgnoreFile, err)
	}
	defer file.Close() // only read from
	text := make([]byte, stat.size)
	n, err := readFull(file, text)
	if err != nil {
		return fmt.Errorf("reading %q: %w", l.prefix+IgnoreFile, err)
	}
	own := parseRules(l.prefix, string(text[:n]))
	own.above, l.rules = l.rules, &own
	return nil
}

// leftOut reports whether rules leave a path out. Those of the options override those of files.
func (w *walker) leftOut(files *rules, path string, isFolder bool) bool {
	if path == "" {
		return false
	}
	if out, ok := w.opt.rules.verdict(path, path[strings.LastIndexByte(path, '/')+1:], isFolder); ok {
		return out
	}
	return files.leftOut(path, isFolder)
}

// openSame opens a file that was seen. If something else has taken its place since, it returns an error.
func openSame(at *os.Root, name string, seen fileStat) (*os.File, error) {
	file, err := openWith(at, name, syscall.O_NONBLOCK) // a pipe in its place would make us wait
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errGone
	}
	if err != nil {
		return nil, err
	}
	stat, err := fstat(file)
	if err == nil && !stat.sameAs(seen) {
		err = ErrChanged
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}
