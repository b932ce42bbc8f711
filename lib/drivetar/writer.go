// Package drivetar writes what a folder of a drive has as a tar.
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

// Writer writes what a folder of a drive has as a tar. Items have to come in the order of their names, and with content
// that is verified: a file of up to 1 MiB goes out when it is closed, so when it is whole; of a larger one, what came goes out.
//
// Names are those below the folder, without a slash before them. An absolute target of a link means the drive's root, and becomes
// relative. Nothing is written below a link or a file, and no link that may lead out of the folder: who unpacks the next version over this
// one has them already, and tar writes through what is there.
type Writer struct {
	tar    *tar.Writer
	folder string   // "/" or "/dir/"
	above  []string // files and links that the next name may lie below, each of them a beginning of the next
}

// heldSize is how many bytes of a file are held back until it is whole.
const heldSize = 1 << 20

// NewWriter returns a writer of what is below a folder, "/" or "/dir".
func NewWriter(w io.Writer, folder string) *Writer {
	return &Writer{tar: tar.NewWriter(w), folder: strings.TrimRight(folder, "/") + "/"}
}

// File begins a file. Its Close ends it; without that, the tar is void. The error wraps hyperdrive.ErrName for a name that
// lies below a file or a link; then the others may go on.
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

// Link writes a symbolic link. Its error is as that of File; a target that no tar can say, or that may lead out, is refused, too.
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

// below returns the target of a link with the folder for its root, and whether an absolute one is in the folder.
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

// place refuses a name below one that is a file or a link.
func (t *Writer) place(name string) error {
	for len(t.above) > 0 && !strings.HasPrefix(name, t.above[len(t.above)-1]) {
		t.above = t.above[:len(t.above)-1]
	}
	for _, above := range t.above {
		if strings.HasPrefix(name, above+"/") {
			return fmt.Errorf("%w: %.300q: %.300q is no folder", hyperdrive.ErrName, name, above)
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

// modeOf returns a file's permissions and time, as stock's tools give them to one whose metadata do not say.
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

// heldFile is a file on its way into a tar. One whose size nobody knows before it has come waits in a file of its own.
type heldFile struct {
	tar     *tar.Writer
	header  *tar.Header
	held    *bytes.Buffer // until it is whole; nil: written at once
	unknown bool
	spill   *os.File // what is held, once it is too much for the memory
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

// toDisk moves what is held into a file that has no name any more where the system can have that.
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
