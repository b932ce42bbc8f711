package replicate

import (
	"context"
	"errors"
	"fmt"

	"hc/lib/hypercore"
	"hc/lib/merkle"
	"hc/lib/proof"
)

// askStrays asks for what the reader waits for if nothing under way will bring it: a tree node, or a block out of order that
// makes a size certain.
func (f *fetcher) askStrays(ctx context.Context) error {
	if node, waits := f.d.WaitsForNode(); waits {
		if err := f.askNode(ctx, node); err != nil {
			return err
		}
	}
	block, waits := f.d.WaitsForBlock()
	if length, _ := f.d.Length(); !waits || block >= length {
		return nil
	}
	if f.leaves.hashing > 0 || f.leaves.known[block].here { // it may not be needed from a peer
		return nil
	}
	return f.askAlone(ctx, block)
}

// askNode asks for a tree node or, if its size is only a hint yet, for the first block under it that is needed to make it
// certain.
func (f *fetcher) askNode(ctx context.Context, node uint64) error {
	known, err := f.d.Peek(ctx, node)
	if err != nil || !known.Hint {
		return f.askHash(ctx, node)
	}
	block, lacks, err := f.d.SettleNode(ctx, node)
	if err != nil || !lacks {
		return err
	}
	held, err := f.d.Holds(ctx, block)
	if err == nil && held { // its leaf should be certain then
		err = fmt.Errorf("tree node %d: %w, although block %d is here", node, merkle.ErrHint, block)
	}
	if err != nil {
		return err
	}
	return f.askAlone(ctx, block)
}

func (f *fetcher) askHash(ctx context.Context, node uint64) error {
	length, fork := f.d.Length()
	if merkle.RightSpan(node) >= 2*length || f.underWay.nodes[node] > 0 || f.d.Knows(ctx, node) {
		return nil
	}
	way := f.underWay.nodes.climb(ctx, f.d, node, length)
	first := merkle.FirstBlock(node)
	s := f.pick(first, way.anchor)
	if s == nil {
		f.giveUp(first, way.anchor)
		return nil
	}
	a := &asked{request: merkle.Request{Fork: fork, Hash: &merkle.HashRequest{Index: node, Nodes: way.levels}}, climb: way}
	f.underWay.add(a)
	return s.send(a)
}

// askAlone asks for a block that is not part of what is read in order.
func (f *fetcher) askAlone(ctx context.Context, block uint64) error {
	if held, err := f.d.Holds(ctx, block); held || err != nil || f.underWay.blocks[block] {
		return err
	}
	length, _ := f.d.Length()
	way := f.underWay.nodes.climb(ctx, f.d, 2*block, length)
	s := f.pick(block, way.anchor)
	if s == nil {
		f.giveUp(block, way.anchor)
		return nil
	}
	if s.givesMany(length) {
		return f.askOne(ctx, s, block, length)
	}
	return f.ask(ctx, s, block, way)
}

// giveUp tells the reader that what it waits for will not come, once nothing is under way any more. A live fetch waits until
// a peer has it.
func (f *fetcher) giveUp(block, anchor uint64) {
	if !f.options.Live && f.nobodyHas(block, anchor) && f.idle() {
		f.d.Finish(nil)
	}
}

// findBytes turns a range of bytes into blocks, asking step by step for the nodes whose sizes it needs. A size counts only
// once it has been hashed (lib/merkle on hints), so a forged one cannot lead to the wrong block.
func (f *fetcher) findBytes(ctx context.Context) error {
	claim := f.options.Claim
	length, _ := f.d.Length()
	if claim.At != nil {
		length = min(length, *claim.At)
	}
	if length == 0 {
		f.ordered.known = true
		return nil
	}
	first, known, err := f.findByte(ctx, claim.From, length)
	if err != nil || !known {
		return err
	}
	last := length - 1
	if claim.To != proof.Open {
		if last, known, err = f.findByte(ctx, claim.To, length); err != nil || !known {
			return err
		}
	}
	f.ordered.set(first, last+1)
	f.start()
	for _, s := range f.sessions {
		if err := f.want(s); err != nil {
			return err
		}
	}
	return nil
}

// findByte returns the block that holds a byte, or the last one if the log ends before.
func (f *fetcher) findByte(ctx context.Context, at, length uint64) (block uint64, known bool, err error) {
	lookup := &lookup{d: f.d}
	block, _, err = merkle.Seek(ctx, at, length, lookup)
	var hint *merkle.HintError
	switch {
	case err == nil:
		return min(block, length-1), true, nil
	case errors.As(err, &hint):
		return 0, false, f.askSize(ctx, hint.Index)
	case errors.Is(err, merkle.ErrNodeMissing):
		return 0, false, f.askSize(ctx, lookup.missing)
	case errors.Is(err, merkle.ErrInvalidRequest): // beyond the end; the reader will find that out itself
		return length - 1, true, nil
	default:
		return 0, false, fmt.Errorf("looking for byte %d: %w", at, err)
	}
}

// lookup returns nodes that are here, without waiting, and remembers which one was not.
type lookup struct {
	d       *hypercore.Download
	missing uint64
}

func (l *lookup) Node(ctx context.Context, index uint64) (merkle.Node, error) {
	node, err := l.d.Peek(ctx, index)
	if err != nil {
		l.missing = index
	}
	return node, err
}

// askSize asks for what makes the size of a node certain: the block itself, or the node's two children.
func (f *fetcher) askSize(ctx context.Context, node uint64) error {
	left, _, inner := merkle.Children(node)
	if inner {
		return f.askHash(ctx, left)
	}
	return f.askAlone(ctx, node/2)
}
