package replicate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"hc/lib/hypercore"
	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/peer"
	"hc/lib/proof"
	"hc/lib/store"
)

// serves returns a peer that serves a core to whoever dials it.
func (c *testCore) serves(name string) Dialer {
	connect := c.server(ServerOptions{})
	return Dialer{Name: name, Dial: func(context.Context) (peer.Conn, error) { return connect(), nil }}
}

// twin returns a core of another store with the same key, whose log is the first same blocks of this one and more others.
func (c *testCore) twin(same, more int) *testCore {
	c.t.Helper()
	secret, err := c.store.Secret(c.key)
	if err != nil {
		c.t.Fatal(err)
	}
	other := &testCore{t: c.t, store: newStore(c.t), secret: &secret}
	other.blocks = append(other.blocks, c.blocks[:same]...)
	for i := range more {
		other.blocks = append(other.blocks, fmt.Appendf(nil, "another %d;", i))
	}
	other.append(other.blocks...)
	return other
}

// newFork signs a core's log under a higher fork than another one's.
func (c *testCore) newFork(above *testCore) {
	c.t.Helper()
	proved, err := AskHead(c.t.Context(), c.key, above.serves("above"), FetchOptions{})
	if err != nil {
		c.t.Fatal(err)
	}
	if err := hypercore.Guard(c.t.Context(), c.store, proved); !errors.Is(err, hypercore.ErrConflict) {
		c.t.Fatalf("%v, want a conflict", err)
	}
	if _, _, err := hypercore.NewFork(c.t.Context(), c.store, "log", hypercore.AppendOptions{Secret: c.secret}); err != nil {
		c.t.Fatal(err)
	}
}

func (c *testCore) head() store.Head {
	c.t.Helper()
	view, err := c.store.View(c.t.Context(), c.key, false)
	if err != nil {
		c.t.Fatal(err)
	}
	return view.Head()
}

// reads checks that a store has all of a core's blocks, once they are fetched.
func (c *testCore) reads(into *store.Store) {
	c.t.Helper()
	got, err := read(c.t, into, c.key, proof.Claim{}, FetchOptions{}, c.serving(ServerOptions{}))
	if err != nil || !bytes.Equal(got, c.bytes()) {
		c.t.Errorf("read %d bytes, %v, want %d", len(got), err, len(c.bytes()))
	}
}

func TestAskHead(t *testing.T) {
	noLeaks(t)
	core := newCore(t, 13)
	proved, err := AskHead(t.Context(), core.key, core.serves("peer"), FetchOptions{})
	if err != nil || proved.Head.TreeHash != core.head().TreeHash || proved.Head.Length != 13 || merkle.TreeHash(proved.Roots) != proved.Head.TreeHash {
		t.Errorf("%+v, %v", proved, err)
	}
	if _, err := AskHead(t.Context(), core.key, unreachable("gone"), FetchOptions{}); !errors.Is(err, peer.ErrUnreachable) {
		t.Errorf("%v, want %v", err, peer.ErrUnreachable)
	}
	if _, err := AskHead(t.Context(), keys.Key{9}, core.serves("peer"), FetchOptions{}); !errors.Is(err, ErrNotOffered) {
		t.Errorf("%v, want %v", err, ErrNotOffered)
	}
	empty := newCore(t, 0)
	if proved, err := AskHead(t.Context(), empty.key, empty.serves("peer"), FetchOptions{}); err != nil || proved.Head.Length != 0 {
		t.Errorf("of an empty core: %+v, %v", proved, err)
	}
}

