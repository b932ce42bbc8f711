package replicate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"hc/lib/hash"
	"hc/lib/lent"
	"hc/lib/objects"
	"hc/lib/protomux"
)

// Blocks that came together are decompressed and hashed beside the read loop, of as many answers at a time as there are processors: what
// comes behind is read and decrypted meanwhile. The answers are handed on in the order in which they came, and whoever takes one waits until
// it is unpacked. The gate bounds how many bytes there are of them.

// unpackers are the goroutines that do so for all sessions of one fetcher.
type unpackers struct {
	slots chan struct{}

	mu      sync.Mutex // guards ended, and that nothing begins behind it
	ended   bool
	running sync.WaitGroup
}

func newUnpackers() *unpackers {
	return &unpackers{slots: make(chan struct{}, runtime.GOMAXPROCS(0))}
}

// begin has work done beside the caller, once there is a slot for it.
func (u *unpackers) begin(ctx context.Context, work func()) error {
	select {
	case u.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.ended {
		<-u.slots
		return errNobodyAsks
	}
	u.running.Go(func() {
		defer func() { <-u.slots }()
		work()
	})
	return nil
}

// errNobodyAsks says that the fetch which an answer is for has ended.
var errNobodyAsks = errors.New("the fetch has ended")

// end waits for what has begun. Nothing begins any more.
func (u *unpackers) end() {
	u.mu.Lock()
	u.ended = true
	u.mu.Unlock()
	u.running.Wait()
}

// parcel is an answer on its way to what its gift has.
type parcel struct {
	blocks objects.Blocks
	from   objects.Unpacker
	stores bool // frames are kept
}

// parcel takes an answer with blocks out of the read loop's hands, which uses its buffer again: its payloads stay where they are if that
// can be held, else they are copied.
func (s *session) parcel(m objects.Blocks) parcel {
	own := s.own()
	if own == nil {
		for i := range m.Pieces {
			m.Pieces[i].Payload = bytes.Clone(m.Pieces[i].Payload)
		}
	}
	return parcel{blocks: m, stores: s.stores, from: objects.Unpacker{Lender: s.lender(m.ID), Own: own, Copied: own == nil, Pool: s.pool}}
}

// beginUnpacking has a gift filled with what a parcel has. On an error nothing fills it, and the parcel's hold has ended.
func (s *session) beginUnpacking(g *gift, p parcel) error {
	s.waiting.Store(true)
	defer s.waiting.Store(false)
	err := s.unpacks.begin(s.ctx, func() {
		defer close(g.unpacked)
		g.unpack(p)
	})
	if err != nil {
		p.from.Own.Release()
	}
	return err
}

// unpack fills a gift, and ends the hold of what the answer came in.
func (g *gift) unpack(p parcel) {
	own := p.from.Own
	defer own.Release()
	var err error
	switch g.blocks, g.memory, err = p.from.Unpack(p.blocks); {
	case errors.Is(err, errNoBase):
		g.noBase = true
	case err != nil:
		g.err = &protomux.DropError{Err: fmt.Errorf("answer %d: %w", g.id, err)}
	default:
		g.hashes = make([]hash.Digest, len(g.blocks))
		hash.Leaves(g.hashes, g.blocks)
		if p.stores {
			g.keepFrames(p.blocks.Pieces, own)
		}
	}
}

// keepFrames keeps the frames that may be stored as they are. Short ones, beside which all that came with them would stay in memory, are copied.
func (g *gift) keepFrames(pieces []objects.Piece, own *lent.Memory) {
	at := 0
	for _, p := range pieces {
		f := giftFrame{at: at, count: p.Count, data: p.Payload, delta: p.Delta, base: p.Base, raw: !p.Zstd && !p.Delta}
		at += p.Count
		switch {
		case !mayStay(p):
			continue
		case f.raw:
			f.memory = g.memory[f.at]
		case own == nil: // a copy already
		case len(p.Payload) >= leastHeld:
			f.memory = own
		default:
			f.data = bytes.Clone(p.Payload)
		}
		f.memory.Hold()
		g.frames = append(g.frames, f)
	}
}
