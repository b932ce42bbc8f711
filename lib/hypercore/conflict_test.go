package hypercore

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/proof"
	"hc/lib/store"
)

// twoHistories returns two stores with logs of one key that begin alike and differ from block same on.
func twoHistories(t *testing.T, same, first, second int) (one, two *store.Store, key keys.Key) {
	t.Helper()
	secret, err := keys.NewSecret(strings.NewReader(strings.Repeat("c", 64)))
	if err != nil {
		t.Fatal(err)
	}
	one, two = newStore(t), newStore(t)
	blocks := someBlocks(first)
	key, _ = appended(t, one, "log", AppendOptions{Secret: &secret}, blocks...)
	others := append([][]byte{}, blocks[:min(same, first)]...)
	for len(others) < second {
		others = append(others, []byte("another"))
	}
	appended(t, two, "log", AppendOptions{Secret: &secret}, others...)
	return one, two, key
}

func TestConflict(t *testing.T) {
	cases := []struct {
		name                string
		same, first, second int
		conflict            bool
	}{
		{"the same", 10, 10, 10, false},
		{"a longer one", 10, 10, 17, false},
		{"another block", 4, 10, 10, true},
		{"a longer one with another block", 9, 10, 17, true},
		{"another first block", 0, 1, 1, true},
		{"a shorter one with another block", 3, 10, 8, true},
		{"a shorter one", 8, 10, 8, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			one, two, key := twoHistories(t, c.same, c.first, c.second)
			into := newStore(t)
			d := download(t, one, into, key)
			theirs := newAsker(t, two, nil, key)
			shorter := uint64(min(c.first, c.second))
			head, conflict, err := d.Conflict(t.Context(), theirs.prove(merkle.Request{Upgrade: &merkle.UpgradeRequest{Length: shorter}}))
			if err != nil || conflict != c.conflict || head.Length != uint64(c.second) {
				t.Errorf("conflict %v, head %d, %v, want %v, %d", conflict, head.Length, err, c.conflict, c.second)
			}
			bad := theirs.prove(merkle.Request{Upgrade: &merkle.UpgradeRequest{Length: shorter}})
			bad.Upgrade.Signature[20] ^= 1
			if _, conflict, err := d.Conflict(t.Context(), bad); conflict || !errors.Is(err, keys.ErrSignature) {
				t.Errorf("with a flipped bit: %v, %v", conflict, err)
			}
		})
	}
}

// An owner learns of a second history before it signs on top of its own.
func TestOwnerHearsOfASecondHistory(t *testing.T) {
	one, two, key := twoHistories(t, 3, 10, 12)
	d, err := NewDownload(t.Context(), key, DownloadOptions{Store: one})
	if err != nil {
		t.Fatal(err)
	}
	theirs := newAsker(t, two, nil, key)
	head, conflict, err := d.Conflict(t.Context(), theirs.prove(merkle.Request{Upgrade: &merkle.UpgradeRequest{Length: 10}}))
	if err != nil || !conflict {
		t.Fatalf("%v, %v", conflict, err)
	}
	if err := d.KeepSeen(t.Context(), head); err != nil {
		t.Fatal(err)
	}
	if w, err := OpenWriter(t.Context(), one, "log", AppendOptions{}); !errors.Is(err, ErrConflict) {
		t.Errorf("appending: %v", err)
		if err == nil {
			w.Abort()
		}
	}
	if got := readBlocks(t, one, key); len(got) != 10 {
		t.Errorf("%d blocks are left", len(got))
	}
}

// Two histories are not mixed in a store, whichever comes second.
func TestHistoriesAreNotMixed(t *testing.T) {
	one, two, key := twoHistories(t, 3, 10, 10)
	into := newStore(t)
	a, b := newAsker(t, one, into, key), newAsker(t, two, into, key)
	a.upgrade()
	b.upgrade()
	a.block(2)
	b.block(7)
	a.save()
	if err := b.d.Save(t.Context()); !errors.Is(err, ErrForked) {
		t.Errorf("the second save: %v", err)
	}
	if known := b.d.Knows(t.Context(), 2*7); !known {
		t.Error("a save that failed forgot what it was to save")
	}
	var stream bytes.Buffer
	source, err := OpenSource(t.Context(), two, key, SourceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := proof.Write(t.Context(), &stream, source, proof.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	k := NewKeeper(t.Context(), into)
	if _, err := proof.Verify(t.Context(), &stream, proof.Options{Key: &key}, k); !errors.Is(err, ErrForked) {
		t.Errorf("keeping the other one's proof: %v", err)
	}
	if seen, err := into.SeenHeads(t.Context(), key); err != nil || len(seen) != 1 || seen[0].Length != 10 {
		t.Errorf("seen %+v, %v", seen, err)
	}
}

// Two processes that download the same core, one of them ahead, do not undo each other's work.
func TestTwoDownloadsOfOneCore(t *testing.T) {
	from, into := newStore(t), newStore(t)
	blocks := someBlocks(20)
	key, _ := appended(t, from, "log", AppendOptions{}, blocks[:10]...)
	behind := newAsker(t, from, into, key)
	behind.upgrade()
	behind.block(1)
	appended(t, from, "log", AppendOptions{}, blocks[10:]...)
	ahead := newAsker(t, from, into, key)
	ahead.upgrade()
	ahead.block(15)
	ahead.block(1)
	ahead.save()
	behind.save()
	d, err := NewDownload(t.Context(), key, DownloadOptions{Store: into})
	if err != nil {
		t.Fatal(err)
	}
	if length, _ := d.Length(); length != 20 {
		t.Errorf("length %d", length)
	}
	for _, block := range []uint64{1, 15} {
		if held, err := d.Holds(t.Context(), block); !held || err != nil {
			t.Errorf("block %d: %v, %v", block, held, err)
		}
	}
}

// The same if all blocks come in one save, so that the store could compute every node by itself, and the heads are of
// different lengths: the whole log here is compared, not only the part that is written.
func TestWholeHistoriesAreNotMixed(t *testing.T) {
	for _, lengths := range [][2]int{{4, 8}, {8, 4}, {5, 7}, {1, 2}} {
		one, two, key := twoHistories(t, 0, lengths[0], lengths[1])
		into := newStore(t)
		first, second := newAsker(t, one, into, key), newAsker(t, two, into, key)
		for i, a := range []*asker{first, second} {
			a.upgrade()
			for block := range uint64(lengths[i]) {
				a.block(block)
			}
		}
		before := readBlocks(t, one, key)
		first.save()
		if err := second.d.Save(t.Context()); !errors.Is(err, ErrForked) {
			t.Errorf("%v: the second save: %v", lengths, err)
		}
		if got := readBlocks(t, into, key); !sameBlocks(got, before) {
			t.Errorf("%v: the store holds %d blocks that are not those of the first history", lengths, len(got))
		}
	}
}
