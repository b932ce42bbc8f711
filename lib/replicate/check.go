package replicate

import (
	"context"
	"errors"

	"hc/lib/hash"
	"hc/lib/merkle"
	"hc/lib/objects"
)

// If some of the wanted blocks are likely to be in the store, their leaf hashes are asked for first.

// Leaf hashes are asked for as long as there is credit, so that they never cost more than a small part of what they save or
// of the bytes that come anyway.
const (
	firstCredit  = 16 << 10 // bytes
	mostCredit   = 1 << 20
	checkPart    = 128      // 1/128 of the bytes of blocks that come may go into leaf hashes
	leafCost     = 36       // bytes of a leaf hash with its size
	questionCost = 40       // further bytes of a question for a single leaf hash and its answer
	firstCheck   = 64       // leaves to ask for at once in the beginning; more while blocks are found
	leastCheck   = 64 << 10 // bytes of blocks that are worth the time
	leastCopies  = 4 << 10  // likewise, if most of their leaf hashes need not be sent
	mostHashed   = 4 * objects.MaxLeaves
)

// hashed is a block whose leaf hash is verified, and that is not here yet.
type hashed struct {
	leaf hash.Digest
	size uint64 // as the peer gave it
	here bool   // the store has it from elsewhere:
	like uint64 // as this other block of the core; if it is the block itself, under its leaf hash
}

// leafChecks is what is known of blocks by their leaf hashes alone, and how many more to ask for.
type leafChecks struct {
	mayHold bool              // the store may have blocks from elsewhere
	lacking uint64            // blocks at the log's beginning of which it has none
	known   map[uint64]hashed // blocks whose leaf hashes came before them
	hashing int               // blocks whose leaf hashes are under way
	credit  int               // bytes that leaf hashes may cost
	atOnce  int               // leaf hashes to ask for at once
}

func newLeafChecks(mayHold bool) leafChecks {
	return leafChecks{mayHold: mayHold, known: map[uint64]hashed{}, credit: firstCredit, atOnce: firstCheck}
}

// earn raises the credit by bytes that need not come, or by a part of those that came.
func (c *leafChecks) earn(bytes uint64) {
	c.credit = min(c.credit+int(min(bytes, mostCredit)), mostCredit)
}

// found raises the number of leaf hashes to ask for at once while blocks are found, and lowers it otherwise.
func (c *leafChecks) found(blocks int) {
	if blocks > 0 {
		c.atOnce = min(4*c.atOnce, objects.MaxLeaves)
	} else {
		c.atOnce = max(c.atOnce/2, firstCheck)
	}
}

// enough reports whether enough leaf hashes are known or on their way: their outcome decides whether more are asked for.
func (c *leafChecks) enough() bool {
	all := len(c.known) + c.hashing
	return c.hashing > 0 && (all >= mostHashed || all >= 2*c.atOnce || c.credit <= 0)
}

// checks reports whether to ask a peer for the leaf hashes of a block and those after it first.
func (f *fetcher) checks(s *session, block, limit, length uint64) bool {
	least := leastCheck
	if f.tells(s) && (f.leaves.hashing > 0 || f.leaves.atOnce > firstCheck) { // others are under way, or some were found
		least = leastCopies
	}
	return f.leaves.mayHold && block >= f.leaves.lacking && (f.leaves.credit > 0 || f.leaves.hashing > 0) && len(f.leaves.known) < mostHashed && f.wantedFrom(block, limit)*uint64(f.sizeOf(block, length)) >= uint64(least)
}

// knowsLeaf reports whether a block's leaf hash is verified, and looks for the block in the store if that has not been done.
func (f *fetcher) knowsLeaf(ctx context.Context, block uint64) (bool, error) {
	if _, known := f.leaves.known[block]; known {
		return true, nil
	}
	leaf, known := f.d.Leaf(ctx, block)
	if !known || len(f.leaves.known) >= mostHashed {
		return known, nil
	}
	here, err := f.d.HoldsObject(ctx, leaf.Hash)
	f.leaves.known[block] = hashed{leaf.Hash, leaf.Size, here, block}
	return true, err
}

// askLeaves asks for the leaf hashes of a block and of those after it. more is false if there are enough of them for now.
func (f *fetcher) askLeaves(ctx context.Context, s *session, block, limit, length uint64) (more bool, err error) {
	if f.leaves.enough() {
		f.again(block)
		return false, nil
	}
	_, fork := f.d.Length()
	m := &question{leaves: true}
	end := (block/uint64(f.leaves.atOnce) + 1) * uint64(f.leaves.atOnce)
	for {
		m.add(block)
		next, ok, err := f.nextBlock(ctx, limit, length)
		if err != nil {
			return false, err
		}
		if !ok {
			break
		}
		known, err := f.knowsLeaf(ctx, next)
		if err != nil {
			return false, err
		}
		if known || next != m.end() || next >= end || !s.mayHave(next, 2*next, fork) || !s.blocks.Has(next) {
			f.again(next)
			break
		}
		block = next
	}
	if m.held, err = f.heldFor(ctx, s, length); err != nil {
		return false, err
	}
	m.Needs = f.d.Needs(ctx, m.spans[0].First, m.end(), f.expects)
	f.leaves.hashing += int(m.count())
	f.leaves.credit -= leafCost * len(m.Nodes)
	if m.held == nil { // else fill takes the cost of the leaves that came
		f.leaves.credit -= leafCost * int(m.count())
	}
	return true, f.sendMany(s, m, 0)
}

