package worktree

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"hc/lib/folder"
	"hc/lib/hyperdrive"
	"hc/lib/merkle"
)

// lying is a source of which some files, or all, are not as they were signed.
type lying struct {
	Source
	good   func(name string) bool
	asked  *atomic.Int64
	afresh *int
}

func (l lying) Soon(context.Context, []hyperdrive.Item) error { return nil }

func (l lying) Content(_ context.Context, item hyperdrive.Item, w io.Writer) error {
	l.asked.Add(1)
	if !l.good(item.Name) {
		return merkle.ErrUnverified
	}
	_, err := w.Write([]byte("x"))
	return err
}

func (l lying) Afresh(context.Context) (Source, error) {
	*l.afresh++
	return l, nil
}

// lied is what came of the files of a source that lies.
type lied struct {
	*update
	refused, afresh int
	asked           atomic.Int64 // several at once
	err             error
}

func lie(t *testing.T, names []string, good func(name string) bool) *lied {
	t.Helper()
	export, err := folder.OpenExport(t.TempDir(), folder.ExportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer export.Close()
	l := &lied{}
	l.update = &update{to: lying{good: good, asked: &l.asked, afresh: &l.afresh}, written: map[[32]byte]string{}, options: UpdateOptions{
		Refused: func(string, error) { l.refused++ },
	}}
	var items []hyperdrive.Item
	for _, name := range names {
		items = append(items, hyperdrive.Item{Name: name, Entry: hyperdrive.Entry{Blob: &hyperdrive.Blob{BlockLength: 1, ByteLength: 1}}})
	}
	l.err = l.getAll(t.Context(), items, func(ctx context.Context, items []hyperdrive.Item) ([]hyperdrive.Item, error) {
		return l.write(ctx, export, items)
	})
	return l
}

// Who lies about many files costs those, each of which is named, and no other.
func TestPassesLiars(t *testing.T) {
	var names []string
	for i := range 1000 {
		names = append(names, fmt.Sprintf("/f%d", i))
	}
	bad := func(name string) bool { return strings.HasSuffix(name, "7") || len(name) == 3 }
	l := lie(t, names, func(name string) bool { return !bad(name) })
	if l.err != nil || l.done.Written != 1000-109 || l.refused != 109 {
		t.Errorf("%d files written, %d left out, %v", l.done.Written, l.refused, l.err)
	}
	for _, name := range l.left {
		if !bad(name) {
			t.Errorf("%s is left out", name)
		}
	}
	if asked := l.asked.Load(); asked > 3000 {
		t.Errorf("%d files were asked for", asked)
	}
}

// Who lies each time is asked for files until their names are many, each of which is told, and then no more; the error says so.
func TestGivesUpOnLiars(t *testing.T) {
	const most = mostFaulty / 200
	var names []string
	for i := range most + 10 {
		names = append(names, fmt.Sprintf("/f%0198d", i))
	}
	l := lie(t, names, func(string) bool { return false })
	if !errors.Is(l.err, merkle.ErrUnverified) || !strings.Contains(fmt.Sprint(l.err), fmt.Sprintf("%d files were left out", most)) {
		t.Errorf("it ends with %v", l.err)
	}
	if l.refused != most || len(l.left) != most || l.afresh != 1+most || int(l.asked.Load()) >= len(names) {
		t.Errorf("%d files left out, %d noted, %d asked for, %d times afresh", l.refused, len(l.left), l.asked.Load(), l.afresh)
	}
}

// short is a source of a drive of whose blobs only some have come.
type short struct {
	Source
	has uint64
	got *[]string
}

func (s short) Length() (uint64, error) { return s.has, nil }

func (s short) Complete(_ context.Context, items []hyperdrive.Item) error {
	for _, item := range items {
		if blob := item.Entry.Blob; blob.BlockOffset+blob.BlockLength > s.has {
			return hyperdrive.ErrBehind
		}
	}
	for _, item := range items {
		*s.got = append(*s.got, item.Name)
	}
	return nil
}

// What the folder has, and the blobs do not reach, keeps no other file from the store.
func TestCompletesWhatTheBlobsReach(t *testing.T) {
	var got, refused []string
	u := &update{to: short{has: 5, got: &got}, options: UpdateOptions{Refused: func(name string, why error) {
		if !errors.Is(why, hyperdrive.ErrBehind) {
			t.Errorf("%s: %v", name, why)
		}
		refused = append(refused, name)
	}}}
	for i := range uint64(4) {
		blob := &hyperdrive.Blob{BlockOffset: 2 * i, BlockLength: 2, ByteLength: 9}
		u.same = append(u.same, hyperdrive.Item{Name: fmt.Sprintf("/%d", i), Entry: hyperdrive.Entry{Blob: blob}})
	}
	if err := u.complete(t.Context()); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(got, refused, u.left) != "[/0 /1] [/2 /3] [/2 /3]" {
		t.Errorf("has %v, was refused %v, notes %v", got, refused, u.left)
	}
}

// Whether the folder has what was signed is for peers to say where no sha256 was: one file of which nobody can tell keeps no
// other from being looked at, and is not taken for an edit.
func TestPassesWhatCannotBeCompared(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"bad", "good"} {
		if err := os.WriteFile(filepath.Join(root, name), []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	l := &lied{}
	source := lying{good: func(name string) bool { return name == "/good" }, asked: &l.asked, afresh: &l.afresh}
	l.update = &update{tree: &Tree{Root: root}, to: source, seen: map[string]fs.FileInfo{}, options: UpdateOptions{
		Refused: func(string, error) { l.refused++ },
	}}
	var err error
	if l.root, err = os.OpenRoot(root); err != nil {
		t.Fatal(err)
	}
	defer l.close()
	for _, name := range []string{"/bad", "/good"} {
		item := hyperdrive.Item{Name: name, Entry: hyperdrive.Entry{Blob: &hyperdrive.Blob{BlockLength: 1, ByteLength: 1}}}
		if err := l.consider(t.Context(), name, &item); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.afterDoubt(t.Context()); err != nil || l.afresh != 1 {
		t.Errorf("asked anew %d times, %v", l.afresh, err)
	}
	if l.refused != 1 || fmt.Sprint(l.left) != "[/bad]" || len(l.same) != 1 || len(l.steps)+len(l.edited) > 0 {
		t.Errorf("left out %v; the same: %v; steps %v, edited %v", l.left, l.same, l.steps, l.edited)
	}
}
