package replicate

import (
	"context"
	"time"

	"hc/lib/hash"
)

// Answers that arrive together are hashed together, up to hashTogether of them: that costs a third of hashing them one by
// one. Up to gatheredBytes are taken beyond what the gate lets in. hashTogether is twice the number that package hash works
// on side by side: blocks differ in length, and a lane whose block ends continues with another. The next message on a
// connection may be for another core's fetch, so it is waited for no longer than gatherWait.
const (
	hashTogether  = 16
	gatheredBytes = 2 << 20
	gatherWait    = time.Millisecond
)

// A peer that answers block by block, as soon as it has each, as stock does, never has two answers here at once. If it owes
// many, a few are waited for, and hashed together, too.
const (
	owesMany = hashTogether
	manyWait = 5 * time.Millisecond // for all of them
)

// gather returns an event with those that follow it at once, and hashes the blocks in them. All but the last have left the
// gate; the last may have, too.
func (f *fetcher) gather(ctx context.Context, e event) []event {
	f.gathered = append(f.gathered[:0], e)
	bytes, many := e.bytes, f.owesMany(e)
	var until time.Time
	if many {
		until = time.Now().Add(manyWait)
	}
	for len(f.gathered) < hashTogether && (e.more || many) && bytes < gatheredBytes {
		f.gate.leave(e.bytes)
		f.gathered[len(f.gathered)-1].bytes = 0
		wait := gatherWait
		if !e.more {
			wait = time.Until(until)
		}
		next, ok := f.next(ctx, wait)
		if !ok {
			break
		}
		e = next
		f.gathered = append(f.gathered, e)
		bytes += e.bytes
	}
	f.hashBlocks()
	return f.gathered
}

// owesMany reports whether an event is an answer from a peer that has given many, and owes many more.
func (f *fetcher) owesMany(e event) bool {
	s := e.session
	return e.proof != nil && e.proof.Block != nil && !s.dropped && len(s.requests) >= owesMany && s.answers.Load() >= owesMany
}

// next waits a moment for an event.
func (f *fetcher) next(ctx context.Context, wait time.Duration) (e event, ok bool) {
	select {
	case e = <-f.events:
		return e, true
	default:
	}
	f.patience.Reset(wait)
	defer f.patience.Stop()
	select {
	case e = <-f.events:
		return e, true
	case <-f.patience.C:
	case <-ctx.Done():
	}
	return event{}, false
}

// hashBlocks computes the leaf hashes of the blocks that were gathered.
func (f *fetcher) hashBlocks() {
	var blocks [hashTogether][]byte
	var leaves [hashTogether]hash.Digest
	n := 0
	for _, e := range f.gathered {
		if e.proof != nil && e.proof.Block != nil {
			blocks[n] = e.proof.Block.Value
			n++
		}
	}
	hash.Leaves(leaves[:n], blocks[:n])
	n = 0
	for _, e := range f.gathered {
		if e.proof != nil && e.proof.Block != nil {
			leaf := leaves[n]
			e.proof.Block.Leaf = &leaf
			n++
		}
	}
}
