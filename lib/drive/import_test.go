package drive_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"hc/lib/chunk"
	"hc/lib/drive"
	"hc/lib/hypercore"
	"hc/lib/hyperdrive"
	"hc/lib/keys"
	"hc/lib/store"
	"hc/lib/stream"
)

// file is a file of a folder that a test imports.
type file struct {
	data  []byte
	link  string
	mode  fs.FileMode
	mtime int64
}

type folder map[string]file

func plain(data string) file {
	return file{data: []byte(data), mode: 0o644, mtime: 1764422524123456789}
}

// stream writes the folder as hc-chunk does.
func (f folder) stream(t testing.TB, since *stream.Since, keep ...string) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	w := stream.NewWriter(&b)
	check(t, w.Tree(since))
	for _, name := range slices.Sorted(maps.Keys(f)) {
		entry := f[name]
		switch {
		case slices.Contains(keep, name):
			check(t, w.Keep(name))
		case entry.link != "":
			check(t, w.Link(name, entry.link))
		default:
			check(t, w.File(entry.mode, entry.mtime, name))
			cut(t, w, entry.data)
		}
	}
	check(t, w.Close())
	return &b
}

func cut(t testing.TB, w *stream.Writer, data []byte) {
	cutter, err := chunk.NewRabin(chunk.Limits{Min: 2 << 10, Average: 8 << 10, Max: 32 << 10})
	check(t, err)
	c := chunk.New(bytes.NewReader(data), cutter, 0)
	for {
		piece, err := c.Next()
		if err != nil {
			return
		}
		check(t, w.Chunk(piece))
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newStore(t testing.TB) *store.Store {
	t.Helper()
	in, err := store.Open(t.Context(), t.TempDir(), store.Options{Create: true})
	check(t, err)
	t.Cleanup(func() { check(t, in.Close()) })
	return in
}

func take(t testing.TB, in *store.Store, from *bytes.Buffer) drive.Result {
	t.Helper()
	result, err := drive.Import(t.Context(), in, "d", from, hypercore.AppendOptions{}, nil)
	check(t, err)
	return result
}

// holds checks that a drive consists of exactly the folder.
func (f folder) holds(t testing.TB, d *drive.Drive) {
	t.Helper()
	left := maps.Clone(f)
	err := d.List(t.Context(), "/", func(item hyperdrive.Item) error {
		want, ok := left[item.Name[1:]]
		if !ok {
			return fmt.Errorf("%s is not of the folder", item.Name)
		}
		delete(left, item.Name[1:])
		if item.Err != nil {
			return item.Err
		}
		if want.link != "" {
			if item.Entry.Link == nil || *item.Entry.Link != want.link {
				return fmt.Errorf("%s is no link to %s", item.Name, want.link)
			}
			return nil
		}
		var got bytes.Buffer
		if err := hyperdrive.Content(t.Context(), d.Blobs(), item, &got); err != nil {
			return err
		}
		if !bytes.Equal(got.Bytes(), want.data) {
			return fmt.Errorf("%s has %d bytes, want %d", item.Name, got.Len(), len(want.data))
		}
		meta := hyperdrive.ParseMeta(item.Entry.Metadata)
		if meta.Mode != want.mode || meta.ModTime != want.mtime || item.Entry.Executable != (want.mode&0o100 != 0) {
			return fmt.Errorf("%s has mode %v, mtime %d", item.Name, meta.Mode, meta.ModTime)
		}
		return nil
	})
	check(t, err)
	for name := range left {
		t.Errorf("%s is missing", name)
	}
}

func newest(t testing.TB, in *store.Store) *drive.Drive {
	t.Helper()
	key, err := in.Resolve("d")
	check(t, err)
	d, err := drive.Open(t.Context(), in, keys.Ref{Key: key})
	check(t, err)
	return d
}

func random(seed uint64, n int) []byte {
	b := make([]byte, n)
	rng := rand.New(rand.NewPCG(seed, 0))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

func TestImport(t *testing.T) {
	in := newStore(t)
	f := folder{
		"a.txt":       plain("hello\n"),
		"bin/run":     {data: []byte("#!/bin/sh\n"), mode: 0o755, mtime: -5},
		"dir/deep/ü":  plain("unicode"),
		"empty":       plain(""),
		"large":       {data: random(1, 5<<20), mode: 0o600, mtime: 1},
		"link":        {link: "dir/deep"},
		"dir/private": {data: []byte("x"), mode: 0o400, mtime: 2},
	}
	first := take(t, in, f.stream(t, nil))
	if first.Added != 7 || first.Changed+first.Removed+first.Unchanged != 0 {
		t.Errorf("first import: %+v", first)
	}
	f.holds(t, newest(t, in))

	again := take(t, in, f.stream(t, nil))
	if again.Length != first.Length || again.Unchanged != 7 || again.Blocks != 0 {
		t.Errorf("the same again: %+v", again)
	}

	old := newest(t, in)
	before := maps.Clone(f)
	delete(f, "a.txt")
	f["renamed"] = f["large"]
	delete(f, "large")
	f["empty"] = plain("no longer")
	third := take(t, in, f.stream(t, nil))
	if third.Added != 1 || third.Changed != 1 || third.Removed != 2 || third.Blocks != 1 {
		t.Errorf("a renamed file is not to be written again: %+v", third)
	}
	f.holds(t, newest(t, in))
	before.holds(t, old)
	at, err := newest(t, in).At(t.Context(), first.Length)
	check(t, err)
	before.holds(t, at)
}

func TestImportSharesChunks(t *testing.T) {
	in := newStore(t)
	data := random(7, 8<<20)
	f := folder{"table": {data: data, mode: 0o644}, "other": {data: random(8, 1<<20), mode: 0o644}}
	take(t, in, f.stream(t, nil))

	edited := slices.Concat(data[:4<<20], []byte("eleven more"), data[4<<20:])
	f["table"] = file{data: edited, mode: 0o644}
	second := take(t, in, f.stream(t, nil))
	if second.Bytes > 100<<10 || second.Reused < 7<<20 {
		t.Errorf("eleven bytes in the middle cost %d, %d were there", second.Bytes, second.Reused)
	}
	f.holds(t, newest(t, in))

	if again := take(t, in, f.stream(t, nil)); again.Changed != 0 || again.Length != second.Length {
		t.Errorf("a mapped file that is as it was: %+v", again)
	}

	f["renamed"] = f["table"]
	delete(f, "table")
	if renamed := take(t, in, f.stream(t, nil)); renamed.Bytes > 0 {
		t.Errorf("a mapped file under another name cost %d bytes", renamed.Bytes)
	}
	f.holds(t, newest(t, in))
	f["table"] = f["renamed"]
	delete(f, "renamed")
	take(t, in, f.stream(t, nil))

	f["table"] = file{data: data, mode: 0o644} // back: blocks of a map are found, too
	third := take(t, in, f.stream(t, nil))
	if third.Bytes > 100<<10 {
		t.Errorf("going back cost %d bytes", third.Bytes)
	}
	f.holds(t, newest(t, in))

	f["copy"] = f["other"]
	fourth := take(t, in, f.stream(t, nil))
	if fourth.Blocks != 0 {
		t.Errorf("a copy cost %d blocks", fourth.Blocks)
	}
	f["zeros"] = file{data: make([]byte, 4<<20), mode: 0o644}
	take(t, in, f.stream(t, nil))
	f.holds(t, newest(t, in))
}

func TestImportTwiceTheSameFileAtOnce(t *testing.T) {
	in := newStore(t)
	data := random(9, 3<<20)
	f := folder{"a": {data: data, mode: 0o644}, "b": {data: data, mode: 0o644}, "c": {data: data[1<<20:], mode: 0o644}}
	result := take(t, in, f.stream(t, nil))
	if result.Bytes > uint64(len(data))+256<<10 {
		t.Errorf("%d bytes for two copies of %d", result.Bytes, len(data))
	}
	f.holds(t, newest(t, in))
}

func TestImportSince(t *testing.T) {
	in := newStore(t)
	f := folder{"a": plain("a"), "b": plain("b"), "c": plain("c")}
	take(t, in, f.stream(t, nil))
	d := newest(t, in)
	sum, err := d.TreeHash(t.Context())
	check(t, err)
	since := &stream.Since{Fork: 0, Length: d.Version(), TreeHash: sum}

	delete(f, "c")
	f["b"] = plain("b2")
	result := take(t, in, f.stream(t, since, "a"))
	if result.Changed != 1 || result.Removed != 1 || result.Unchanged != 1 {
		t.Errorf("%+v", result)
	}
	f.holds(t, newest(t, in))
	_, err = drive.Import(t.Context(), in, "d", f.stream(t, since, "a"), hypercore.AppendOptions{}, nil)
	if !errors.Is(err, drive.ErrConflict) {
		t.Errorf("a stream for an older version: %v", err)
	}
}

// A stream that is not whole imports nothing, and a drive that it would have begun does not exist.
func TestImportIsWholeOrNothing(t *testing.T) {
	f := folder{"a": plain("a"), "large": {data: random(3, 3<<20), mode: 0o644}}
	whole := f.stream(t, nil).Bytes()
	in := newStore(t)
	for _, n := range []int{0, 10, 40, len(whole) / 2, len(whole) - 1} {
		if _, err := drive.Import(t.Context(), in, "d", bytes.NewReader(whole[:n]), hypercore.AppendOptions{}, nil); err == nil {
			t.Errorf("%d bytes of the stream were imported", n)
		}
	}
	if cores, err := in.Cores(t.Context()); err != nil || len(cores) != 0 {
		t.Errorf("%d cores are left, %v", len(cores), err)
	}
	take(t, in, bytes.NewBuffer(whole))
	f.holds(t, newest(t, in))
}

// Without a tree frame a stream adds to the drive.
func TestImportAdds(t *testing.T) {
	in := newStore(t)
	take(t, in, folder{"a": plain("a"), "dir/b": plain("b")}.stream(t, nil))
	add := func(build func(w *stream.Writer)) error {
		var b bytes.Buffer
		w := stream.NewWriter(&b)
		build(w)
		check(t, w.Close())
		_, err := drive.Import(t.Context(), in, "d", &b, hypercore.AppendOptions{}, nil)
		return err
	}
	check(t, add(func(w *stream.Writer) {
		check(t, w.File(0o644, 0, "c"))
		check(t, w.Chunk([]byte("c")))
		check(t, w.Same("hard", "c"))
		check(t, w.Delete("a"))
	}))
	c := file{data: []byte("c"), mode: 0o644}
	folder{"dir/b": plain("b"), "c": c, "hard": c}.holds(t, newest(t, in))
	for _, name := range []string{"dir", "c/below"} {
		err := add(func(w *stream.Writer) { check(t, w.File(0o644, 0, name)) })
		if !errors.Is(err, drive.ErrConflict) || !strings.Contains(err.Error(), name) {
			t.Errorf("adding %s: %v", name, err)
		}
	}
}
