package drive_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"hc/lib/drive"
	"hc/lib/hyperbee"
	"hc/lib/hypercore"
	"hc/lib/hyperdrive"
	"hc/lib/keys"
	"hc/lib/store"
	"hc/lib/stream"
)

func sinceOf(t testing.TB, d *drive.Drive) stream.Since {
	t.Helper()
	sum, err := d.TreeHash(t.Context())
	check(t, err)
	return stream.Since{Fork: d.Head.Fork, Length: d.Version(), TreeHash: sum}
}

// changes is a stream with the frames that build writes after the first one.
func changes(t testing.TB, since stream.Since, build func(w *stream.Writer)) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	w := stream.NewWriter(&b)
	check(t, w.Changes(since))
	build(w)
	check(t, w.Close())
	return &b
}

func write(t testing.TB, w *stream.Writer, name, content string) {
	t.Helper()
	check(t, w.File(0o644, 1764422524123456789, name))
	check(t, w.Chunk([]byte(content)))
}

func TestImportChanges(t *testing.T) {
	in := newStore(t)
	f := folder{"a": plain("a"), "b": plain("b"), "dir/x": plain("x"), "dir/y": plain("y"), "file": plain("f"), "link": {link: "a"}}
	take(t, in, f.stream(t, nil))
	since := sinceOf(t, newest(t, in))
	edit := changes(t, since, func(w *stream.Writer) {
		write(t, w, "b", "b2")
		write(t, w, "dir", "a file now")
		check(t, w.Delete("dir/x"))
		check(t, w.Delete("dir/y"))
		write(t, w, "file/is/a/folder", "now")
		check(t, w.Delete("file"))
		check(t, w.Same("hard", "b"))
		check(t, w.Link("new", "a"))
	}).Bytes()
	result := take(t, in, bytes.NewBuffer(edit))
	if result.Added != 4 || result.Changed != 1 || result.Removed != 3 {
		t.Errorf("%+v", result)
	}
	after := folder{"a": plain("a"), "b": plain("b2"), "hard": plain("b2"), "dir": plain("a file now"), "file/is/a/folder": plain("now"),
		"link": {link: "a"}, "new": {link: "a"}}
	after.holds(t, newest(t, in))

	if _, err := drive.Import(t.Context(), in, "d", bytes.NewReader(edit), hypercore.AppendOptions{}, nil); !errors.Is(err, drive.ErrConflict) {
		t.Errorf("changes of another version: %v", err)
	}
	nothing := take(t, in, changes(t, sinceOf(t, newest(t, in)), func(*stream.Writer) {}))
	if nothing.Length != result.Length {
		t.Errorf("no change is version %d", nothing.Length)
	}
}

// A stream of changes to another version changes nothing: the drive has moved on since, is new, or has another tree.
func TestImportChangesOfAnotherVersion(t *testing.T) {
	in := newStore(t)
	take(t, in, folder{"a": plain("a")}.stream(t, nil))
	right := sinceOf(t, newest(t, in))
	for name, wrong := range map[string]func(s *stream.Since){
		"length":    func(s *stream.Since) { s.Length-- },
		"fork":      func(s *stream.Since) { s.Fork++ },
		"tree hash": func(s *stream.Since) { s.TreeHash[31] ^= 1 },
	} {
		since := right
		wrong(&since)
		from := changes(t, since, func(w *stream.Writer) { write(t, w, "b", "b") })
		if _, err := drive.Import(t.Context(), in, "d", from, hypercore.AppendOptions{}, nil); !errors.Is(err, drive.ErrConflict) {
			t.Errorf("another %s: %v", name, err)
		}
	}
	from := changes(t, right, func(w *stream.Writer) { write(t, w, "b", "b") })
	if _, err := drive.Import(t.Context(), in, "other", from, hypercore.AppendOptions{}, nil); !errors.Is(err, drive.ErrConflict) {
		t.Errorf("a drive that is new: %v", err)
	}
	folder{"a": plain("a")}.holds(t, newest(t, in))
}

// Names that stay are in the way of new ones.
func TestImportChangesInTheWay(t *testing.T) {
	in := newStore(t)
	f := folder{"dir/x": plain("x"), "dir/y": plain("y"), "file": plain("f")}
	take(t, in, f.stream(t, nil))
	for name, build := range map[string]func(w *stream.Writer){
		"dir":             func(w *stream.Writer) { write(t, w, "dir", ""); check(t, w.Delete("dir/x")) },
		"file/deep/below": func(w *stream.Writer) { write(t, w, "file/deep/below", "") },
	} {
		from := changes(t, sinceOf(t, newest(t, in)), build)
		_, err := drive.Import(t.Context(), in, "d", from, hypercore.AppendOptions{}, nil)
		if !errors.Is(err, drive.ErrConflict) || !strings.Contains(err.Error(), name) {
			t.Errorf("adding %s: %v", name, err)
		}
	}
	f.holds(t, newest(t, in))
}

// A name that cannot be a path, which others have written, is removed by a purge, and by a whole tree.
func TestImportPurges(t *testing.T) {
	in := newStore(t)
	f := folder{"a": plain("a"), "z": plain("z")}
	for _, how := range []string{"purge", "tree"} {
		take(t, in, f.stream(t, nil))
		putNames(t, newest(t, in).Key, in, "/a/../b", "/.hc/keys/x", "/\xff", "//", "/fine")
		d := newest(t, in)
		result := drive.Result{}
		if how == "tree" {
			result = take(t, in, f.stream(t, nil))
		} else {
			result = take(t, in, changes(t, sinceOf(t, d), func(w *stream.Writer) {
				check(t, w.Delete("fine"))
				check(t, w.Purge())
			}))
		}
		if result.Removed != 5 || result.Added != 0 {
			t.Errorf("%s: %+v", how, result)
		}
		f.holds(t, newest(t, in))
	}
}

// putNames puts links into a drive, bypassing all rules.
func putNames(t testing.TB, key keys.Key, in *store.Store, names ...string) {
	t.Helper()
	ctx := context.Background()
	w, err := hypercore.OpenWriter(ctx, in, key.String(), hypercore.AppendOptions{Drive: true})
	check(t, err)
	defer w.Abort()
	batch := hyperbee.NewBatch(viewOf{w}, w.View().Head().Length)
	target := "x"
	for _, name := range names {
		check(t, batch.Put(ctx, hyperdrive.Key(name), hyperdrive.Entry{Link: &target}.Encode()))
	}
	blocks, err := batch.Flush(ctx)
	check(t, err)
	check(t, w.Append(ctx, blocks...))
	_, err = w.Commit(ctx)
	check(t, err)
}

type viewOf struct{ *hypercore.Writer }

func (v viewOf) Block(ctx context.Context, seq uint64) ([]byte, error) {
	return v.View().Block(ctx, seq)
}
