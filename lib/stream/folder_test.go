package stream

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// entry is an item with its blocks.
type entry struct {
	Item
	blocks []string
}

// readFolder returns all items with copies of their blocks, and the error that ended them, io.EOF included.
func readFolder(r io.Reader, maxBytes int) (entries []entry, err error) {
	f := NewFolderReader(r)
	for {
		it, err := f.Next()
		if err != nil {
			if _, again := f.Next(); again != err {
				return nil, fmt.Errorf("error %v is not final: then %v", err, again)
			}
			if _, _, again := f.NextBatch(nil, 1); again != err {
				return nil, fmt.Errorf("error %v is not final for blocks: then %v", err, again)
			}
			return entries, err
		}
		e := entry{Item: it}
		for err == nil {
			var batch [][]byte
			batch, _, err = f.NextBatch(nil, maxBytes)
			for _, b := range batch {
				e.blocks = append(e.blocks, string(b))
			}
		}
		if err != io.EOF {
			return entries, err
		}
		if _, _, err := f.NextBatch(nil, maxBytes); err != io.EOF {
			return nil, fmt.Errorf("a file's end is not final: then %v", err)
		}
		entries = append(entries, e)
	}
}

// writeFolder returns the stream of entries.
func writeFolder(t testing.TB, entries []entry) []byte {
	t.Helper()
	var out bytes.Buffer
	w := NewWriter(&out)
	for _, e := range entries {
		switch e.Kind {
		case KindTree:
			check(t, w.Tree(e.Since))
		case KindFile:
			check(t, w.File(e.Mode, e.ModTime, e.Path))
		case KindKeep:
			check(t, w.Keep(e.Path))
		case KindLink:
			check(t, w.Link(e.Path, e.Target))
		case KindDelete:
			check(t, w.Delete(e.Path))
		case KindSame:
			check(t, w.Same(e.Path, e.Target))
		case KindChanges:
			check(t, w.Changes(*e.Since))
		case KindPurge:
			check(t, w.Purge())
		}
		for i, b := range e.blocks {
			if i%3 == 2 && b != "" {
				check(t, w.Lines([]byte(b)))
			} else {
				check(t, w.Chunk([]byte(b)))
			}
		}
	}
	check(t, w.Close())
	return out.Bytes()
}

// showEntries prints entries for comparison.
func showEntries(entries []entry) string {
	var b strings.Builder
	for _, e := range entries {
		fmt.Fprintf(&b, "%v %q %v %d %q %v %q\n", e.Kind, e.Path, e.Mode, e.ModTime, e.Target, e.Since, e.blocks)
	}
	return b.String()
}

// theFolder has a frame of every kind but delete, which no tree has.
var theFolder = []entry{
	{Item: Item{Kind: KindTree, Since: &Since{Fork: 1, Length: math.MaxUint64, TreeHash: [32]byte{0xab, 31: 0xcd}}}},
	{Item: Item{Kind: KindKeep, Path: "a file with spaces"}},
	{Item: Item{Kind: KindFile, Mode: 0o755, ModTime: math.MinInt64, Path: "a/b"}, blocks: []string{"one", "", "line\n", "last"}},
	{Item: Item{Kind: KindFile, ModTime: math.MaxInt64, Path: "a/\x01\a\b\t\n\v\f\r\"\\\x7fäß"}},
	{Item: Item{Kind: KindSame, Path: "ä", Target: "a/b"}},
	{Item: Item{Kind: KindLink, Path: "a/l", Target: "../\n\"ü"}},
	{Item: Item{Kind: KindFile, Mode: 0o644, Path: "z"}, blocks: []string{"z"}},
}

const theFolderText = "hc-stream/1\n" +
	"tree since 1.18446744073709551615.ab000000000000000000000000000000000000000000000000000000000000cd\n" +
	"keep a file with spaces\n" +
	"file 0755 -9223372036854775808 a/b\n" +
	"chunk 3 0\none\nlines 1 5\nline\n\nchunk 4\nlast\n" +
	"file 0000 9223372036854775807 \"a/\\001\\a\\b\\t\\n\\v\\f\\r\\\"\\\\\\177\\303\\244\\303\\237\"\n" +
	"same \"\\303\\244\"\na/b\n" +
	"link 7 a/l\n../\n\"ü\n" +
	"file 0644 0 z\nchunk 1\nz\n"

