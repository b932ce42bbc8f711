package hyperdrive

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

// sample is a blobs core, followed by files on it.
var (
	sample = blocks{[]byte("hello "), []byte("drive"), {}, []byte("!"), []byte("other"),
		{0, 4, 1, 5, 0, 6, 1, 5, 3, 1}, // 5: the map of "drivehello drive!"
		{0, 1, 9, 1},                   // 6: a map beyond the end
		{0, 1, 4, 6},                   // 7: a map with a wrong length
	}
	plain  = Blob{BlockOffset: 0, ByteOffset: 0, BlockLength: 4, ByteLength: 12}
	mapped = Blob{BlockOffset: 5, ByteOffset: 17, BlockLength: 1, ByteLength: 10, Map: true}
)

func fileItem(blob Blob, meta Meta) Item {
	return Item{Name: "/file", Entry: Entry{Blob: &blob, Metadata: meta.Encode()}}
}

func TestContentRange(t *testing.T) {
	for _, c := range []struct {
		blob Blob
		want string
	}{
		{plain, "hello drive!"},
		{mapped, "drivehello drive!"},
		{Blob{BlockOffset: 1, ByteOffset: 6, BlockLength: 1, ByteLength: 5}, "drive"},
		{Blob{BlockOffset: 99, ByteOffset: 1}, ""},
	} {
		for from := range uint64(len(c.want) + 2) {
			for to := range uint64(len(c.want) + 3) {
				want := ""
				if end := min(to, uint64(len(c.want))); from < end {
					want = c.want[from:end]
				}
				var out bytes.Buffer
				if err := ContentRange(t.Context(), sample, fileItem(c.blob, Meta{}), from, to, &out); err != nil || out.String() != want {
					t.Errorf("ContentRange(%+v, %d, %d) = %q, %v, want %q", c.blob, from, to, out.String(), err, want)
				}
			}
		}
	}
}

func TestContentChecksDigestAndSize(t *testing.T) {
	digest := [32]byte(unhex(t, "0b6e1f4b48c3bfdf0a9ea7d8ab4e6a77e9c8f9e5a1b2b9f0a37f1f7d2e1a4c5d"))
	for name, c := range map[string]struct {
		item Item
		why  string
	}{
		"digest":           {fileItem(plain, Meta{SHA256: &digest}), "its sha256 is"},
		"digest of a map":  {fileItem(mapped, Meta{SHA256: &digest}), "its sha256 is"},
		"digest of none":   {fileItem(Blob{}, Meta{SHA256: &digest}), "its sha256 is e3b0c44298fc1c14"},
		"map: size over":   {fileItem(mapped, Meta{Size: 18, HasSize: true}), "it has 17 bytes, the entry says 18"},
		"map: size under":  {fileItem(mapped, Meta{Size: 16, HasSize: true}), "more than the 16 bytes"},
		"plain: any size":  {fileItem(plain, Meta{Size: 3, HasSize: true}), ""},
		"map: right size":  {fileItem(mapped, Meta{Size: 17, HasSize: true}), ""},
		"empty, mapped":    {fileItem(Blob{Map: true, BlockLength: 1}, Meta{}), ""},
		"empty, elsewhere": {fileItem(Blob{BlockOffset: 99, ByteOffset: 99, ByteLength: 9}, Meta{}), ""},
	} {
		err := Content(t.Context(), sample, c.item, io.Discard)
		if c.why == "" && err != nil || c.why != "" && (!errors.Is(err, ErrContent) || !strings.Contains(err.Error(), c.why)) {
			t.Errorf("%s: %v, want %q", name, err, c.why)
		}
	}
}

