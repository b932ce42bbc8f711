package drivetar

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"hc/lib/hyperdrive"
)

// fileOf is an item of a file of size bytes.
func fileOf(name string, size int, meta hyperdrive.Meta) hyperdrive.Item {
	blob := hyperdrive.Blob{BlockLength: 1, ByteLength: uint64(size)}
	return hyperdrive.Item{Name: name, Entry: hyperdrive.Entry{Blob: &blob, Metadata: meta.Encode()}}
}

// mappedOf is an item of a file whose entry does not say its size.
func mappedOf(name string) hyperdrive.Item {
	item := fileOf(name, 20, hyperdrive.Meta{})
	item.Entry.Blob.Map = true
	return item
}

func linkOf(name, target string) hyperdrive.Item {
	return hyperdrive.Item{Name: name, Entry: hyperdrive.Entry{Link: &target}}
}

// pattern returns content of a size, in which no two places are alike.
func pattern(size int) []byte {
	b := make([]byte, 0, size+8)
	for len(b) < size {
		b = fmt.Appendf(b, "%d,", len(b))
	}
	return b[:size]
}

func putFile(t *testing.T, w *Writer, item hyperdrive.Item, content []byte) {
	t.Helper()
	file, err := w.File(item)
	if err != nil {
		t.Fatal(err)
	}
	for len(content) > 0 {
		n := min(len(content), 300_000)
		if _, err := file.Write(content[:n]); err != nil {
			t.Fatal(err)
		}
		content = content[n:]
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestWriter(t *testing.T) {
	var out bytes.Buffer
	w := NewWriter(&out, "/dir")
	meta := hyperdrive.Meta{Mode: 0o640, HasMode: true, ModTime: 1764422524123456789, HasModTime: true}
	long := "/dir/" + strings.Repeat("long/", 60) + "name"
	sizes := map[string]int{"/dir/a": 0, "/dir/b": 1, "/dir/c": heldSize, "/dir/d": heldSize + 1, "/dir/e": 3*heldSize + 7}
	for _, name := range []string{"/dir/a", "/dir/b", "/dir/c", "/dir/d", "/dir/e"} {
		putFile(t, w, fileOf(name, sizes[name], meta), pattern(sizes[name]))
	}
	for name, size := range map[string]int{"/dir/f": 5, "/dir/g": heldSize, "/dir/h": 3 * heldSize} {
		sizes[name] = size
	}
	for _, name := range []string{"/dir/f", "/dir/g", "/dir/h"} {
		putFile(t, w, mappedOf(name), pattern(sizes[name]))
	}
	executable := fileOf("/dir/i", 2, hyperdrive.Meta{ModTime: -1, HasModTime: true})
	executable.Entry.Executable = true
	putFile(t, w, executable, pattern(2))
	sizes["/dir/i"] = 2
	if err := w.Link(linkOf("/dir/j", "a/ä")); err != nil {
		t.Fatal(err)
	}
	putFile(t, w, fileOf(long, 3, meta), pattern(3))
	sizes[long] = 3
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}

	r := tar.NewReader(&out)
	count := 0
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		count++
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		name := "/dir/" + h.Name
		switch {
		case name == "/dir/j":
			if h.Typeflag != tar.TypeSymlink || h.Linkname != "a/ä" {
				t.Errorf("%+v", h)
			}
		case !bytes.Equal(content, pattern(sizes[name])):
			t.Errorf("%s has %d bytes, want %d", name, len(content), sizes[name])
		case name == "/dir/i":
			if h.Mode != 0o755 || !h.ModTime.Equal(time.Unix(0, -1)) {
				t.Errorf("%+v", h)
			}
		case name < "/dir/f" && (h.Mode != 0o640 || h.ModTime.UnixNano() != meta.ModTime):
			t.Errorf("%+v", h)
		}
	}
	if count != len(sizes)+1 {
		t.Errorf("%d in the tar, want %d", count, len(sizes)+1)
	}
}

// TestWriterHoldsBack: nothing of a file of up to 1 MiB is written before it is closed.
func TestWriterHoldsBack(t *testing.T) {
	for _, item := range []hyperdrive.Item{fileOf("/a", heldSize, hyperdrive.Meta{}), mappedOf("/a")} {
		var out bytes.Buffer
		file, err := NewWriter(&out, "/").File(item)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.Write(pattern(heldSize)); err != nil || out.Len() > 0 {
			t.Errorf("%d bytes are out: %v", out.Len(), err)
		}
	}
}

func TestWriterRefuses(t *testing.T) {
	w := NewWriter(io.Discard, "/")
	add := func(item hyperdrive.Item) error {
		if item.Entry.Link != nil {
			return w.Link(item)
		}
		_, err := w.File(item)
		return err
	}
	for _, c := range []struct {
		item hyperdrive.Item
		bad  bool
	}{
		{fileOf("/a", 0, hyperdrive.Meta{}), false},
		{fileOf("/a-b", 0, hyperdrive.Meta{}), false},
		{fileOf("/a/b", 0, hyperdrive.Meta{}), true},
		{fileOf("/a/b/c", 0, hyperdrive.Meta{}), true},
		{linkOf("/l", "/etc"), false},
		{linkOf("/l/m", ".."), true},
		{fileOf("/l0", 0, hyperdrive.Meta{}), false},
		{linkOf("/m", "nul\x00"), true},
		{linkOf("/n", ""), true},
		{fileOf("/o", 0, hyperdrive.Meta{}), false},
	} {
		if err := add(c.item); errors.Is(err, hyperdrive.ErrName) != c.bad || !c.bad && err != nil {
			t.Errorf("%s: %v", c.item.Name, err)
		}
	}
}

// TestWriterLinks: an unpacked tar has no link that leads out, wherever it is unpacked.
func TestWriterLinks(t *testing.T) {
	for _, c := range []struct{ folder, name, target, want string }{
		{"/", "/l", "x/y", "x/y"},
		{"/", "/a/l", "../x", "../x"},
		{"/", "/a/b/l", "/x/y", "../../x/y"},
		{"/", "/l", "/", "."},
		{"/", "/l", "../victim", ""},
		{"/", "/a/l", "../../x", ""},
		{"/", "/a/l", "b/../../../x", ""},
		{"/a", "/a/l", "x", "x"},
		{"/a", "/a/l", "../x", ""}, // inside the drive, but outside the unpacked folder
		{"/a", "/a/b/l", "../x", "../x"},
		{"/a", "/a/b/l", "/a/x", "../x"},
		{"/a", "/a/b/l", "/a", ".."},
		{"/a", "/a/l", "/x", ""},
		{"/a", "/a/l", "/ab/x", ""},
		{"/a", "/a/l", "/a/../../etc", ""},
	} {
		var out bytes.Buffer
		err := NewWriter(&out, c.folder).Link(linkOf(c.name, c.target))
		if c.want == "" {
			if !errors.Is(err, hyperdrive.ErrName) || out.Len() > 0 {
				t.Errorf("%s in %s, a link to %s: %v", c.name, c.folder, c.target, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s in %s, a link to %s: %v", c.name, c.folder, c.target, err)
			continue
		}
		if h, err := tar.NewReader(&out).Next(); err != nil || h.Linkname != c.want {
			t.Errorf("%s in %s, a link to %s: %+v, %v, want %s", c.name, c.folder, c.target, h, err, c.want)
		}
	}
}