func TestAskRoots(t *testing.T) {
	noLeaks(t)
	core := newCore(t, 21)
	view, err := core.store.View(t.Context(), core.key, false)
	if err != nil {
		t.Fatal(err)
	}
	for length := range uint64(22) {
		roots, err := AskRoots(t.Context(), core.key, length, []Dialer{core.serves("peer")}, FetchOptions{})
		if err != nil || len(roots) != len(merkle.FullRoots(length)) {
			t.Fatalf("length %d: %d roots, %v", length, len(roots), err)
		}
		for _, root := range roots {
			if want, err := view.Node(t.Context(), root.Index); err != nil || !merkle.Same(root, want) || root.Hint {
				t.Errorf("length %d: root %+v, want %+v, %v", length, root, want, err)
			}
		}
	}
	if _, err := AskRoots(t.Context(), core.key, 22, []Dialer{core.serves("peer")}, FetchOptions{}); !errors.Is(err, proof.ErrPartial) {
		t.Errorf("beyond the end: %v, want %v", err, proof.ErrPartial)
	}
}

// An owner's old copy meets its newer self: it takes nothing, signs nothing, and after adopting it goes on from there.
func TestAdoptWhatGoesOn(t *testing.T) {
	noLeaks(t)
	for _, lengths := range [][2]int{{1, 1}, {8, 1}, {10, 15}, {21, 20}} {
		now := newCore(t, lengths[0])
		old := now.twin(lengths[0], 0)
		// it is the same log under the same key, and this store writes it, too
		if err := putSecret(old, now); err != nil {
			t.Fatal(err)
		}
		for i := range lengths[1] {
			now.blocks = append(now.blocks, fmt.Appendf(nil, "more %d", i))
		}
		now.append(now.blocks[lengths[0]:]...)

		var seen *hypercore.SeenError
		_, err := read(t, old.store, old.key, proof.Claim{}, FetchOptions{}, now.serving(ServerOptions{}))
		if !errors.As(err, &seen) || !seen.Owned || seen.There.Length != now.head().Length {
			t.Errorf("%v: fetching: %v", lengths, err)
		}
		// The log goes on meanwhile, so what was seen is not what is adopted.
		now.blocks = append(now.blocks, []byte("and more"))
		now.append(now.blocks[len(now.blocks)-1])
		adopted, err := Adopt(t.Context(), old.store, old.key, []Dialer{now.serves("now")}, FetchOptions{})
		if err != nil || adopted.Before.Length != uint64(lengths[0]) || adopted.After.TreeHash != now.head().TreeHash {
			t.Errorf("%v: adopted %+v, %v", lengths, adopted, err)
		}
		if left, err := old.store.SeenHeads(t.Context(), old.key); err != nil || len(left) > 0 {
			t.Errorf("%v: seen %+v, %v", lengths, left, err)
		}
		now.reads(old.store)
		old.append([]byte("goes on"))
		if head := old.head(); head.Length != now.head().Length+1 || head.Fork != 0 {
			t.Errorf("%v: signed %+v", lengths, head)
		}
	}
}

// putSecret makes a core's store one that writes it.
func putSecret(to, from *testCore) error {
	file, err := from.store.SecretFile(from.key)
	if err != nil {
		return err
	}
	return to.store.PutSecretFile(to.t.Context(), file)
}

// A second history of the same fork is kept as seen by its owner, of whatever length it is, and is not adopted.
func TestSecondHistoryIsNotAdopted(t *testing.T) {
	noLeaks(t)
	for _, more := range []int{2, 6, 9} { // shorter, as long, longer than ours
		ours := newCore(t, 10)
		other := ours.twin(4, more)
		var seen *hypercore.SeenError
		_, err := read(t, ours.store, ours.key, proof.Claim{}, FetchOptions{}, other.serving(ServerOptions{}))
		if !errors.As(err, &seen) || !seen.Owned {
			t.Errorf("%d more: fetching: %v", more, err)
		}
		if _, err := Adopt(t.Context(), ours.store, ours.key, []Dialer{other.serves("other")}, FetchOptions{}); !errors.As(err, &seen) {
			t.Errorf("%d more: adopting: %v", more, err)
		}
		if left, err := ours.store.SeenHeads(t.Context(), ours.key); err != nil || len(left) != 1 || left[0].Length != uint64(4+more) {
			t.Errorf("%d more: seen %+v, %v", more, left, err)
		}
		if head := ours.head(); head.Length != 10 {
			t.Errorf("%d more: the head is %+v", more, head)
		}
	}
}