// TestHostileContentIsRefused checks each line of the format's list of what a reader must refuse, and that no excess
// byte is written.
func TestHostileContentIsRefused(t *testing.T) {
	link := "x"
	with := func(blob Blob, change func(*Blob)) Item {
		change(&blob)
		return fileItem(blob, Meta{})
	}
	for name, c := range map[string]struct {
		item Item
		is   error
		why  string
		most int // bytes that may have been written
	}{
		"beyond the end":          {with(plain, func(b *Blob) { b.BlockLength = 9 }), ErrBehind, "blobs, which have 8", 0},
		"far beyond the end":      {with(plain, func(b *Blob) { b.BlockLength = 1<<53 - 1; b.BlockOffset = 1<<53 - 1 }), ErrBehind, "", 0},
		"byte offset":             {with(plain, func(b *Blob) { b.ByteOffset = 1 }), ErrContent, "begins at byte 0", 0},
		"more bytes than said":    {with(plain, func(b *Blob) { b.ByteLength = 11 }), ErrContent, "more than the 11", 11},
		"fewer bytes than said":   {with(plain, func(b *Blob) { b.ByteLength = 13 }), ErrContent, "have 12 bytes", 12},
		"map: beyond the end":     {with(mapped, func(b *Blob) { b.BlockLength = 4 }), ErrBehind, "", 0},
		"map: byte offset":        {with(mapped, func(b *Blob) { b.ByteOffset = 16 }), ErrContent, "begins at byte 17", 0},
		"map: fewer bytes":        {with(mapped, func(b *Blob) { b.ByteLength = 11 }), ErrContent, "does not have the 11", 0},
		"map: more bytes":         {with(mapped, func(b *Blob) { b.ByteLength = 9 }), ErrContent, "does not have the 9", 0},
		"map: it is none":         {with(plain, func(b *Blob) { b.Map = true }), ErrContent, "unknown version", 0},
		"map: too many blocks":    {with(mapped, func(b *Blob) { b.BlockLength = 65 }), ErrContent, "65 blocks", 0},
		"map: block beyond end":   {with(mapped, func(b *Blob) { b.BlockOffset, b.ByteOffset, b.ByteLength = 6, 27, 4 }), ErrContent, "lists block 9", 0},
		"map: length of a block":  {with(mapped, func(b *Blob) { b.BlockOffset, b.ByteOffset, b.ByteLength = 7, 31, 4 }), ErrContent, "block 4 has 5 bytes", 0},
		"a link":                  {Item{Name: "/file", Entry: Entry{Link: &link}}, ErrNotFile, `link to "x"`, 0},
		"nothing":                 {Item{Name: "/file"}, ErrNotFile, "", 0},
		"a name that was refused": {Item{Name: "/file", Err: CheckName("/file/..")}, ErrName, "", 0},
	} {
		var out bytes.Buffer
		err := Content(t.Context(), sample, c.item, &out)
		if !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.why) || !strings.Contains(err.Error(), `"/file`) {
			t.Errorf("%s: Content: %v, want %q with %q, and the name", name, err, c.is, c.why)
		}
		if out.Len() > c.most {
			t.Errorf("%s: %d bytes were written, want at most %d", name, out.Len(), c.most)
		}
		if c.most > 0 { // a range may end before the flaw
			continue
		}
		out.Reset()
		if err := ContentRange(t.Context(), sample, c.item, 0, 1<<53, &out); !errors.Is(err, c.is) || out.Len() > 0 {
			t.Errorf("%s: ContentRange: %d bytes, %v, want %q", name, out.Len(), err, c.is)
		}
	}
}

func TestPiecesRefusesThoseLargerThanBlocks(t *testing.T) {
	encoded := EncodeMapBlock([]Piece{{Block: 0, Length: maxBlock + 1}})
	item := fileItem(Blob{BlockLength: 1, ByteLength: uint64(len(encoded)), Map: true}, Meta{})
	err := Pieces(t.Context(), blocks{encoded}, item, func(pieces []Piece) error {
		t.Errorf("a piece of %d bytes", pieces[0].Length)
		return nil
	})
	if !errors.Is(err, ErrContent) {
		t.Errorf("%v, want ErrContent", err)
	}
}

// counting counts the calls of Write.
type counting struct {
	bytes.Buffer
	writes int
}

func (c *counting) Write(p []byte) (int, error) {
	c.writes++
	return c.Buffer.Write(p)
}

func TestContentWritesSmallBlocksTogether(t *testing.T) {
	lines := bytes.SplitAfter(bytes.Repeat([]byte("a line\n"), 10_000), []byte("\n"))[:10_000]
	item := fileItem(Blob{BlockLength: 10_000, ByteLength: 70_000}, Meta{})
	for name, write := range map[string]func(io.Writer) error{
		"Content":      func(w io.Writer) error { return Content(t.Context(), blocks(lines), item, w) },
		"ContentRange": func(w io.Writer) error { return ContentRange(t.Context(), blocks(lines), item, 0, 70_000, w) },
	} {
		var out counting
		if err := write(&out); err != nil || !bytes.Equal(out.Bytes(), bytes.Join(lines, nil)) {
			t.Fatalf("%s: %d bytes, %v", name, out.Len(), err)
		}
		if out.writes > 10 {
			t.Errorf("%s wrote 70 kB in %d writes", name, out.writes)
		}
	}
}

func TestContentReturnsTheWritersError(t *testing.T) {
	full := errors.New("disk full")
	for _, blob := range []Blob{plain, mapped} {
		if err := Content(t.Context(), sample, fileItem(blob, Meta{}), failing{full}); !errors.Is(err, full) {
			t.Errorf("Content: %v", err)
		}
		if err := ContentRange(t.Context(), sample, fileItem(blob, Meta{}), 1, 3, failing{full}); !errors.Is(err, full) {
			t.Errorf("ContentRange: %v", err)
		}
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
