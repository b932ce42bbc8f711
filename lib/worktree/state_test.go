package worktree

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hc/lib/keys"
	"hc/lib/store"
)

var testKey = keys.Key{7: 1}

func newStore(t *testing.T, folder string) *store.Store {
	t.Helper()
	in, err := store.Open(t.Context(), StoreDir(folder), store.Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close() })
	return in
}

func newTree(t *testing.T, parts ...string) *Tree {
	t.Helper()
	tree, err := Create(newStore(t, t.TempDir()), testKey, parts)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func version(length uint64) keys.Ref { return keys.Ref{Key: testKey, Pinned: true, Length: length} }

// reread reads what the file says.
func reread(t *testing.T, tree *Tree) *Tree {
	t.Helper()
	again, err := Of(tree.in)
	if err != nil {
		t.Fatal(err)
	}
	return again
}

func TestFindsTheNearestTree(t *testing.T) {
	outer := t.TempDir()
	inner := filepath.Join(outer, "a", "inner")
	if err := os.MkdirAll(filepath.Join(inner, "b"), 0o777); err != nil {
		t.Fatal(err)
	}
	if root, ok := Find(inner); ok {
		t.Errorf("found %s", root)
	}
	for _, folder := range []string{outer, inner} {
		if _, err := Create(newStore(t, folder), testKey, nil); err != nil {
			t.Fatal(err)
		}
	}
	for from, want := range map[string]string{outer: outer, filepath.Join(outer, "a"): outer, inner: inner, filepath.Join(inner, "b"): inner} {
		if root, ok := Find(from); !ok || root != want {
			t.Errorf("from %s: %s, want %s", from, root, want)
		}
	}
}

func TestCreateRefuses(t *testing.T) {
	tree := newTree(t)
	if _, err := Create(tree.in, testKey, nil); err == nil || !strings.Contains(err.Error(), "is a working copy already") {
		t.Errorf("a second time: %v", err)
	}
	in, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "store"), store.Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if _, err := Create(in, testKey, nil); err == nil || !strings.Contains(err.Error(), "is the folder .hc") {
		t.Errorf("in a store by itself: %v", err)
	}
}

// What the file says is what was noted, and an update that began is under way until one has ended.
func TestNotesVersions(t *testing.T) {
	tree := newTree(t, "data", "docs")
	if got := reread(t, tree); got.At().Pinned || got.Interrupted() || got.Root != tree.Root || strings.Join(got.Parts, " ") != "data docs" {
		t.Fatalf("a new one is %+v", got)
	}
	try := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	try(tree.begin(version(3)))
	try(tree.begin(version(5)))
	try(tree.begin(version(3)))
	if got := reread(t, tree); fmt.Sprint(got.to) != fmt.Sprint([]keys.Ref{version(5), version(3)}) || got.At().Pinned || !got.Interrupted() {
		t.Errorf("under way are %v", got.to)
	}
	tree.Pin(true)
	try(tree.ended(version(3), []string{"/../up", "/bad\xff\n", "/\u2028"}))
	got := reread(t, tree)
	if got.At().Length != 3 || got.Interrupted() || !got.IsPinned() || fmt.Sprintf("%q", got.leftNames()) != fmt.Sprintf("%q", []string{"/../up", "/bad\xff\n", "/\u2028"}) {
		t.Errorf("it says %+v", got.state)
	}
	if fmt.Sprint(got.was) != fmt.Sprint([]keys.Ref{version(5)}) || !got.leftOut("/bad\xff\n") || got.leftOut("/bad") {
		t.Errorf("what was left out may be of %v, %+v", got.was, got.state)
	}
	for length := range uint64(3 * mostTo) {
		try(tree.begin(version(10 + length)))
	}
	if got := reread(t, tree); len(got.to) != mostTo || got.to[mostTo-1].Length != 9+3*mostTo || len(got.Left) != 3 {
		t.Errorf("under way are %d, the last one %v", len(got.to), got.to[len(got.to)-1])
	}
	try(tree.ended(version(60), []string{"/a"}))
	if got := reread(t, tree); len(got.was) != mostTo || got.was[mostTo-1].Length != 9+3*mostTo {
		t.Errorf("what was left out may be of %v", got.was)
	}
	forked := version(61)
	forked.Fork = 1
	try(tree.begin(forked))
	try(tree.ended(forked, []string{"/a"}))
	if got := reread(t, tree); got.was != nil {
		t.Errorf("behind a fork what was left out may be of %v", got.was)
	}
	try(tree.begin(version(61)))
	try(tree.ended(version(61), nil))
	if got := reread(t, tree); got.Interrupted() || got.Left != nil || got.was != nil {
		t.Errorf("it says %+v", got.state)
	}
}

