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

// servedCore is a core and its readers.
type servedCore struct {
	key      keys.Key
	store    *store.Store
	guarded  bool // the store writes it, so a peer that announces a longer one is asked for its head
	accepted bool // blocks are taken from peers, and shown only once they are synced
	users    int  // guarded by the server's mu
	sinks    int  // running; likewise

	refreshing sync.Mutex // one at a time, so that an older look does not come after a newer one

	mu       sync.Mutex          // guards all below
	snapshot *hypercore.Snapshot // nil: it is accepted, and not here yet
	held     []span              // ranges of blocks that are here, at most maxSpans
	readers  map[*reader]bool
	met      store.Head // the newest head beyond ours that a reader proved
}

// span is a range of blocks, end exclusive.
type span struct{ start, end uint64 }

// maxSpans bounds the ranges that are announced one by one; a peer learns of blocks beyond it with a want message.
const maxSpans = 1024

func openCore(ctx context.Context, of *store.Store, key keys.Key, accepted bool) (*servedCore, error) {
	c := &servedCore{key: key, store: of, accepted: accepted, readers: map[*reader]bool{}}
	if accepted { // blocks not synced yet, as after a clone, would be taken for missing
		if err := of.Sync(ctx, key); err != nil && !errors.Is(err, store.ErrLocked) {
			return c, err
		}
	}
	var err error
	if c.snapshot, err = c.open(ctx); err != nil || c.snapshot == nil {
		return c, err
	}
	c.held, err = heldSpans(ctx, c.snapshot, nil)
	return c, err
}

// open returns the core as it is now, nil if it is accepted and not here.
func (c *servedCore) open(ctx context.Context) (*hypercore.Snapshot, error) {
	if !c.accepted {
		return hypercore.OpenSnapshot(ctx, c.store, c.key)
	}
	snapshot, err := hypercore.OpenSynced(ctx, c.store, c.key)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return snapshot, err
}

func (c *servedCore) current() (*hypercore.Snapshot, []span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.snapshot, c.held
}

// headOf returns the head of a core that may not be here.
func headOf(snapshot *hypercore.Snapshot) store.Head {
	if snapshot == nil {
		return store.Head{}
	}
	return snapshot.Head()
}

// signedHead returns the signed fields of a head; the head of an empty log has none.
func signedHead(h store.Head) keys.Head {
	if h.Length == 0 {
		return keys.Head{}
	}
	return keys.Head{Fork: h.Fork, Length: h.Length, TreeHash: h.TreeHash}
}

// heldSpans lists the ranges of blocks that are here. known is the beginning of that list, as far as it is known.
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

// refresh takes in what has been committed since the last look, and tells the readers. It costs next to nothing for a
// complete core to which nothing was appended.
func (c *servedCore) refresh(ctx context.Context) error {
	c.refreshing.Lock()
	defer c.refreshing.Unlock()
	before, held := c.current()
	snapshot, err := c.newest(ctx, before)
	if errors.Is(err, store.ErrNotFound) || err == nil && snapshot == nil {
		return nil
	}
	if err != nil {
		return err
	}
	old, now := headOf(before), snapshot.Head()
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
	c.mu.Unlock()
	for _, r := range c.listeners() {
		r.conn.tell(r)
	}
	return nil
}

func (c *servedCore) listeners() []*reader {
	c.mu.Lock()
	defer c.mu.Unlock()
	readers := make([]*reader, 0, len(c.readers))
	for r := range c.readers {
		readers = append(readers, r)
	}
	return readers
}

func (c *servedCore) newest(ctx context.Context, before *hypercore.Snapshot) (*hypercore.Snapshot, error) {
	if before == nil {
		return c.open(ctx)
	}
	return before.Newest(ctx)
}

// heard notes that a reader proved a head.
func (c *servedCore) heard(head store.Head) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.met = newer(c.met, head)
}

// newestHeard returns ours, or the newest head beyond it that a reader proved.
func (c *servedCore) newestHeard(ours store.Head) store.Head {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ours.Length == 0 {
		return ours
	}
	return newer(ours, c.met)
}

// newer returns b if it is of a higher fork or longer, else a.
func newer(a, b store.Head) store.Head {
	if b.Fork > a.Fork || b.Fork == a.Fork && b.Length > a.Length {
		return b
	}
	return a
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