func TestFolderGolden(t *testing.T) {
	got := writeFolder(t, theFolder)
	if text, _, _ := strings.Cut(string(got), "end "); text != theFolderText {
		t.Errorf("written as\n%s\nwant\n%s", text, theFolderText)
	}
	for how, r := range map[string]io.Reader{
		"at once": bytes.NewReader(got), "by bytes": iotest.OneByteReader(bytes.NewReader(got)),
		"sealed by hand": strings.NewReader(sealed(strings.TrimPrefix(theFolderText, magic), 11, 13)),
	} {
		entries, err := readFolder(r, 1<<20)
		if err != io.EOF || showEntries(entries) != showEntries(theFolder) {
			t.Errorf("%s: reads as\n%s%v\nwant\n%s", how, showEntries(entries), err, showEntries(theFolder))
		}
	}
}

// theChanges has the frames that no tree has.
var theChanges = []entry{
	{Item: Item{Kind: KindChanges, Since: &Since{Length: 1, TreeHash: [32]byte{1}}}},
	{Item: Item{Kind: KindFile, Mode: 0o644, ModTime: 1, Path: "a"}, blocks: []string{"x"}},
	{Item: Item{Kind: KindDelete, Path: "a/b"}},
	{Item: Item{Kind: KindPurge}},
	{Item: Item{Kind: KindLink, Path: "b", Target: "a"}},
	{Item: Item{Kind: KindSame, Path: "c", Target: "a"}},
}

const theChangesText = "hc-stream/1\n" +
	"changes since 0.1.0100000000000000000000000000000000000000000000000000000000000000\n" +
	"file 0644 1 a\nchunk 1\nx\n" +
	"delete a/b\n" +
	"purge\n" +
	"link 1 b\na\n" +
	"same c\na\n"

func TestChangesGolden(t *testing.T) {
	got := writeFolder(t, theChanges)
	if text, _, _ := strings.Cut(string(got), "end "); text != theChangesText {
		t.Errorf("written as\n%s\nwant\n%s", text, theChangesText)
	}
	entries, err := readFolder(iotest.OneByteReader(bytes.NewReader(got)), 1<<20)
	if err != io.EOF || showEntries(entries) != showEntries(theChanges) {
		t.Errorf("reads as\n%s%v\nwant\n%s", showEntries(entries), err, showEntries(theChanges))
	}
}

// The FolderReader reads, and the Writer writes, the folders in FORMAT.md.
func TestFormatFolderExamples(t *testing.T) {
	page, err := os.ReadFile("FORMAT.md")
	check(t, err)
	parts := strings.Split(string(page), "```hc-stream\n")
	if len(parts) != 4 {
		t.Fatalf("FORMAT.md has %d examples, want three", len(parts)-1)
	}
	since := &Since{Length: 5}
	for i := range since.TreeHash { // 1f 0e … 00 ff … 00, each by 0x0f or 0x11
		since.TreeHash[i] = byte(0x0f - i)
		if i >= 16 {
			since.TreeHash[i] = byte(0xff - 0x11*(i-16))
		}
	}
	since.TreeHash[0] = 0x1f
	isExample(t, parts[2], []entry{
		{Item: Item{Kind: KindTree}},
		{Item: Item{Kind: KindFile, Mode: 0o644, ModTime: 1764422524123456789, Path: "data/table.csv"}, blocks: []string{"name,quantity\n", "nuts,3\n"}},
		{Item: Item{Kind: KindFile, Mode: 0o600, ModTime: -1, Path: "naïve\n.txt"}},
		{Item: Item{Kind: KindSame, Path: "data/the same", Target: "data/table.csv"}},
		{Item: Item{Kind: KindLink, Path: "table", Target: "data/table.csv"}},
	})
	isExample(t, parts[3], []entry{
		{Item: Item{Kind: KindChanges, Since: since}},
		{Item: Item{Kind: KindFile, Mode: 0o644, ModTime: 1764422999000000000, Path: "data/table.csv"}, blocks: []string{"name,quantity\n", "nuts,3\nfigs,12\n"}},
		{Item: Item{Kind: KindDelete, Path: "table"}},
	})
}

// isExample checks that the text up to the fence reads as want, and that want is written as that text.
func isExample(t *testing.T, text string, want []entry) {
	t.Helper()
	example, _, _ := strings.Cut(text, "```\n")
	got, err := readFolder(strings.NewReader(example), 1<<20)
	if err != io.EOF || showEntries(got) != showEntries(want) {
		t.Errorf("the example reads as\n%s%v", showEntries(got), err)
	}
	if written := writeFolder(t, want); string(written) != example {
		t.Errorf("the example is written as\n%s", written)
	}
}

