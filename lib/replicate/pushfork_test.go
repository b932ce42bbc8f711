package replicate

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"hc/lib/hypercore"
	"hc/lib/keys"
	"hc/lib/store"
)

// A mirror goes over to a new fork of its owner's where it was told to, and keeps what it has where it was not.
func TestPushNewFork(t *testing.T) {
	noLeaks(t)
	for _, follows := range []bool{false, true} {
		core := newCore(t, 10)
		other := core.twin(6, 20)
		mirror := newMirror(t, ServerOptions{Accept: []keys.Key{core.key}, FollowForks: follows})
		if err := NewServer(other.store, ServerOptions{}).Push(t.Context(), mirror.dial(), []keys.Key{core.key}, PushOptions{}); err != nil {
			t.Fatal(err)
		}
		core.newFork(other)
		core.blocks = append(core.blocks, []byte("under a new fork"))
		core.append(core.blocks[10])
		err := core.push(mirror.dial(), nil)
		if !follows {
			if err == nil || !bytes.Equal(mirror.content(core.key), other.bytes()) {
				t.Errorf("without following: %v", err)
			}
			continue
		}
		if err != nil || !bytes.Equal(mirror.content(core.key), core.bytes()) {
			t.Errorf("following: %v; the mirror has %d bytes, want %d", err, len(mirror.content(core.key)), len(core.bytes()))
		}
		if seen, err := mirror.store.SeenHeads(t.Context(), core.key); err != nil || len(seen) > 0 {
			t.Errorf("seen %+v, %v", seen, err)
		}
		core.blocks = append(core.blocks, []byte("and more"))
		core.append(core.blocks[11])
		if err := core.push(mirror.dial(), nil); err != nil || !bytes.Equal(mirror.content(core.key), core.bytes()) {
			t.Errorf("the next push: %v", err)
		}
	}
}

// A reader who comes with more than the owner has is asked for its head; who is level or behind is asked for nothing.
func TestOwnerHearsOfItFromReaders(t *testing.T) {
	noLeaks(t)
	for _, more := range []int{-3, 0, 5} {
		core := newCore(t, 10)
		reader := core.twin(10+min(more, 0), max(more, 0))
		heard := make(chan hypercore.Proved, 16)
		server := NewServer(core.store, ServerOptions{Guard: func(_ context.Context, proved hypercore.Proved) error {
			err := hypercore.Guard(t.Context(), core.store, proved)
			heard <- proved
			return err
		}})
		ours, theirs := pair(t)
		served := make(chan error, 1)
		background(t, func(ctx context.Context) { served <- server.Serve(ctx, "reader", theirs) })
		// The reader's own side is a server, too: it shows what it has, and ends when the owner has that.
		pushed := make(chan error, 1)
		background(t, func(ctx context.Context) {
			pushed <- NewServer(reader.store, ServerOptions{}).Push(ctx, over("owner", ours), []keys.Key{core.key}, PushOptions{})
		})
		if more > 0 {
			if proved := <-heard; proved.Head.TreeHash != reader.head().TreeHash {
				t.Errorf("heard of %+v", proved.Head)
			}
			if seen := core.seen(); len(seen) != 1 || seen[0].Length != 15 {
				t.Errorf("seen %+v", seen)
			}
			continue
		}
		if err := errors.Join(<-pushed, <-served); err != nil {
			t.Errorf("%d more: %v", more, err)
		}
		if len(heard) > 0 || len(core.seen()) > 0 {
			t.Errorf("%d more: heard %+v", more, <-heard)
		}
	}
}

func (c *testCore) seen() []store.Head {
	c.t.Helper()
	seen, err := c.store.SeenHeads(c.t.Context(), c.key)
	if err != nil {
		c.t.Fatal(err)
	}
	return seen
}
