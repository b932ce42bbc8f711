package hypercore

import (
	"context"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"hc/lib/keys"
	"hc/lib/store"
)

// Blocks appended under a seed give the heads that stock signs under it, byte for byte.
func TestHeadsAreStocks(t *testing.T) {
	longest := map[string]uint64{}
	for _, c := range stockCores(t) {
		if c.Kind != "v1" && c.Kind != "compat" {
			continue
		}
		for _, step := range []uint64{1, 7, 1000} { // blocks in one call of Append
			in := newStore(t)
			options := AppendOptions{Secret: c.secret(t), Compat: c.Kind == "compat"}
			at := uint64(0)
			for _, want := range c.Heads {
				if want.Length == 0 || want.Fork > 0 {
					continue
				}
				w, err := OpenWriter(t.Context(), in, "log", options)
				if err != nil {
					t.Fatal(err)
				}
				for at < want.Length {
					var blocks [][]byte
					for range min(step, want.Length-at) {
						blocks = append(blocks, stockBlock(at))
						at++
					}
					if err := w.Append(t.Context(), blocks...); err != nil {
						t.Fatal(err)
					}
				}
				head, err := w.Commit(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if w.Key().String() != c.Key {
					t.Fatalf("%s: key %v, want %s", c.Kind, w.Key(), c.Key)
				}
				got := hex.EncodeToString(head.Signature)
				if head.Length != want.Length || head.ByteLength != want.ByteLength || head.TreeHash.String() != want.TreeHash || got != want.SignatureField {
					t.Errorf("%s, length %d: %+v, want %+v", c.Kind, want.Length, head, want)
				}
			}
			longest[c.Kind] = max(longest[c.Kind], at)
		}
	}
	if longest["v1"] < 1000 || longest["compat"] < 1000 {
		t.Errorf("blocks in the vectors: %v", longest)
	}
}

func TestAppendGoesOn(t *testing.T) {
	for _, short := range []bool{false, true} {
		in, blocks := newStore(t), someBlocks(300)
		var key keys.Key
		for from := 0; from < len(blocks); from += 50 {
			key, _ = appended(t, in, "log", AppendOptions{Short: short}, blocks[from:from+50]...)
		}
		if !sameBlocks(readBlocks(t, in, key), blocks) {
			t.Errorf("short %v: other blocks than were appended", short)
		}
	}
}

func TestNewLogIsEmptyAndUnsigned(t *testing.T) {
	in := newStore(t)
	key, head := appended(t, in, "log", AppendOptions{})
	if head.Length != 0 || len(head.Signature) > 0 {
		t.Errorf("head %+v", head)
	}
	view, err := in.View(t.Context(), key, true)
	if err != nil || view.Head().Length != 0 {
		t.Errorf("view: %v", err)
	}
}

func TestAbortLeavesNoTrace(t *testing.T) {
	noLeaks(t)
	dir := t.TempDir() + "/.hc"
	in := openAt(t, dir)
	w, err := OpenWriter(t.Context(), in, "log", AppendOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Append(t.Context(), someBlocks(10)...); err != nil {
		t.Fatal(err)
	}
	w.Abort()
	if err := w.Append(t.Context(), []byte("late")); err == nil {
		t.Error("appended behind an abort")
	}
	if _, err := w.Commit(t.Context()); err == nil {
		t.Error("committed behind an abort")
	}
	if _, err := in.Resolve("log"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the name: %v", err)
	}
	if entries, _ := os.ReadDir(filepath.Join(dir, "keys")); len(entries) > 0 {
		t.Errorf("secret keys: %v", entries)
	}
	if cores, err := in.Cores(t.Context()); len(cores) > 0 || err != nil {
		t.Errorf("cores: %v, %v", cores, err)
	}
}

func TestAppendRefuses(t *testing.T) {
	in := newStore(t)
	key, _ := appended(t, in, "log", AppendOptions{}, []byte("a"))
	other, err := keys.NewSecret(strings.NewReader(strings.Repeat("x", 64)))
	if err != nil {
		t.Fatal(err)
	}
	two := uint64(2)
	absent := keys.DefaultManifest(other.Public())
	cases := []struct {
		name, word string
		options    AppendOptions
		want       error
	}{
		{"a name that is taken", "log", AppendOptions{New: true}, ErrConflict},
		{"another length", "log", AppendOptions{ExpectLength: &two}, ErrConflict},
		{"another core's secret", "log", AppendOptions{Secret: &other}, ErrReadOnly},
		{"a pinned version", "0.1." + key.String(), AppendOptions{}, ErrConflict},
		{"no name and no key", "a/b", AppendOptions{}, store.ErrName},
		{"a key without its secret", absent.Key().String(), AppendOptions{}, ErrReadOnly},
		{"a key without its log", absent.Key().String(), AppendOptions{Secret: &other}, store.ErrNotFound},
	}
	for _, c := range cases {
		if w, err := OpenWriter(t.Context(), in, c.word, c.options); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
			if err == nil {
				w.Abort()
			}
		}
	}
	w, err := OpenWriter(t.Context(), in, key.String(), AppendOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	if err := w.Append(t.Context(), []byte("b"), make([]byte, MaxBlock+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a block over the limit: %v", err)
	}
	if err := w.Append(t.Context(), make([]byte, MaxBlock)); err != nil {
		t.Errorf("a block at the limit: %v", err)
	}
	if head, err := w.Commit(t.Context()); err != nil || head.Length != 2 {
		t.Errorf("%+v, %v", head, err)
	}
}

// A secret key that is given for a free name may already have a log under another name: then that one is continued,
// unless a new one was asked for.
func TestSecretOfAnExistingLog(t *testing.T) {
	in := newStore(t)
	secret, _ := keys.NewSecret(strings.NewReader(strings.Repeat("y", 64)))
	key, _ := appended(t, in, "one", AppendOptions{Secret: &secret}, []byte("a"))
	if _, err := OpenWriter(t.Context(), in, "two", AppendOptions{Secret: &secret, New: true}); !errors.Is(err, ErrConflict) {
		t.Errorf("new: %v", err)
	}
	again, head := appended(t, in, "two", AppendOptions{Secret: &secret}, []byte("b"))
	if again != key || head.Length != 2 {
		t.Errorf("key %v, head %+v", again, head)
	}
}

// If two processes begin a log under one name, one of them fails: no log loses its name.
func TestTwoBeginOneName(t *testing.T) {
	dir := t.TempDir() + "/.hc"
	a, b := openAt(t, dir), openAt(t, dir)
	first, err := OpenWriter(t.Context(), a, "log", AppendOptions{})
	if err != nil {
		t.Fatal(err)
	}
	second, err := OpenWriter(t.Context(), b, "log", AppendOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []*Writer{first, second} {
		if err := w.Append(t.Context(), []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := first.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := second.Commit(t.Context()); !errors.Is(err, ErrConflict) {
		t.Errorf("second: %v", err)
	}
	if key, err := a.Resolve("log"); err != nil || key != first.Key() {
		t.Errorf("the name stands for %v, %v, want %v", key, err, first.Key())
	}
	if _, err := a.Secret(second.Key()); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the second one's secret key: %v", err)
	}
}

func TestManyBeginOneName(t *testing.T) {
	dir := t.TempDir() + "/.hc"
	appends := map[string]func(in *store.Store) error{
		"raw": func(in *store.Store) error {
			_, err := AppendRaw(t.Context(), in, "raw", strings.NewReader("block"), AppendOptions{})
			return err
		},
		"lines": func(in *store.Store) error {
			_, err := AppendLines(t.Context(), in, "lines", strings.NewReader("line\n"), AppendOptions{}, Flush{}, nil)
			return err
		},
	}
	const many = 6
	for name, add := range appends {
		stores, errs := make([]*store.Store, many), make([]error, many)
		for i := range stores {
			stores[i] = openAt(t, dir)
		}
		var wait sync.WaitGroup
		for i := range many {
			wait.Go(func() { errs[i] = add(stores[i]) })
		}
		wait.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		key, err := stores[0].Resolve(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := readBlocks(t, stores[0], key); len(got) != many {
			t.Errorf("%s: %d blocks, want %d", name, len(got), many)
		}
	}
}

// A name and a secret key that were written before a first commit that never happened are used again.
func TestNameWithoutItsLog(t *testing.T) {
	for _, compat := range []bool{false, true} {
		in := newStore(t)
		secret, _ := keys.NewSecret(strings.NewReader(strings.Repeat("z", 64)))
		manifest := keys.DefaultManifest(secret.Public())
		key := manifest.Key()
		if compat {
			key = secret.Public()
		}
		if err := in.PutSecret(t.Context(), key, secret); err != nil {
			t.Fatal(err)
		}
		if err := in.SetName(t.Context(), "log", key); err != nil {
			t.Fatal(err)
		}
		if got, head := appended(t, in, "log", AppendOptions{}); got != key || head.Length != 0 {
			t.Errorf("compat %v: key %v, %+v", compat, got, head)
		}
		if _, err := in.View(t.Context(), key, true); err != nil {
			t.Errorf("compat %v: the empty log is not there: %v", compat, err)
		}
		if got, head := appended(t, in, "log", AppendOptions{}, []byte("a")); got != key || head.Length != 1 {
			t.Errorf("compat %v: key %v, %+v", compat, got, head)
		}
	}
}

func TestCancelledCommit(t *testing.T) {
	in := newStore(t)
	ctx, cancel := context.WithCancel(t.Context())
	w, err := OpenWriter(ctx, in, "log", AppendOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Append(ctx, []byte("a")); err != nil {
		t.Fatal(err)
	}
	cancel()
	_, err = w.Commit(ctx)
	key, nameErr := in.Resolve("log")
	if err == nil {
		if got := readBlocks(t, in, key); len(got) != 1 {
			t.Errorf("committed, but %d blocks are there", len(got))
		}
		return
	}
	if !errors.Is(err, context.Canceled) || !errors.Is(nameErr, store.ErrNotFound) {
		t.Errorf("commit: %v; name: %v", err, nameErr)
	}
}
