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

// Blocks that came together are decompressed and hashed in parallel with the read loop, as many answers at a time as there
// are processors; the next ones are read and decrypted meanwhile. Answers are passed on in the order they came in, and the
// fetcher waits until one is unpacked. The gate bounds their bytes.

// unpackers runs the goroutines that unpack for all sessions of one fetcher.
type unpackers struct {
	slots chan struct{}

	mu      sync.Mutex // guards ended, and makes sure that nothing begins after it
	ended   bool
	running sync.WaitGroup
}

func newUnpackers() *unpackers {
	return &unpackers{slots: make(chan struct{}, runtime.GOMAXPROCS(0))}
}

// begin runs work on a goroutine, once there is a slot for it.
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

// errNobodyAsks says that the fetch that an answer is for has ended.
var errNobodyAsks = errors.New("the fetch has ended")

// end lets nothing more begin, and waits for what has begun.
func (u *unpackers) end() {
	u.mu.Lock()
	u.ended = true
	u.mu.Unlock()
	u.running.Wait()
}

// parcel is an answer as it came, which is to be unpacked.
type parcel struct {
	blocks objects.Blocks
	from   objects.Unpacker
	stores bool // frames are kept
}

// parcel makes an answer with blocks independent of the read loop, which reuses its buffer: the payloads stay where they are
// if that memory can be held, else they are copied.
func (s *session) parcel(m objects.Blocks) parcel {
	own := s.own()
	if own == nil {
		for i := range m.Pieces {
			m.Pieces[i].Payload = bytes.Clone(m.Pieces[i].Payload)
		}
	}
	return parcel{blocks: m, stores: s.stores, from: objects.Unpacker{Lender: s.lender(m.ID), Own: own, Copied: own == nil, Pool: s.pool}}
}

// beginUnpacking starts to unpack a parcel into an answer. On an error nothing is started, and the parcel's hold has ended.
func (s *session) beginUnpacking(g *objectsAnswer, p parcel) error {
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

// unpack fills the answer, and ends the hold on the memory that the answer came in.
func (g *objectsAnswer) unpack(p parcel) {
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

// keepFrames keeps the frames that may be stored as they are. Short ones are copied: a hold on one would keep everything
// that came with it in memory.
func (g *objectsAnswer) keepFrames(pieces []objects.Piece, own *lent.Memory) {
	at := 0
	for _, p := range pieces {
		f := answerFrame{at: at, count: p.Count, data: p.Payload, delta: p.Delta, base: p.Base, raw: !p.Zstd && !p.Delta}
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
