package hypercore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"hc/lib/hash"
	"hc/lib/proof"
	"hc/lib/store"
)

func TestNewFork(t *testing.T) {
	one, two, key := twoHistories(t, 3, 10, 12)
	if _, _, err := NewFork(t.Context(), one, "log", AppendOptions{}); !errors.Is(err, ErrConflict) {
		t.Errorf("with nothing seen: %v", err)
	}
	blocks := readBlocks(t, one, key)
	for fork := range uint64(2) {
		if err := Onto(t.Context(), one, key, proofOf(t, two, key, proof.Claim{Kind: proof.KindHead})); !errors.Is(err, ErrConflict) {
			t.Fatalf("fork %d: %v", fork, err)
		}
		before, after, err := NewFork(t.Context(), one, "log", AppendOptions{})
		if err != nil || after.Fork != 2*fork+1 || after.TreeHash != before.TreeHash || after.Length != 10 {
			t.Fatalf("%+v became %+v, %v", before, after, err)
		}
		if seen, err := one.SeenHeads(t.Context(), key); err != nil || len(seen) != 0 {
			t.Errorf("seen %+v, %v", seen, err)
		}
		if got := readBlocks(t, one, key); !sameBlocks(got, blocks) {
			t.Errorf("%d blocks, not those of before", len(got))
		}
		if got, err := verified(t, source(t, one, key), proof.Claim{}); err != nil || !bytes.Equal(got, bytes.Join(blocks, nil)) {
			t.Errorf("the new head proves %d bytes, %v", len(got), err)
		}
		// The other one does the same, in its turn.
		if err := Onto(t.Context(), two, key, proofOf(t, one, key, proof.Claim{Kind: proof.KindHead})); !errors.Is(err, ErrConflict) {
			t.Fatal(err)
		}
		if _, after, err = NewFork(t.Context(), two, "log", AppendOptions{}); err != nil || after.Fork != 2*fork+2 {
			t.Fatalf("%+v, %v", after, err)
		}
	}
	_, head := appended(t, two, "log", AppendOptions{}, []byte("goes on"))
	if head.Fork != 4 || head.Length != 13 {
		t.Errorf("appended as %+v", head)
	}
}

// A head that was seen is settled once the log has come to include it, and not before.
func TestSettle(t *testing.T) {
	now, old, key := staleCopy(t, 10, 5)
	if err := Onto(t.Context(), old, key, proofOf(t, now, key, proof.Claim{Kind: proof.KindHead})); !errors.Is(err, ErrConflict) {
		t.Fatal(err)
	}
	if left, err := Settle(t.Context(), old, key); err != nil || len(left) != 1 || left[0].Length != 15 {
		t.Errorf("left %+v, %v", left, err)
	}
	appended(t, now, "log", AppendOptions{}, []byte("more"))
	d, err := NewDownload(t.Context(), key, DownloadOptions{Store: old, Adopt: true})
	if err != nil {
		t.Fatal(err)
	}
	a := newAsker(t, now, nil, key)
	a.d = d
	a.upgrade()
	a.hash(28) // the last root of length 15
	a.hash(25)
	a.hash(19)
	a.save()
	if left, err := Settle(t.Context(), old, key); err != nil || len(left) != 0 {
		t.Errorf("left %+v, %v", left, err)
	}
	if _, head := appended(t, old, "log", AppendOptions{}, []byte("goes on")); head.Length != 17 {
		t.Errorf("length %d", head.Length)
	}
}

// Common finds the first block that differs, with few questions.
func TestCommon(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	in := newStore(t)
	for round := range 60 {
		ours, theirs := random.IntN(70), 1+random.IntN(70)
		same := random.IntN(min(ours, theirs) + 1)
		blocks := make([][]byte, ours)
		for i := range blocks {
			blocks[i] = fmt.Appendf(nil, "block %d", i)
		}
		others := append([][]byte{}, blocks[:same]...)
		for i := same; i < theirs; i++ {
			others = append(others, fmt.Appendf(nil, "other %d", i%3))
		}
		key, _ := appended(t, in, fmt.Sprint("ours", round), AppendOptions{}, blocks...)
		other, _ := appended(t, in, fmt.Sprint("theirs", round), AppendOptions{}, others...)
		view, err := in.View(t.Context(), key, false)
		if err != nil {
			t.Fatal(err)
		}
		from, err := in.View(t.Context(), other, false)
		if err != nil {
			t.Fatal(err)
		}
		questions := 0
		got, err := Common(t.Context(), view, uint64(theirs), func(ctx context.Context, index uint64) (hash.Digest, error) {
			questions++
			node, err := from.Node(ctx, index)
			return node.Hash, err
		})
		if err != nil || got != uint64(same) || questions > 20 {
			t.Errorf("%d and %d blocks, %d alike: %d, %v; %d questions", ours, theirs, same, got, err, questions)
		}
	}
}

// Follow replaces history with that of a higher fork and continues from the blocks that both share.
func TestFollow(t *testing.T) {
	one, two, key := twoHistories(t, 5, 10, 12)
	if err := Onto(t.Context(), two, key, proofOf(t, one, key, proof.Claim{Kind: proof.KindHead})); !errors.Is(err, ErrConflict) {
		t.Fatal(err)
	}
	if _, _, err := NewFork(t.Context(), two, "log", AppendOptions{}); err != nil {
		t.Fatal(err)
	}
	reader := newStore(t)
	download(t, one, reader, key)
	view, err := reader.View(t.Context(), key, false)
	if err != nil {
		t.Fatal(err)
	}
	theirs := newAsker(t, two, nil, key)
	theirs.upgrade()
	if err := Follow(t.Context(), reader, view, theirs.d.Proved(), 5); err != nil {
		t.Fatal(err)
	}
	a := newAsker(t, two, reader, key)
	for block := range uint64(12) {
		held, err := a.d.Holds(t.Context(), block)
		if err != nil || held != (block < 5) {
			t.Errorf("block %d is held: %v, %v", block, held, err)
		}
		if !held {
			a.block(block)
		}
	}
	a.save()
	if got := readBlocks(t, reader, key); !sameBlocks(got, readBlocks(t, two, key)) {
		t.Errorf("%d blocks, not those of the new fork", len(got))
	}
	if err := Follow(t.Context(), reader, view, theirs.d.Proved(), 5); !errors.Is(err, ErrConflict) {
		t.Errorf("on top of a view that is old: %v", err)
	}
}

func source(t *testing.T, in *store.Store, key [32]byte) *Source {
	t.Helper()
	s, err := OpenSource(t.Context(), in, key, SourceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}
