package hypercore

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/proof"
	"hc/lib/store"
)

// rootsOnly returns a store that holds only the roots of a log's head, and the log's secret key.
func rootsOnly(t *testing.T, of *store.Store, key keys.Key) (*store.Store, AppendOptions) {
	t.Helper()
	secret, err := of.Secret(key)
	if err != nil {
		t.Fatal(err)
	}
	in := newStore(t)
	if err := Onto(t.Context(), in, key, proofOf(t, of, key, proof.Claim{Kind: proof.KindHead})); err != nil {
		t.Fatal(err)
	}
	return in, AppendOptions{Secret: &secret}
}

// With the roots and the secret key a writer signs the same head as with the whole log.
func TestAppendOntoRoots(t *testing.T) {
	for _, length := range []int{1, 2, 7, 8, 9, 100} {
		for _, compat := range []bool{false, true} {
			whole := newStore(t)
			key, _ := appended(t, whole, "log", AppendOptions{Compat: compat}, someBlocks(length)...)
			part, options := rootsOnly(t, whole, key)
			for range 3 {
				_, got := appended(t, part, key.String(), options, someBlocks(3)...)
				_, want := appended(t, whole, "log", AppendOptions{}, someBlocks(3)...)
				if !sameHead(got, want) || !bytes.Equal(got.Signature, want.Signature) || got.ByteLength != want.ByteLength {
					t.Errorf("%d blocks: signed %+v, want %+v", length, got, want)
				}
			}
			snapshot, err := OpenSnapshot(t.Context(), part, key)
			if err != nil {
				t.Fatal(err)
			}
			if ok, err := snapshot.Has(t.Context(), uint64(length-1)); ok || err != nil {
				t.Errorf("block %d is held: %v, %v", length-1, ok, err)
			}
		}
	}
}

func TestOnto(t *testing.T) {
	head := proof.Claim{Kind: proof.KindHead}
	t.Run("an older proof", func(t *testing.T) {
		now, old, key := staleCopy(t, 10, 5)
		if err := Onto(t.Context(), now, key, proofOf(t, old, key, head)); err != nil {
			t.Fatal(err)
		}
		if _, got := appended(t, now, "log", AppendOptions{}, []byte("x")); got.Length != 16 {
			t.Errorf("length %d", got.Length)
		}
	})
	t.Run("another history", func(t *testing.T) {
		one, two, key := twoHistories(t, 3, 10, 10)
		var seen *SeenError
		if err := Onto(t.Context(), one, key, proofOf(t, two, key, head)); !errors.As(err, &seen) {
			t.Errorf("%v, want the head that was seen", err)
		}
		refusesToSign(t, one, HeadWords(seen.Here), HeadWords(seen.There))
	})
	t.Run("another's secret key", func(t *testing.T) {
		whole := newStore(t)
		key, _ := appended(t, whole, "log", AppendOptions{}, someBlocks(5)...)
		part, options := rootsOnly(t, whole, key)
		other := keys.SecretFromSeed([32]byte{1})
		options.Secret = &other
		if w, err := OpenWriter(t.Context(), part, key.String(), options); !errors.Is(err, ErrReadOnly) {
			t.Errorf("%v, want %v", err, ErrReadOnly)
			if err == nil {
				w.Abort()
			}
		}
	})
	t.Run("no proof of a head", func(t *testing.T) {
		whole, in := newStore(t), newStore(t)
		key, _ := appended(t, whole, "log", AppendOptions{}, someBlocks(5)...)
		if err := Onto(t.Context(), in, key, proofOf(t, whole, key, proof.Claim{})); !errors.Is(err, proof.ErrUnverified) {
			t.Errorf("all of a log: %v", err)
		}
		stream := proofOf(t, whole, key, head).Bytes()
		if err := Onto(t.Context(), in, key, bytes.NewReader(stream[:len(stream)-1])); !errors.Is(err, proof.ErrPartial) {
			t.Errorf("cut off: %v", err)
		}
		if err := Onto(t.Context(), in, keys.Key{1}, bytes.NewReader(stream)); !errors.Is(err, proof.ErrUnverified) {
			t.Errorf("of another key: %v", err)
		}
		if cores, err := in.Cores(t.Context()); err != nil || len(cores) != 0 {
			t.Errorf("kept %v, %v", cores, err)
		}
	})
}