// Unread blocks are checked all the same, and a large file comes in bounded batches.
func TestFolderSkipsBlocks(t *testing.T) {
	big := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	var out bytes.Buffer
	w := NewWriter(&out)
	for i := range 10 {
		check(t, w.File(0o644, 0, fmt.Sprint("f", i)))
		for range 5 {
			check(t, w.Chunk(big))
			check(t, w.Chunk([]byte{byte(i)}))
		}
	}
	check(t, w.Close())
	f := NewFolderReader(iotest.HalfReader(bytes.NewReader(out.Bytes())))
	for i := 0; ; i++ {
		it, err := f.Next()
		if err == io.EOF && i == 10 {
			break
		}
		check(t, err)
		if it.Path != fmt.Sprint("f", i) {
			t.Fatalf("item %d is %q", i, it.Path)
		}
		if i%2 == 0 {
			batch, _, err := f.NextBatch(nil, 2<<20)
			if len(batch) < 2 || len(batch[0]) != len(big) || err != nil {
				t.Fatalf("a batch of %d blocks, %v", len(batch), err)
			}
		}
	}
}

func TestFolderEveryTruncation(t *testing.T) {
	stream := writeFolder(t, theFolder)
	for n := range stream {
		for _, maxBytes := range []int{0, 1 << 20} {
			got, err := readFolder(bytes.NewReader(stream[:n]), maxBytes)
			if !errors.Is(err, ErrTruncated) || !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("the first %d bytes of %d: %v", n, len(stream), err)
			}
			if want := theFolder[:len(got)]; showEntries(got) != showEntries(want) {
				t.Fatalf("the first %d bytes read as %s", n, showEntries(got))
			}
		}
	}
}

func TestFolderEveryFlippedBit(t *testing.T) {
	stream, every := writeFolder(t, theFolder), 1
	if testing.Short() {
		every = 11
	}
	for i := 0; i < len(stream); i += every {
		for bit := range 8 {
			bad := bytes.Clone(stream)
			bad[i] ^= 1 << bit
			if _, err := readFolder(bytes.NewReader(bad), 1<<20); !isBad(err) {
				t.Fatalf("bit %d of byte %d flipped: %v\n%q", bit, i, err, bad)
			}
		}
		lost := slices.Delete(bytes.Clone(stream), i, i+1)
		doubled := slices.Insert(bytes.Clone(stream), i, stream[i])
		for _, bad := range [][]byte{lost, doubled} {
			if _, err := readFolder(bytes.NewReader(bad), 1<<20); !isBad(err) {
				t.Fatalf("byte %d lost or doubled: %v\n%q", i, err, bad)
			}
		}
	}
}

// The spelling of paths is compared with git's own.
func TestQuoteAsGit(t *testing.T) {
	git, err := exec.LookPath("git")
	if err != nil {
		t.Skip("no git here")
	}
	var paths []string
	for c := 1; c < 256; c++ {
		if c != '/' && c != '.' && (c < 'A' || c > 'Z') {
			paths = append(paths, string([]byte{byte(c)}), "x"+string([]byte{byte(c)})+"y")
		}
	}
	paths = append(paths, "plain", "with space", `"`, "a\\b", "äöü", "日本", "tab\there")
	dir := t.TempDir()
	for _, p := range paths {
		if os.WriteFile(filepath.Join(dir, p), nil, 0o644) != nil {
			t.Skip("this disk does not take every name")
		}
	}
	cmd := exec.Command(git, "-c", "core.quotePath=true", "ls-files", "--others")
	init := exec.Command(git, "init", "-q")
	init.Dir, cmd.Dir = dir, dir
	check(t, init.Run())
	out, err := cmd.Output()
	check(t, err)
	want := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	var got []string
	for _, p := range paths {
		got = append(got, QuotePath(p))
		if back, err := unquote([]byte(QuotePath(p))); err != nil || back != p {
			t.Errorf("%q is read back as %q, %v", p, back, err)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	got = slices.Compact(got)
	if !slices.Equal(got, want) {
		t.Errorf("spelt as\n%q\ngit spells\n%q", got, want)
	}
}
