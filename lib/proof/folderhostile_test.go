package proof

import (
	"bytes"
	"errors"
	"maps"
	"strings"
	"testing"

	"hc/lib/hyperdrive"
)

// TestHostileDrives: what was signed is not a drive, or not the content in its records.
func TestHostileDrives(t *testing.T) {
	key := func(name string) string { return string(hyperdrive.Key(name)) }
	wrong := func(change func(*hyperdrive.Blob)) func(*testDrive) {
		return func(d *testDrive) {
			blob := d.append("some ", "bytes")
			d.append("of another file")
			change(&blob)
			d.entry("/f", hyperdrive.Entry{Blob: &blob})
		}
	}
	for name, c := range map[string]struct {
		make func(d *testDrive)
		is   error
		says string
	}{
		"another offset":   {wrong(func(b *hyperdrive.Blob) { b.ByteOffset++ }), ErrUnverified, "begins at byte"},
		"too few bytes":    {wrong(func(b *hyperdrive.Blob) { b.ByteLength++ }), ErrUnverified, "bytes, the entry says"},
		"too many bytes":   {wrong(func(b *hyperdrive.Blob) { b.ByteLength-- }), ErrUnverified, "more than the"},
		"one block more":   {wrong(func(b *hyperdrive.Blob) { b.BlockLength++ }), ErrUnverified, "more than the"},
		"no map":           {wrong(func(b *hyperdrive.Blob) { b.Map = true }), ErrUnverified, "map"},
		"beyond the end":   {wrong(func(b *hyperdrive.Blob) { b.BlockLength = 4 }), ErrPartial, "not available"},
		"far beyond":       {wrong(func(b *hyperdrive.Blob) { b.BlockOffset = 1 << 50 }), ErrPartial, "not available"},
		"a map of 2^53":    {wrong(func(b *hyperdrive.Blob) { b.Map, b.BlockLength = true, 1<<53-1 }), ErrUnverified, "over the limit"},
		"a piece too long": {func(d *testDrive) { d.append("x"); d.mapOf("/f", []hyperdrive.Piece{{Block: 0, Length: 2}}) }, ErrUnverified, "map says 2"},
		"another sha256": {func(d *testDrive) {
			blob := d.append("some bytes")
			meta := hyperdrive.Meta{SHA256: &[32]byte{1}}
			d.entry("/f", hyperdrive.Entry{Blob: &blob, Metadata: meta.Encode()})
		}, ErrUnverified, "sha256"},
		"a record that is none": {func(d *testDrive) { d.set(key("/f"), []byte("7")) }, ErrUnverified, "malformed entry"},
		"a record of nothing":   {func(d *testDrive) { d.entry("/f", hyperdrive.Entry{}) }, ErrUnverified, "neither a file nor a link"},
		"a root that is its child": {func(d *testDrive) {
			d.names.append([]byte("\x0a\x0b\x0a\x09\x0a\x01\x01\x12\x04\x01\x00\x01\x00\x12\x01k"))
		}, ErrUnverified, "out of order"},
		"a block that is none": {func(d *testDrive) { d.names.append([]byte("block")) }, ErrUnverified, "not a tree of names"},
		"another header":       {func(d *testDrive) { d.names = newLog(t, []byte("a header"), []byte("a block")) }, hyperdrive.ErrNotDrive, "is a log, not a drive"},
	} {
		d := newDrive(t)
		c.make(d)
		claim := pathOf("/f")
		var b bytes.Buffer
		// The writer sees only a part of the flaws in the content.
		writeErr := Write(t.Context(), &b, d.names, WriteOptions{Claim: claim, Blobs: d.open})
		if writeErr != nil && !errors.Is(writeErr, c.is) {
			t.Errorf("%s: write: %v", name, writeErr)
		}
		want := c.is
		if name == "a map of 2^53" { // no block comes that would show it
			want = ErrPartial
		}
		g, _, err := d.read(b.Bytes(), Options{Claim: &claim}, want)
		if writeErr == nil && !strings.Contains(err.Error(), c.says) || writeErr != nil && !strings.Contains(writeErr.Error(), c.says) {
			t.Errorf("%s: %v; write: %v", name, err, writeErr)
		}
		if len(g.whole) > 0 {
			t.Errorf("%s: %q is whole", name, g.whole)
		}
	}
}

var badNames = []string{"/../evil", "/a/../../evil", "/nul\x00byte", "/dir/", "//double", "/./dot", "/.hc/names", "/"}

// hostileNames is a drive of names that no disk may have, beside good ones that are below a link and a file.
func hostileNames(t testing.TB) *testDrive {
	d := newDrive(t)
	d.put("/good", "good")
	for _, name := range badNames {
		d.put(name, "evil of "+name)
	}
	d.link("/../link", "/etc")
	d.set(string(hyperdrive.Key("/malformed")), []byte("{"))
	d.set("files\x00noslash", []byte("null"))
	d.set("other\x00/key", []byte("{}"))
	d.link("/out", "../..")
	d.put("/out/file", "below a link")
	d.put("/good/file", "below a file")
	return d
}

// TestHostileNames: names that no disk may have are refused by name, and the others come.
func TestHostileNames(t *testing.T) {
	d := hostileNames(t)
	c := treeOf("/")
	g, _, _ := d.read(d.write(c, nil), Options{Claim: &c}, nil)
	want := map[string]string{"/good": "good", "/out/file": "below a link", "/good/file": "below a file"}
	if !maps.Equal(g.whole, want) || len(g.links) != 1 || len(g.bad) != len(badNames)+2 {
		t.Errorf("files %q, links %q, refused %d: %q", g.whole, g.links, len(g.bad), g.bad)
	}
	for _, err := range g.bad {
		if !errors.Is(err, hyperdrive.ErrName) && !errors.Is(err, hyperdrive.ErrEntry) {
			t.Error(err)
		}
	}
}