func TestIfChanged(t *testing.T) {
	blocks := someBlocks(12)
	cases := []struct {
		name      string
		log       int // its first blocks
		input     [][]byte
		unchanged bool
	}{
		{"an empty log", 0, blocks[:1], false},
		{"all of it", 12, blocks, true},
		{"its end", 12, blocks[7:], true},
		{"its last block", 12, blocks[11:], true},
		{"its beginning", 12, blocks[:5], false},
		{"a part of it", 12, blocks[3:8], false},
		{"its end, and more", 11, blocks[9:], false},
		{"more than all of it", 3, blocks, false},
		{"another order", 12, [][]byte{blocks[11], blocks[10]}, false},
		{"other borders", 4, [][]byte{append(append([]byte{}, blocks[2]...), blocks[3]...)}, false},
	}
	for _, c := range cases {
		for _, most := range []uint64{maxLeaves, 2} {
			in := newStore(t)
			appended(t, in, "log", AppendOptions{}, blocks[:c.log]...)
			w, err := OpenWriter(t.Context(), in, "log", AppendOptions{IfChanged: true})
			if err != nil {
				t.Fatal(err)
			}
			defer w.Abort()
			w.ending.most = min(w.ending.most, most)
			if err := w.Append(t.Context(), c.input...); err != nil {
				t.Fatal(err)
			}
			result, err := w.result(t.Context(), uint64(c.log), 1)
			want := uint64(c.log + len(c.input))
			if c.unchanged {
				want = uint64(c.log)
			}
			if err != nil || result.Length != want || (result.Blocks == 0) != c.unchanged {
				t.Errorf("%s, up to %d leaves: %+v, %v, want length %d", c.name, most, result, err, want)
			}
			w.Abort()
			if got := readBlocks(t, in, w.Key()); uint64(len(got)) != want {
				t.Errorf("%s: the log has %d blocks, want %d", c.name, len(got), want)
			}
		}
	}
}

// An input with more blocks than are held together is compared, too, and one that differs in its last block counts as
// changed.
func TestIfChangedOfManyBlocks(t *testing.T) {
	in, blocks := newStore(t), someBlocks(3*pageLeaves)
	appended(t, in, "log", AppendOptions{}, blocks...)
	for _, unchanged := range []bool{true, false} {
		input := blocks[pageLeaves/2:]
		if !unchanged {
			input = append(append([][]byte{}, input[:len(input)-1]...), []byte("another"))
		}
		w, err := OpenWriter(t.Context(), in, "log", AppendOptions{IfChanged: true})
		if err != nil {
			t.Fatal(err)
		}
		defer w.Abort()
		if err := w.Append(t.Context(), input...); err != nil {
			t.Fatal(err)
		}
		if got, err := w.unchanged(t.Context()); err != nil || got != unchanged {
			t.Errorf("unchanged: %v, %v, want %v", got, err, unchanged)
		}
		w.Abort()
	}
}

// If only roots are here, the part before the input is asked for; a peer that lies about it cannot make the input
// look unchanged.
func TestIfChangedOntoRoots(t *testing.T) {
	whole := newStore(t)
	key, _ := appended(t, whole, "log", AppendOptions{}, someBlocks(11)...)
	part, options := rootsOnly(t, whole, key)
	options.IfChanged = true
	asked := uint64(0)
	lies := false
	roots := func(ctx context.Context, of keys.Key, length uint64) (nodes []merkle.Node, err error) {
		view, err := whole.View(ctx, of, false)
		if err != nil {
			return nil, err
		}
		for _, index := range merkle.FullRoots(length) {
			node, err := view.Node(ctx, index)
			if err != nil {
				return nil, err
			}
			if lies {
				node.Hash[0] ^= 1
			}
			nodes = append(nodes, node)
		}
		asked = length
		return nodes, nil
	}
	input := someBlocks(11)[4:]
	try := func(roots RootsAt) (Result, error) {
		options.Roots = roots
		w, err := OpenWriter(t.Context(), part, key.String(), options)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Abort()
		before := w.Length()
		if err := w.Append(t.Context(), input...); err != nil {
			t.Fatal(err)
		}
		return w.result(t.Context(), before, 0)
	}
	if _, err := try(nil); !errors.Is(err, proof.ErrPartial) {
		t.Errorf("with nobody to ask: %v, want %v", err, proof.ErrPartial)
	}
	if result, err := try(roots); err != nil || result.Length != 11 || asked != 4 {
		t.Errorf("%+v, %v; asked for length %d", result, err, asked)
	}
	lies = true
	if result, err := try(roots); err != nil || result.Length != 18 {
		t.Errorf("with forged roots: %+v, %v", result, err)
	}
	if result, err := try(nil); err != nil || result.Length != 18 { // a comparison with blocks appended here needs no peer
		t.Errorf("again: %+v, %v", result, err)
	}
}