// checkFirst asks a peer that gives blocks one by one for a block's leaf hash, unless it is known already. The answer brings
// its sibling's, too. more is false if there are enough of them for now.
func (f *fetcher) checkFirst(ctx context.Context, s *session, block, limit, length uint64) (asked, more bool, err error) {
	known, err := f.knowsLeaf(ctx, block)
	switch {
	case err != nil:
		return false, false, err
	case known && f.leaves.known[block].here:
		f.again(block)
		return true, true, nil
	case known:
		return false, false, nil
	case f.leaves.enough():
		f.again(block)
		return true, false, nil
	}
	return true, true, f.askLeaf(ctx, s, block, limit, length)
}

func (f *fetcher) askLeaf(ctx context.Context, s *session, block, limit, length uint64) error {
	_, fork := f.d.Length()
	way := f.underWay.nodes.climb(ctx, f.d, 2*block, length)
	a := &asked{request: merkle.Request{Fork: fork, Hash: &merkle.HashRequest{Index: 2 * block, Nodes: way.levels}}, climb: way, checks: []uint64{block}}
	next, ok, err := f.nextBlock(ctx, limit, length)
	if err != nil {
		return err
	}
	if _, known := f.leaves.known[next]; ok && !known && way.levels > 0 && merkle.Sibling(2*block) == 2*next {
		a.checks = append(a.checks, next)
	} else if ok {
		f.again(next)
	}
	f.underWay.add(a)
	f.leaves.hashing += len(a.checks)
	f.leaves.credit -= questionCost + leafCost*int(way.levels+1)
	return s.send(a)
}

// checked looks for the blocks whose leaf hashes have come.
func (f *fetcher) checked(ctx context.Context, a *asked) error {
	found := 0
	for _, block := range a.checks {
		if _, err := f.knowsLeaf(ctx, block); err != nil {
			return err
		}
		if h := f.leaves.known[block]; h.here {
			found++
			f.leaves.earn(h.size)
		}
		f.again(block)
	}
	f.leaves.found(found)
	return nil
}

// lookUp looks in the store for blocks whose leaf hashes have come.
func (f *fetcher) lookUp(ctx context.Context, m *question, g *objectsAnswer) error {
	found := 0
	for i, leaf := range g.leaves {
		block := m.spans[0].First + uint64(i)
		like := block
		if g.like != nil {
			like = g.like[i]
		}
		here := like != block
		if !here {
			var err error
			if here, err = f.d.HoldsObject(ctx, leaf.Hash); err != nil {
				return err
			}
		}
		if here {
			found++
			f.leaves.earn(leaf.Size)
		}
		f.leaves.known[block] = hashed{leaf.Hash, leaf.Size, here, like}
		f.again(block)
	}
	f.leaves.found(found)
	return nil
}

// How much is copied from the store at once.
const (
	copyBlocks = 16
	copyBytes  = 1 << 20
)

// copyHere takes a block, and those after it, from elsewhere in the store. Those that are gone or have changed are asked of
// peers, without an error. more is false if the window is full.
func (f *fetcher) copyHere(ctx context.Context, block, limit, length uint64) (more bool, err error) {
	if !f.fitsWindow(block, f.sizeOf(block, length)) {
		f.again(block)
		return false, nil
	}
	var blocks []uint64
	var data [][]byte
	for bytes := 0; ; {
		object, err := f.fromElsewhere(ctx, block)
		if ctx.Err() != nil {
			return false, err
		}
		if err == nil {
			blocks, data = append(blocks, block), append(data, object)
			bytes += len(object)
		} else {
			f.notHere(block)
		}
		if len(blocks) == copyBlocks || bytes >= copyBytes || !f.fitsWindow(block, bytes) {
			break
		}
		next, ok, err := f.nextBlock(ctx, limit, length)
		if err != nil {
			return false, err
		}
		if !ok {
			break
		}
		if !f.leaves.known[next].here {
			f.again(next)
			break
		}
		block = next
	}
	return true, f.applyCopies(ctx, blocks, data)
}

// fromElsewhere returns a block that is here as another one, or in another core. The caller has to verify it.
func (f *fetcher) fromElsewhere(ctx context.Context, block uint64) ([]byte, error) {
	h := f.leaves.known[block]
	if h.like != block {
		if data, err := f.d.HeldBlock(ctx, h.like); err == nil || ctx.Err() != nil {
			return data, err
		}
	}
	return f.d.Object(ctx, h.leaf)
}

func (f *fetcher) notHere(block uint64) {
	h := f.leaves.known[block]
	h.here = false
	f.leaves.known[block] = h
	f.again(block)
}

func (f *fetcher) applyCopies(ctx context.Context, blocks []uint64, data [][]byte) error {
	leaves := make([]hash.Digest, len(data))
	hash.Leaves(leaves, data)
	for i, block := range blocks {
		switch err := f.d.ApplyKnown(ctx, block, data[i], leaves[i], nil); {
		case verification(err): // the disk no longer holds that block
			f.notHere(block)
		case errors.Is(err, merkle.ErrNodeMissing): // the leaf to compare it with was forgotten
			delete(f.leaves.known, block)
			f.again(block)
		case err != nil:
			return err
		default:
			delete(f.leaves.known, block)
			if f.options.Copied != nil {
				f.options.Copied(block, len(data[i]))
			}
		}
	}
	return nil
}