// However many names are left out, the file can be read.
func TestNotesManyNames(t *testing.T) {
	tree := newTree(t)
	many := make([]string, 200)
	for i := range many {
		many[i] = strings.Repeat("\xff", 1000)
	}
	if err := tree.ended(version(1), many); err != nil {
		t.Fatal(err)
	}
	if got := reread(t, tree); !got.More || got.Left != nil {
		t.Errorf("of too many names %d are listed", len(got.Left))
	}
	if err := tree.ended(version(1), many[:20]); err != nil {
		t.Fatal(err)
	}
	if got := reread(t, tree); got.More || len(got.leftNames()) != 20 {
		t.Errorf("of few names %d are listed", len(got.Left))
	}
}

// Which of many names were left out is told of the last update, not of one before.
func TestTellsWhatWasLeftOut(t *testing.T) {
	tree := newTree(t)
	var names []string
	for i := range 10_000 {
		names = append(names, fmt.Sprintf("/%d", i))
	}
	for _, left := range [][]string{names[:5000], names[5000:], names, nil} {
		if err := tree.ended(version(1), left); err != nil {
			t.Fatal(err)
		}
		for _, tree := range []*Tree{tree, reread(t, tree)} {
			was := make(map[string]bool)
			for _, name := range left {
				was[name] = true
			}
			for _, name := range names {
				if tree.leftOut(name) != was[name] {
					t.Fatalf("of %d names: %s: %v", len(left), name, !was[name])
				}
			}
		}
	}
}

func TestRefusesDamagedState(t *testing.T) {
	key, other := testKey.String(), keys.Key{9: 1}.String()
	for text, want := range map[string]string{
		"":                           "damaged",
		"{":                          "damaged",
		"null":                       "format",
		`{"format":"hc-worktree 2"}`: "reads \"hc-worktree 1\"",
		`{"format":"hc-worktree 1"}`: "damaged",
		`{"format":"hc-worktree 1","drive":"` + key + `","what":1}`:                                        "damaged",
		`{"format":"hc-worktree 1","drive":"` + key + `","at":"` + key + `"}`:                              "not a version of its drive",
		`{"format":"hc-worktree 1","drive":"` + key + `","at":"0.3.` + other + `"}`:                        "not a version of its drive",
		`{"format":"hc-worktree 1","drive":"` + key + `","to":["0.3.` + other + `"]}`:                      "not a version of its drive",
		`{"format":"hc-worktree 1","drive":"` + key + `","to":"0.3.` + key + `"}`:                          "damaged",
		`{"format":"hc-worktree 1","drive":"` + key + `","to":["` + strings.Repeat(`x","`, mostTo) + `"]}`: "updates are under way",
		strings.Repeat(" ", maxState+1):                                                                    "too large",
	} {
		in := newStore(t, t.TempDir())
		if err := os.WriteFile(filepath.Join(in.Dir(), stateName), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := Of(in); err == nil || errors.Is(err, ErrNone) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80q: %v, want %q", text, err, want)
		}
		if !Is(rootOf(in)) {
			t.Errorf("%.80q: no working copy", text)
		}
	}
	in := newStore(t, t.TempDir())
	if _, err := Of(in); !errors.Is(err, ErrNone) || Is(rootOf(in)) {
		t.Errorf("without the file: %v", err)
	}
}

// A file that cannot be written leaves the one that is there.
func TestStateIsReplacedWhole(t *testing.T) {
	tree := newTree(t)
	if err := tree.ended(version(3), nil); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(tree.in.Dir(), stateName+".new"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := tree.ended(version(4), nil); err == nil {
		t.Fatal("it was written")
	}
	if got := reread(t, tree); got.At().Length != 3 || tree.At().Length != 3 {
		t.Errorf("it says %v", got.At())
	}
}

func TestWants(t *testing.T) {
	whole, part := newTree(t), newTree(t, "data", "docs/a.md")
	for name, want := range map[string]bool{
		"/data": true, "/data/x": true, "/data/x/y": true, "/docs/a.md": true, "/docs/a.md/x": true,
		"/": false, "/datax": false, "/dat": false, "/docs": false, "/docs/b.md": false, "/x/data": false, "data": false,
	} {
		if part.Wants(name) != want {
			t.Errorf("%q: %v", name, !want)
		}
		if !whole.Wants(name) {
			t.Errorf("%q is not wanted of all", name)
		}
	}
}
