package replicate

import (
	"context"
	"errors"
	"slices"
	"sync"

	"hc/lib/hypercore"
	"hc/lib/keys"
	"hc/lib/store"
)

// servedCore is a core with those who read it.
type servedCore struct {
	key   keys.Key
	users int // guarded by the server's mu

	refreshing sync.Mutex // one at a time, so that an older look does not come after a newer one

	mu       sync.Mutex // guards all below
	snapshot *hypercore.Snapshot
	held     []span // ranges of blocks that are here, at most maxSpans
	readers  map[*reader]bool
}

// span is a range of blocks, end exclusive.
type span struct{ start, end uint64 }

// maxSpans bounds the ranges that are announced one by one; beyond it a peer learns of blocks by asking with want.
const maxSpans = 1024

func openCore(ctx context.Context, of *store.Store, key keys.Key) (*servedCore, error) {
	snapshot, err := hypercore.OpenSnapshot(ctx, of, key)
	if err != nil {
		return nil, err
	}
	c := &servedCore{key: key, snapshot: snapshot, readers: map[*reader]bool{}}
	c.held, err = heldSpans(ctx, snapshot, nil)
	return c, err
}

func (c *servedCore) current() (*hypercore.Snapshot, []span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.snapshot, c.held
}

// heldSpans lists the ranges of blocks that are here. known is one that is known to be among them.
func heldSpans(ctx context.Context, snapshot *hypercore.Snapshot, known []span) (held []span, err error) {
	from := uint64(0)
	for _, s := range known {
		held, from = append(held, s), s.end
	}
	for len(held) < maxSpans {
		start, end, ok, err := snapshot.Have(ctx, from)
		if err != nil || !ok {
			return held, err
		}
		if last := len(held) - 1; last >= 0 && held[last].end == start {
			held[last].end = end
		} else {
			held = append(held, span{start, end})
		}
		from = end
	}
	return held, nil
}

// refresh takes in what was committed since, and tells the readers. It costs next to nothing for a core that has all its
// blocks and was not appended to.
func (c *servedCore) refresh(ctx context.Context) error {
	c.refreshing.Lock()
	defer c.refreshing.Unlock()
	before, held := c.current()
	snapshot, err := before.Newest(ctx)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	old, now := before.Head(), snapshot.Head()
	sameFork := old.Fork == now.Fork
	complete := len(held) == 1 && held[0] == span{0, old.Length} || old.Length == 0
	if complete && sameFork && old.Length == now.Length {
		return nil
	}
	known := held
	if !complete || !sameFork || now.Length < old.Length {
		known = nil
	}
	nowHeld, err := heldSpans(ctx, snapshot, known)
	if err != nil {
		return err
	}
	if sameFork && old.Length == now.Length && slices.Equal(nowHeld, held) {
		return nil
	}
	c.mu.Lock()
	c.snapshot, c.held = snapshot, nowHeld
	readers := make([]*reader, 0, len(c.readers))
	for r := range c.readers {
		readers = append(readers, r)
	}
	c.mu.Unlock()
	for _, r := range readers {
		r.conn.tell(r)
	}
	return nil
}

func (c *servedCore) listen(r *reader, on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if on {
		c.readers[r] = true
		return
	}
	delete(c.readers, r)
}

// without returns the parts of spans that are not in others. Both ascend.
func without(spans, others []span) (rest []span) {
	for _, s := range spans {
		for _, other := range others {
			if other.end <= s.start || s.end <= other.start {
				continue
			}
			if s.start < other.start {
				rest = append(rest, span{s.start, other.start})
			}
			s.start = min(other.end, s.end)
		}
		if s.start < s.end {
			rest = append(rest, s)
		}
	}
	return rest
}