// A proof of the head may bring the roots of an earlier length. Then no peer is asked, although the size of one root
// is a hint: a forged one does not fit the input.
func TestIfChangedOntoEarlierRoots(t *testing.T) {
	for _, length := range []uint64{2, 3, 8, 13} {
		whole, blocks := newStore(t), someBlocks(int(length))
		key, _ := appended(t, whole, "log", AppendOptions{}, blocks...)
		secret, err := whole.Secret(key)
		if err != nil {
			t.Fatal(err)
		}
		for at := uint64(0); at < length; at++ {
			for _, unchanged := range []bool{true, false} {
				part := newStore(t)
				if err := Onto(t.Context(), part, key, proofOf(t, whole, key, proof.Claim{Kind: proof.KindHead, At: &at})); err != nil {
					t.Fatal(err)
				}
				input := append([][]byte{}, blocks[at:]...)
				if !unchanged {
					input[0] = []byte("another")
				}
				w, err := OpenWriter(t.Context(), part, key.String(), AppendOptions{Secret: &secret, IfChanged: true})
				if err != nil {
					t.Fatal(err)
				}
				defer w.Abort()
				if err := w.Append(t.Context(), input...); err != nil {
					t.Fatal(err)
				}
				if got, err := w.unchanged(t.Context()); err != nil || got != unchanged {
					t.Errorf("%d of %d blocks: unchanged: %v, %v, want %v", length-at, length, got, err, unchanged)
				}
				w.Abort()
			}
		}
	}
}

// The sizes of two siblings, which a lying prover may forge in such a proof, do not matter.
func TestIfChangedWithForgedHint(t *testing.T) {
	whole, part := newStore(t), newStore(t)
	blocks := someBlocks(11)
	key, head := appended(t, whole, "log", AppendOptions{}, blocks...)
	secret, err := whole.Secret(key)
	if err != nil {
		t.Fatal(err)
	}
	view, err := whole.View(t.Context(), key, false)
	if err != nil {
		t.Fatal(err)
	}
	nodes, err := view.Roots(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i, index := range []uint64{3, 11} {
		node, err := view.Node(t.Context(), index)
		if err != nil {
			t.Fatal(err)
		}
		node.Size, node.Hint = node.Size+uint64(5-10*i), true
		nodes = append(nodes, node)
	}
	v := verifiedPart{key: key, manifest: view.Manifest(), head: head, nodes: nodes}
	if _, err := v.keep(t.Context(), part); err != nil {
		t.Fatal(err)
	}
	for unchanged, input := range map[bool][][]byte{true: blocks[4:], false: blocks[3:10]} {
		w, err := OpenWriter(t.Context(), part, key.String(), AppendOptions{Secret: &secret, IfChanged: true})
		if err != nil {
			t.Fatal(err)
		}
		defer w.Abort()
		if err := w.Append(t.Context(), input...); err != nil {
			t.Fatal(err)
		}
		if got, err := w.unchanged(t.Context()); err != nil || got != unchanged {
			t.Errorf("unchanged: %v, %v, want %v", got, err, unchanged)
		}
		w.Abort()
	}
}

func TestAskBeforeAppending(t *testing.T) {
	now, old, key := staleCopy(t, 10, 5)
	theirs := newAsker(t, now, nil, key)
	theirs.upgrade()
	locked := false
	ask := func(_ context.Context, of keys.Key) ([]Proved, error) {
		tx, err := old.Begin(t.Context(), of, store.TxOptions{})
		locked = err != nil
		if err == nil {
			tx.Abort()
		}
		return []Proved{theirs.d.Proved()}, nil
	}
	var seen *SeenError
	if _, err := OpenWriter(t.Context(), old, "log", AppendOptions{Ask: ask}); !errors.As(err, &seen) || locked {
		t.Errorf("%v; locked meanwhile: %v", err, locked)
	}
	refusesToSign(t, old, "length 10", "length 15")
	gone := errors.New("nobody there")
	none := func(context.Context, keys.Key) ([]Proved, error) { return nil, gone }
	if _, err := OpenWriter(t.Context(), now, "log", AppendOptions{Ask: none}); !errors.Is(err, gone) {
		t.Errorf("%v, want %v", err, gone)
	}
	appended(t, now, "fresh", AppendOptions{Ask: none}, []byte("a fresh key is known to nobody"))
	// A key that is given may be in use already.
	secret, err := now.Secret(key)
	if err != nil {
		t.Fatal(err)
	}
	empty := newStore(t)
	ask = func(context.Context, keys.Key) ([]Proved, error) { return []Proved{theirs.d.Proved()}, nil }
	if _, err := OpenWriter(t.Context(), empty, "log", AppendOptions{Secret: &secret, Ask: ask}); !errors.As(err, &seen) {
		t.Errorf("a log that others have, begun anew: %v", err)
	}
}
