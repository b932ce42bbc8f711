package replicate

import (
	"context"
	"fmt"
	"sync"
	"time"

	"hc/lib/keys"
	"hc/lib/protomux"
	"hc/lib/replicate/bitfield"
	"hc/lib/replicate/messages"
	"hc/lib/store"
)

// holdings is what a server knows of the blocks and heads that one reader has of a core. It is kept if we accept the core,
// or write it, or wait until the reader has all of it. The reader's mu guards it, except for tracks.
type holdings struct {
	tracks    bool // set by OnOpen
	theirs    bitfield.Remote
	confirmed uint64          // the reader has every block below this one that we have
	sink      *sink           // takes blocks from it; nil: nothing is taken
	exhausted bool            // the last sink took everything, and nothing has been announced since
	lastID    uint64          // of a request that a sink made
	late      map[uint64]bool // requests whose answers no sink waited for
	hearings  int             // sinks that asked only for the head
	same      keys.Head       // a head of ours that its log was found to have, or to extend
	given     keys.Head       // a head of ours that was proved to it, on top of what it had
	vain      bool            // it did not prove its head when asked, and has announced nothing since

	spent   int // the cost of its announcements since spentAt
	spentAt time.Time
}

// heed takes in the peer's announcements, and passes its messages to the sink, if there is one.
func (r *reader) heed(channel *protomux.Channel, kind uint64, body []byte) error {
	if !r.tracks {
		return nil
	}
	if err := r.note(kind, body); err != nil {
		return err
	}
	r.mu.Lock()
	sink := r.sink
	r.mu.Unlock()
	if sink != nil {
		if err := sink.session.OnMessage(channel, kind, body); err != nil && sink.session.ctx.Err() == nil {
			return err
		}
		return r.checkGoal()
	}
	r.startSink()
	return r.checkGoal()
}

// note takes in an announcement.
func (r *reader) note(kind uint64, body []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch kind {
	case messages.TypeSync:
	case messages.TypeRange:
		m, err := messages.DecodeRange(body)
		if err != nil {
			return err
		}
		if !r.counts() {
			break
		}
		if r.spent += r.theirs.Set(m.Start, m.Length, !m.Drop); m.Drop {
			r.confirmed = 0
		}
	case messages.TypeBitfield:
		m, err := messages.DecodeBitfield(body)
		if err != nil {
			return err
		}
		if !r.counts() {
			break
		}
		r.spent += r.theirs.SetBits(m.Start, m.Words)
		r.confirmed = 0
	default:
		return nil
	}
	r.exhausted, r.vain = false, false
	if now := time.Now(); now.Sub(r.spentAt) > lookEvery {
		r.spent, r.spentAt = 0, now
	} else if r.spent > maxSpent {
		return fmt.Errorf("%w: it announces more than anybody can take in", ErrPeer)
	}
	return nil
}

// counts reports whether it matters which blocks the reader has. Of a core that we only write, only its length matters.
func (r *reader) counts() bool { return r.core.accepted || r.conn.goal != nil }

// askHoldings asks the reader which blocks it has, if somebody waits for it to have all.
func (r *reader) askHoldings(length uint64) error {
	if r.conn.goal == nil {
		return nil
	}
	for start := uint64(0); start < min(length, 64*segment); start += segment {
		if err := r.channel.Send(messages.TypeWant, messages.Want{Start: start, Length: segment}.Append(nil)); err != nil {
			return err
		}
	}
	return nil
}

// checkGoal tells the connection's goal once the reader has everything that is here.
func (r *reader) checkGoal() error {
	if !r.conn.goal.wants(r.core.key) {
		return nil
	}
	all, err := r.hasAll(r.conn.ctx)
	if err != nil || !all {
		return err
	}
	r.conn.goal.reached(r.core.key)
	return nil
}

// hasAll reports whether the reader has our head, or one that extends it, and every block that is here.
func (r *reader) hasAll(ctx context.Context) (bool, error) {
	snapshot, _ := r.core.current()
	head := headOf(snapshot)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.remote.Fork != head.Fork || r.remote.Length < head.Length || snapshot == nil {
		return false, nil
	}
	for {
		start, end, ok, err := snapshot.Have(ctx, r.confirmed)
		if err != nil {
			return false, err
		}
		if !ok {
			break
		}
		for block := max(start, r.theirs.Contiguous()); block < end; block++ {
			if !r.theirs.Has(block) {
				r.confirmed = max(start, min(block, end))
				return false, nil
			}
		}
		r.confirmed = end
	}
	if !r.shown(signedHead(head)) && r.vain {
		return false, fmt.Errorf("%w: it says it has all of core %v, and does not prove its head", ErrPeer, r.core.key)
	}
	return r.shown(signedHead(head)), nil
}

// gave notes that our head was proved to the reader, from a length on. A reader that has blocks and asks from length 0 only
// compares.
func (r *reader) gave(head store.Head, start uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.told && start == r.remote.Length {
		r.given = signedHead(head)
	}
}

// shown reports whether the reader's log is known to have our head. r.mu is held. Unless this is a push, only a count of
// readers depends on it. Then having proved the head to the reader is enough: it takes no other head, and may hang up as
// soon as it has everything.
func (r *reader) shown(head keys.Head) bool {
	return r.same == head || r.conn.failure == nil && r.given == head
}

// goal is what a peer is to have: everything that is here of some cores. Safe for concurrent use.
type goal struct {
	done func()

	mu   sync.Mutex
	left map[keys.Key]bool
}

func newGoal(cores []keys.Key, done func()) *goal {
	g := &goal{done: done, left: map[keys.Key]bool{}}
	for _, key := range cores {
		g.left[key] = true
	}
	return g
}

// wants reports whether the peer is to have a core, and does not have all of it yet. A nil goal wants nothing.
func (g *goal) wants(key keys.Key) bool {
	if g == nil {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.left[key]
}

func (g *goal) reached(key keys.Key) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.left[key] {
		return
	}
	if delete(g.left, key); len(g.left) == 0 {
		g.done()
	}
}