// The owner who signed his history under a higher fork ends it: the other store, and a reader who says so, go over to it.
func TestHigherForkIsAdopted(t *testing.T) {
	noLeaks(t)
	for _, more := range []int{0, 3, 30} {
		ours := newCore(t, 10)
		other := ours.twin(6, 7)
		reader := newStore(t)
		ours.reads(reader)
		other.newFork(ours)
		for i := range more {
			other.blocks = append(other.blocks, fmt.Appendf(nil, "later %d", i))
		}
		other.append(other.blocks[13:]...)

		peers := []Dialer{unreachable("gone"), ours.serves("old"), other.serves("new")}
		_, err := read(t, reader, ours.key, proof.Claim{}, FetchOptions{}, other.serving(ServerOptions{}))
		var seen *hypercore.SeenError
		if !errors.As(err, &seen) || seen.Owned {
			t.Errorf("reading without following: %v", err)
		}
		ours.reads(reader)
		adopted, err := FollowFork(t.Context(), reader, ours.key, peers, FetchOptions{})
		if err != nil || adopted.Common != 6 || adopted.After.Fork != 1 || adopted.Before.Fork != 0 {
			t.Errorf("followed %+v, %v", adopted, err)
		}
		other.reads(reader)
		if again, err := FollowFork(t.Context(), reader, ours.key, peers, FetchOptions{}); err != nil || again.After.Length != 0 {
			t.Errorf("followed again: %+v, %v", again, err)
		}

		if adopted, err = Adopt(t.Context(), ours.store, ours.key, peers[2:], FetchOptions{}); err != nil || adopted.Common != 6 {
			t.Errorf("adopted %+v, %v", adopted, err)
		}
		other.reads(ours.store)
		ours.append([]byte("goes on"))
		if head := ours.head(); head.Fork != 1 || head.Length != uint64(14+more) {
			t.Errorf("signed %+v", head)
		}
	}
}

// A store with no more than roots serves who stands there, or nowhere, and tells others that it cannot.
func TestRootsOnlyServer(t *testing.T) {
	noLeaks(t)
	core := newCore(t, 10)
	secret, err := core.store.Secret(core.key)
	if err != nil {
		t.Fatal(err)
	}
	readers := map[uint64]*store.Store{0: newStore(t), 7: newStore(t), 10: newStore(t)}
	for length, into := range readers {
		if length > 0 {
			core.twin(int(length), 0).reads(into)
		}
	}
	var stream bytes.Buffer
	if err := WriteProof(t.Context(), &stream, keys.Ref{Key: core.key}, PipeOptions{Store: core.store, Claim: proof.Claim{Kind: proof.KindHead}}); err != nil {
		t.Fatal(err)
	}
	part := &testCore{t: t, store: newStore(t), key: core.key}
	if err := hypercore.Onto(t.Context(), part.store, core.key, &stream); err != nil {
		t.Fatal(err)
	}
	w, err := hypercore.OpenWriter(t.Context(), part.store, core.key.String(), hypercore.AppendOptions{Secret: &secret})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Append(t.Context(), []byte("new 0"), []byte("new 1"), []byte("new 2")); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	for length, into := range readers {
		got, err := read(t, into, core.key, proof.Claim{Kind: proof.KindBlocks, From: 10, To: 12}, FetchOptions{}, part.serving(ServerOptions{}))
		if length == 7 {
			if !errors.Is(err, proof.ErrPartial) {
				t.Errorf("to one at %d: %v, want %v", length, err, proof.ErrPartial)
			}
			continue
		}
		if err != nil || string(got) != "new 0new 1new 2" {
			t.Errorf("to one at %d: %q, %v", length, got, err)
		}
	}
}
