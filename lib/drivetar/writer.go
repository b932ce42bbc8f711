// Package drivetar writes a folder of a drive as a tar.
package drivetar

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"hc/lib/hyperdrive"
)

// Writer writes a folder of a drive as a tar. Items have to come in the order of their names, with verified content.
// A file of up to 1 MiB is written when it is closed, so only if it is whole; a larger one is written as it comes.
//
// Names in the tar are relative to the folder, without a slash at their start. An absolute target of a link means the
// drive's root, and becomes relative. Nothing is written below a link or a file, and no link that may lead out of the
// folder: a reader who unpacks the next version over this one has them already, and tar writes through whatever is
// there.
type Writer struct {
	tar    *tar.Writer
	folder string   // "/" or "/dir/"
	above  []string // files and links that the next name may be below, each a prefix of the next
}

// heldSize is up to how many bytes of a file are held back until it is whole.
const heldSize = 1 << 20

// NewWriter returns a writer of everything below a folder, "/" or "/dir".
func NewWriter(w io.Writer, folder string) *Writer {
	return &Writer{tar: tar.NewWriter(w), folder: strings.TrimRight(folder, "/") + "/"}
}

// File begins a file. Close on the result ends it; without that, the tar is void. The error wraps hyperdrive.ErrName
// for a name below a file or a link; then other items may still follow.
func (t *Writer) File(item hyperdrive.Item) (io.WriteCloser, error) {
	if err := t.place(item.Name); err != nil {
		return nil, err
	}
	header := t.header(item)
	header.Typeflag = tar.TypeReg
	size, known := item.Entry.Size()
	file := &heldFile{tar: t.tar, header: header}
	if known && size > heldSize {
		header.Size = int64(size)
		return file, t.write(file.begin())
	}
	file.held, file.unknown = &bytes.Buffer{}, !known
	return file, nil
}

// Link writes a symbolic link. Its errors are those of File; it also refuses a target that no tar can hold, or that
// may lead out.
func (t *Writer) Link(item hyperdrive.Item) error {
	if err := t.place(item.Name); err != nil {
		return err
	}
	target := *item.Entry.Link
	if target == "" || strings.ContainsRune(target, 0) {
		return fmt.Errorf("%w: %.300q: it is a link to %.300q", hyperdrive.ErrName, item.Name, target)
	}
	header := t.header(item)
	below, inside := t.below(target)
	if !inside || !hyperdrive.LinkStaysInside(header.Name, below) {
		return fmt.Errorf("%w: %.300q: it is a link to %.300q, which may lead out of the folder", hyperdrive.ErrName, item.Name, target)
	}
	header.Typeflag, header.Linkname, header.Mode = tar.TypeSymlink, hyperdrive.LinkTarget(header.Name, below), 0o777
	return t.write(t.tar.WriteHeader(header))
}

// below returns the target of a link relative to the folder as its root, and whether an absolute one is in the
// folder.
func (t *Writer) below(target string) (string, bool) {
	if !strings.HasPrefix(target, "/") {
		return target, true
	}
	inside, ok := strings.CutPrefix(strings.TrimSuffix(path.Clean(target), "/")+"/", t.folder)
	return "/" + inside, ok
}

// Close writes the end of the archive.
func (t *Writer) Close() error { return t.write(t.tar.Close()) }

func (t *Writer) write(err error) error {
	if err != nil {
		return fmt.Errorf("writing the tar: %w", err)
	}
	return nil
}

// place refuses a name below a file or a link.
func (t *Writer) place(name string) error {
	for len(t.above) > 0 && !strings.HasPrefix(name, t.above[len(t.above)-1]) {
		t.above = t.above[:len(t.above)-1]
	}
	for _, above := range t.above {
		if strings.HasPrefix(name, above+"/") {
			return fmt.Errorf("%w: %.300q: %.300q is not a folder", hyperdrive.ErrName, name, above)
		}
	}
	t.above = append(t.above, name)
	return nil
}

func (t *Writer) header(item hyperdrive.Item) *tar.Header {
	mode, modTime := modeOf(item.Entry)
	return &tar.Header{
		Name:    strings.TrimPrefix(item.Name, t.folder),
		Mode:    int64(mode),
		ModTime: time.Unix(modTime/1e9, modTime%1e9),
		Format:  tar.FormatPAX, // keeps the nanoseconds
	}
}

// modeOf returns a file's permissions and time. If the metadata lack them, they are those that stock's tools give the
// file.
func modeOf(e hyperdrive.Entry) (mode fs.FileMode, modTime int64) {
	meta := hyperdrive.ParseMeta(e.Metadata)
	switch {
	case meta.HasMode:
		mode = meta.Mode.Perm()
	case e.Executable:
		mode = 0o755
	default:
		mode = 0o644
	}
	return mode, meta.ModTime
}

// heldFile is a file on its way into a tar. If its size is unknown until it is whole, it waits in a file on disk.
type heldFile struct {
	tar     *tar.Writer
	header  *tar.Header
	held    *bytes.Buffer // until the file is whole; nil: written at once
	unknown bool
	spill   *os.File // the held bytes, once they are too many for memory
}

// Write implements io.Writer.
func (f *heldFile) Write(p []byte) (int, error) {
	switch {
	case f.held == nil && f.spill == nil:
		return f.tar.Write(p)
	case f.spill == nil && f.held.Len()+len(p) > heldSize && f.unknown:
		if err := f.toDisk(); err != nil {
			return 0, err
		}
	}
	f.header.Size += int64(len(p))
	if f.spill != nil {
		return f.spill.Write(p)
	}
	return f.held.Write(p)
}

// toDisk moves the held bytes into a temporary file, whose name is removed at once if the system allows that.
func (f *heldFile) toDisk() error {
	spill, err := os.CreateTemp("", "hc-tar-")
	if err != nil {
		return err
	}
	f.spill = spill
	_ = os.Remove(spill.Name()) // tried again at the end
	_, err = f.held.WriteTo(spill)
	f.held = nil
	return err
}

// Close implements io.Closer.
func (f *heldFile) Close() error {
	if f.held == nil && f.spill == nil {
		return f.tar.Flush()
	}
	if err := f.begin(); err != nil {
		return err
	}
	if f.spill == nil {
		_, err := f.held.WriteTo(f.tar)
		return errors.Join(err, f.tar.Flush())
	}
	_, err := f.spill.Seek(0, io.SeekStart)
	if err == nil {
		_, err = io.Copy(f.tar, f.spill)
	}
	_ = os.Remove(f.spill.Name())
	return errors.Join(err, f.spill.Close(), f.tar.Flush())
}

func (f *heldFile) begin() error { return f.tar.WriteHeader(f.header) }
