package hypercore

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/proof"
	"hc/lib/store"
)

// backup returns a copy of another store, as a restored backup is.
func backup(t *testing.T, of *store.Store) *store.Store {
	t.Helper()
	dir := t.TempDir() + "/.hc"
	if err := os.CopyFS(dir, os.DirFS(of.Dir())); err != nil {
		t.Fatal(err)
	}
	keyFiles, err := os.ReadDir(dir + "/keys")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range keyFiles { // CopyFS adds the umask's rights
		if err := os.Chmod(dir+"/keys/"+file.Name(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir+"/keys", 0o700); err != nil {
		t.Fatal(err)
	}
	return openAt(t, dir)
}

// staleCopy returns a store and an older copy of it, which holds the key, too.
func staleCopy(t *testing.T, before, more int) (now, old *store.Store, key keys.Key) {
	t.Helper()
	now = newStore(t)
	blocks := someBlocks(before + more)
	key, _ = appended(t, now, "log", AppendOptions{}, blocks[:before]...)
	old = backup(t, now)
	appended(t, now, "log", AppendOptions{}, blocks[before:]...)
	return now, old, key
}

// proofOf writes a proof stream from a store.
func proofOf(t *testing.T, in *store.Store, key keys.Key, claim proof.Claim) *bytes.Buffer {
	t.Helper()
	source, err := OpenSource(t.Context(), in, key, SourceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var stream bytes.Buffer
	if err := proof.Write(t.Context(), &stream, source, proof.WriteOptions{Claim: claim}); err != nil {
		t.Fatal(err)
	}
	return &stream
}

// refusesToSign checks that a store's owner cannot sign, and that the error names both heads.
func refusesToSign(t *testing.T, in *store.Store, here, there string) {
	t.Helper()
	w, err := OpenWriter(t.Context(), in, "log", AppendOptions{})
	if err == nil {
		w.Abort()
	}
	var seen *SeenError
	if !errors.As(err, &seen) || !errors.Is(err, ErrConflict) || !strings.Contains(err.Error(), here) || !strings.Contains(err.Error(), there) {
		t.Errorf("appending: %v, want an error that names %q and %q", err, here, there)
	} else if !strings.Contains(seen.Hint(), "hc doctor "+seen.Key.String()) {
		t.Errorf("hint: %s", seen.Hint())
	}
}

func TestOwnersOldCopyIsNotSignedOn(t *testing.T) {
	ways := map[string]func(t *testing.T, now, old *store.Store, key keys.Key) error{
		"a download": func(t *testing.T, now, old *store.Store, key keys.Key) error {
			a := newAsker(t, now, old, key)
			return a.d.Apply(t.Context(), a.prove(merkle.Request{Upgrade: &merkle.UpgradeRequest{Start: 10, Length: 5}}), nil)
		},
		"a proof to be kept": func(t *testing.T, now, old *store.Store, key keys.Key) error {
			k := NewKeeper(t.Context(), old)
			_, err := proof.Verify(t.Context(), proofOf(t, now, key, proof.Claim{}), proof.Options{Key: &key}, k)
			return errors.Join(err, k.Close())
		},
		"a proof to append to": func(t *testing.T, now, old *store.Store, key keys.Key) error {
			return Onto(t.Context(), old, key, proofOf(t, now, key, proof.Claim{Kind: proof.KindHead}))
		},
	}
	for name, meets := range ways {
		t.Run(name, func(t *testing.T) {
			now, old, key := staleCopy(t, 10, 5)
			var seen *SeenError
			if err := meets(t, now, old, key); !errors.As(err, &seen) || !seen.Owned || seen.There.Length != 15 {
				t.Errorf("%v, want the head that was seen", err)
			}
			refusesToSign(t, old, "fork 0, length 10, tree ", "fork 0, length 15, tree ")
			if got := readBlocks(t, old, key); len(got) != 10 {
				t.Errorf("%d blocks are left", len(got))
			}
			appended(t, now, "log", AppendOptions{}, []byte("goes on"))
		})
	}
}

// A store that only reads a log follows it.
func TestReadersFollow(t *testing.T) {
	now, old, key := staleCopy(t, 10, 5)
	if err := os.RemoveAll(old.Dir() + "/keys"); err != nil {
		t.Fatal(err)
	}
	download(t, now, old, key)
	if got := readBlocks(t, old, key); len(got) != 15 {
		t.Errorf("%d blocks", len(got))
	}
}

// Blocks that another process appended to the same store meanwhile do not count as seen elsewhere.
func TestOwnAppendsAreNoConflict(t *testing.T) {
	in := newStore(t)
	key, _ := appended(t, in, "log", AppendOptions{}, someBlocks(10)...)
	a := newAsker(t, in, in, key)
	appended(t, in, "log", AppendOptions{}, someBlocks(3)...)
	a.from = newAsker(t, in, nil, key).from
	a.upgrade()
	a.save()
	if length, _ := a.d.Length(); length != 13 {
		t.Errorf("length %d", length)
	}
	appended(t, in, "log", AppendOptions{}, someBlocks(1)...)
}

// A proof from before a new fork is refused, but it is not kept as news to deal with.
func TestLowerForkIsNotKept(t *testing.T) {
	one, two, key := twoHistories(t, 3, 10, 12)
	old := proofOf(t, one, key, proof.Claim{Kind: proof.KindHead})
	if err := Onto(t.Context(), one, key, proofOf(t, two, key, proof.Claim{Kind: proof.KindHead})); !errors.Is(err, ErrConflict) {
		t.Fatal(err)
	}
	if _, _, err := NewFork(t.Context(), one, "log", AppendOptions{}); err != nil {
		t.Fatal(err)
	}
	k := NewKeeper(t.Context(), one)
	if _, err := proof.Verify(t.Context(), old, proof.Options{Key: &key, AnyClaim: true}, k); !errors.Is(err, ErrForked) {
		t.Errorf("keeping an older fork's proof: %v", err)
	}
	appended(t, one, "log", AppendOptions{}, []byte("goes on"))
}

func TestRelate(t *testing.T) {
	one, two, key := twoHistories(t, 4, 10, 10)
	head := func(in *store.Store, length uint64) store.Head {
		part := newStore(t)
		secret, err := in.Secret(key)
		if err != nil {
			t.Fatal(err)
		}
		_, head := appended(t, part, "log", AppendOptions{Secret: &secret}, readBlocks(t, in, key)[:length]...)
		return head
	}
	sparse := newStore(t)
	newAsker(t, one, sparse, key).upgradeAndSave()
	above := head(one, 10)
	above.Fork = 1
	cases := []struct {
		name string
		here *store.Store
		head store.Head
		want Relation
	}{
		{"the same", one, head(one, 10), Behind},
		{"a beginning", one, head(one, 7), Behind},
		{"what both share", one, head(two, 4), Behind},
		{"nothing", one, store.Head{}, Behind},
		{"another", one, head(two, 10), Different},
		{"another, shorter", one, head(two, 5), Different},
		{"a higher fork", one, above, Different},
		{"the same, with the roots only", sparse, head(one, 10), Behind},
		{"another, with the roots only", sparse, head(two, 10), Different},
		{"shorter, with the roots only", sparse, head(two, 7), Untold},
		{"shorter, and known by a root", sparse, head(one, 8), Behind},
	}
	for _, c := range cases {
		view, err := c.here.View(t.Context(), key, false)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := relate(t.Context(), view, c.head, nil); err != nil || got != c.want {
			t.Errorf("%s: %v, %v, want %v", c.name, got, err, c.want)
		}
	}
	long := newStore(t)
	secret, _ := one.Secret(key)
	appended(t, long, "log", AppendOptions{Secret: &secret}, append(readBlocks(t, one, key), []byte("more"))...)
	for want, in := range map[Relation]*store.Store{Ahead: one, Different: two} {
		view, err := in.View(t.Context(), key, false)
		if err != nil {
			t.Fatal(err)
		}
		theirs := newAsker(t, long, nil, key).from
		roots, err := theirs.Roots(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got, err := relate(t.Context(), view, theirs.Head(), roots); err != nil || got != want {
			t.Errorf("a longer head: %v, %v, want %v", got, err, want)
		}
	}
}

func (a *asker) upgradeAndSave() {
	a.t.Helper()
	a.upgrade()
	a.save()
}
