package table

import (
	"bytes"
	"encoding/hex"
	"os"
	"strconv"
	"strings"
	"testing"
)

// The example in FORMAT.md is what the writer writes, and what Open reads.
func TestFormatExample(t *testing.T) {
	want := formatExample(t)
	schema := Schema{Magic: [4]byte{'d', 'e', 'm', 'o'}, KeySize: 8, ValueSize: 1}
	rows := []Row{{integer(5), []byte("a")}, {integer(6), []byte("b")}}

	fsys := newMemFS()
	w, err := Create(fsys, "t", schema)
	if err != nil {
		t.Fatal(err)
	}
	w.header.id = [8]byte{1, 2, 3, 4, 5, 6, 7, 8}
	for _, row := range rows {
		if err := w.Add(row.Key, row.Value); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	if got := fsys.bytes(t, "t"); !bytes.Equal(got, want) {
		for at := range min(len(got), len(want)) &^ 15 {
			if at%16 == 0 && !bytes.Equal(got[at:at+16], want[at:at+16]) {
				t.Errorf("at %04x: written % x, FORMAT.md has % x", at, got[at:at+16], want[at:at+16])
			}
		}
		t.Fatalf("written %d bytes, FORMAT.md has %d", len(got), len(want))
	}

	fsys.put("example", want)
	compareScan(t, openTable(t, fsys, "example", schema, NewCache(0, 0)), nil, rows)
}

// formatExample returns the file that the hex lines in FORMAT.md describe; gaps are zeros.
func formatExample(t *testing.T) []byte {
	t.Helper()
	doc, err := os.ReadFile("FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	_, doc, found := bytes.Cut(doc, []byte("## An example\n"))
	if !found {
		t.Fatal("FORMAT.md has no example")
	}
	file := make([]byte, 2*pageSize)
	lines := 0
	for line := range strings.Lines(string(doc)) {
		offset, digits, ok := strings.Cut(strings.TrimPrefix(line, "    "), "  ")
		at, err := strconv.ParseUint(offset, 16, 16)
		if !ok || err != nil || !strings.HasPrefix(line, "    ") {
			continue
		}
		row, err := hex.DecodeString(strings.Join(strings.Fields(digits), ""))
		if err != nil || len(row) != 16 {
			t.Fatalf("FORMAT.md: %q: %v", line, err)
		}
		copy(file[at:], row)
		lines++
	}
	if lines == 0 {
		t.Fatal("FORMAT.md has no lines of hex")
	}
	return file
}
