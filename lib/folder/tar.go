package folder

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"hc/lib/hidden"
	"hc/lib/stream"
)

// ErrTar says that an archive cannot be imported as it is.
var ErrTar = errors.New("not a tar that can be imported")

// ImportTar writes the content of a tar to w, as Import does. Names, targets and order are the tar's; hard links become `same`
// frames. A name that leads out of its folder, a path that occurs twice, and a tar without its end are errors.
func ImportTar(ctx context.Context, w *stream.Writer, r io.Reader, opt Options) (Stats, error) {
	if err := opt.prepare(); err != nil {
		return Stats{}, err
	}
	if opt.Since != nil {
		return Stats{}, errors.New("folder: internal error: a tar builds on nothing")
	}
	if !opt.Add {
		if err := w.Tree(nil); err != nil {
			return Stats{}, err
		}
	}
	raw := &tarReader{ctx: ctx, r: r}
	t := tarImport{in: tar.NewReader(raw), out: output{w: w, opt: &opt}, opt: &opt, links: map[string]string{}}
	for {
		header, err := t.in.Next()
		if err == io.EOF {
			break
		}
		if err == nil || err == tar.ErrInsecurePath { // names are checked here
			err = t.entry(header)
		}
		if err != nil {
			return t.out.stats, raw.explain(err)
		}
	}
	return t.out.stats, raw.end()
}

// tarImport is the import of one tar.
type tarImport struct {
	in    *tar.Reader
	out   output
	opt   *Options
	links map[string]string // for each hard link, the file that it is the same as
}

// entry imports one entry.
func (t *tarImport) entry(h *tar.Header) error {
	path, err := tarPath(h.Name)
	if err != nil {
		return err
	}
	isFolder := h.Typeflag == tar.TypeDir
	if path == "" && isFolder || hidden.Path(path) || t.leftOut(path, isFolder) {
		return nil
	}
	if err := stream.CheckPath(path); err != nil {
		return t.special(path, err)
	}
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return t.special(path, errors.New("it is a sparse file, whose holes may be of any size"))
		}
	}
	switch h.Typeflag {
	case tar.TypeReg:
		return t.file(path, h)
	case tar.TypeLink:
		return t.same(path, h.Linkname)
	case tar.TypeSymlink:
		return t.link(path, h.Linkname)
	case tar.TypeDir, tar.TypeXGlobalHeader:
		return nil
	case tar.TypeGNUSparse:
		return t.special(path, errors.New("it is a sparse file, whose holes may be of any size"))
	case tar.TypeFifo:
		return t.special(path, errors.New("it is a named pipe"))
	case tar.TypeChar, tar.TypeBlock:
		return t.special(path, errors.New("it is a device"))
	}
	return t.special(path, fmt.Errorf("it is of type %q", h.Typeflag))
}

// tarPath returns the path for a name in a tar, "" for the folder itself: "./a//b/" is a/b. A name that leads out is an error.
func tarPath(name string) (string, error) {
	if strings.HasPrefix(name, "/") {
		return "", fmt.Errorf("%w: %q is absolute", ErrTar, name)
	}
	var parts []string
	for part := range strings.SplitSeq(name, "/") {
		switch part {
		case "", ".":
		case "..":
			return "", fmt.Errorf("%w: %q leads out of its folder", ErrTar, name)
		default:
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, "/"), nil
}

// leftOut reports whether the options leave out path, or a folder above it.
func (t *tarImport) leftOut(path string, isFolder bool) bool {
	for i := range len(path) {
		if path[i] == '/' && t.opt.rules.leftOut(path[:i], true) {
			return true
		}
	}
	return t.opt.rules.leftOut(path, isFolder)
}

// special handles an entry that a drive cannot hold.
func (t *tarImport) special(path string, why error) error {
	if !t.opt.SkipSpecial {
		return fmt.Errorf("%q: %w: %w", path, why, ErrSpecial)
	}
	t.opt.warn("%q is left out: %v", path, why)
	return nil
}

func (t *tarImport) file(path string, h *tar.Header) error {
	mtime, _ := nanoseconds(h.ModTime)
	if err := t.out.w.File(fs.FileMode(h.Mode)&fs.ModePerm, mtime, path); err != nil {
		return err
	}
	t.out.stats.Files++
	if err := t.out.content(t.in, func([]byte) {}); err != nil {
		return fmt.Errorf("reading %q: %w", path, err)
	}
	return nil
}

// same imports a hard link.
func (t *tarImport) same(path, linkname string) error {
	earlier, err := tarPath(linkname)
	if err != nil {
		return err
	}
	if first, ok := t.links[earlier]; ok {
		earlier = first
	}
	if err := t.out.w.Same(path, earlier); err != nil {
		return err
	}
	t.links[path] = earlier
	t.out.stats.Files++
	return nil
}

func (t *tarImport) link(path, target string) error {
	if err := stream.CheckTarget(target); err != nil {
		return t.special(path, err)
	}
	t.out.stats.Links++
	return t.out.w.Link(path, target)
}

// tarReader reads a tar until its context ends. It notices whether a tar ends, with two blocks of zeros, or just stops, which
// archive/tar does not report.
type tarReader struct {
	ctx     context.Context
	r       io.Reader
	begin   []byte // the first bytes
	stopped bool   // a read went beyond the end
}

func (t *tarReader) Read(p []byte) (int, error) {
	if err := t.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := t.r.Read(p)
	t.stopped = t.stopped || n == 0 && err == io.EOF
	if room := 8 - len(t.begin); room > 0 && n > 0 {
		t.begin = append(t.begin, p[:min(room, n)]...)
	}
	return n, err
}

// end checks that the archive has its end, and reads the rest after that, so that its writer is not cut off.
func (t *tarReader) end() error {
	if t.stopped {
		return t.explain(io.ErrUnexpectedEOF)
	}
	_, err := io.Copy(io.Discard, t)
	return err
}

// compressed has the first bytes of the usual compression formats.
var compressed = []struct{ magic, tool string }{
	{"\x1f\x8b", "gzip -dc"}, {"\x28\xb5\x2f\xfd", "zstd -dc"}, {"\xfd7zXZ\x00", "xz -dc"}, {"BZh", "bzip2 -dc"},
}

// explain says what is wrong with an archive.
func (t *tarReader) explain(err error) error {
	if !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, tar.ErrHeader) {
		return err
	}
	for _, c := range compressed {
		if bytes.HasPrefix(t.begin, []byte(c.magic)) {
			return fmt.Errorf("%w: it is compressed: unpack it first with %s", ErrTar, c.tool)
		}
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it stops before its end: %w", ErrTar, err)
	}
	return fmt.Errorf("%w: %w", ErrTar, err)
}
