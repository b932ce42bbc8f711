package hypercore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"

	"hc/lib/hash"
	"hc/lib/lent"
	"hc/lib/merkle"
)

// What a Download takes in from an hc peer: many neighbouring blocks that are verified together, and leaf hashes
// ahead of their blocks, so that blocks which the store already holds, in whatever core, need not be sent.

// aheadNode is a node that came before the blocks below it.
type aheadNode struct {
	merkle.Node
	lasting bool // it is among the nodes to be saved: a block beside it is here
}

// aheadRange is blocks whose leaf hashes came together.
type aheadRange struct {
	first, end uint64
	left       uint64 // blocks of it that are not saved
}

// Needs is what it takes to verify neighbouring blocks together.
type Needs struct {
	Nodes   []uint64 // tree nodes that have to be sent with the blocks, in the order of merkle.RangeSiblings
	Anchors []uint64 // nodes that are expected and that the range is then built on
	Brings  []uint64 // nodes that will be known once it is verified, and that others may build on
}

// Needs returns what it takes to verify the blocks first … end-1, given the nodes that are here and those that are
// expected.
func (d *Download) Needs(ctx context.Context, first, end uint64, expected func(node uint64) bool) (n Needs) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n.Nodes = merkle.RangeSiblings(first, end, d.state.Length, func(index uint64) bool {
		switch {
		case within(merkle.Parent(index), first, end): // it is computed anyway
			return false
		case d.usable(ctx, index):
			return true
		case !expected(index):
			return false
		}
		n.Anchors = append(n.Anchors, index)
		return true
	})
	n.Brings = slices.DeleteFunc(append(merkle.Subtrees(first, end), n.Nodes...), func(index uint64) bool { return slices.Contains(n.Anchors, index) })
	have := map[uint64]bool{}
	for _, index := range slices.Concat(n.Brings, n.Anchors) {
		have[index] = true
	}
	for _, index := range n.Brings {
		for !merkle.Contains(merkle.Parent(index), 2*d.state.Length) && (have[merkle.Sibling(index)] || d.usable(ctx, merkle.Sibling(index))) {
			index = merkle.Parent(index)
			if have[index] || d.usable(ctx, index) {
				break
			}
			have[index] = true
			n.Brings = append(n.Brings, index)
		}
	}
	return n
}

// within reports whether all blocks below a node are among first … end-1.
func within(node, first, end uint64) bool {
	return merkle.FirstBlock(node) >= first && merkle.LastBlock(node) < end
}

// Usable reports whether a range can be verified with the node. A node whose size is a hint will do: with a wrong
// size the range would not climb to verified nodes. Once that has happened nothing more is built on hints, since it
// is unclear who is to blame.
func (d *Download) Usable(ctx context.Context, index uint64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.usable(ctx, index)
}

func (d *Download) usable(ctx context.Context, index uint64) bool {
	node, err := d.node(ctx, index)
	return err == nil && !(node.Hint && d.strict)
}

func (d *Download) certain(ctx context.Context, index uint64) bool {
	node, err := d.node(ctx, index)
	return err == nil && !node.Hint
}

// ApplyBlocks verifies neighbouring blocks of the verified log together and takes them in. leaves are their leaf
// hashes, nodes those that the verification needs (more do no harm). memory, as for Apply, is that of each block, or
// nil. merkle.ErrNodeMissing if nodes that they build on are not here (any more).
func (d *Download) ApplyBlocks(ctx context.Context, fork, first uint64, blocks [][]byte, leaves []hash.Digest, nodes []merkle.Node, memory []*lent.Memory) error {
	told := make([]merkle.Node, len(blocks))
	for i, block := range blocks {
		told[i] = merkle.LeafNodeHash(first+uint64(i), uint64(len(block)), leaves[i])
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	fresh, siblings, err := d.climbRange(ctx, fork, first, told, nodes)
	if err != nil {
		return err
	}
	for _, node := range fresh {
		d.learn(node)
	}
	if d.into != nil {
		d.unsaved.nodes = append(d.unsaved.nodes, siblings...)
	}
	for i, block := range blocks {
		var lies *lent.Memory
		if memory != nil {
			lies = memory[i]
		}
		d.takeBlock(told[i], block, lies)
	}
	d.notify()
	return nil
}

// climbRange ties leaves to known nodes, and returns the nodes that are new and those that had to be sent. d.mu is
// held.
func (d *Download) climbRange(ctx context.Context, fork, first uint64, leaves, told []merkle.Node) (fresh, siblings []merkle.Node, err error) {
	end := first + uint64(len(leaves))
	if fork != d.state.Fork {
		return nil, nil, d.forked(fork)
	}
	if end > d.state.Length || len(leaves) == 0 {
		return nil, nil, fmt.Errorf("%w: blocks %d to %d of a log of %d", merkle.ErrUnverified, first, end, d.state.Length)
	}
	hints := map[uint64]merkle.Node{}
	known := func(n uint64) (node merkle.Node, ok bool) {
		if within(merkle.Parent(n), first, end) {
			return node, false
		}
		node, lookErr := d.node(ctx, n)
		if lookErr != nil && !errors.Is(lookErr, merkle.ErrNodeMissing) && err == nil {
			err = lookErr
		}
		if lookErr == nil && node.Hint && !d.strict {
			node.Hint = false
			hints[n] = node
		}
		return node, lookErr == nil && !node.Hint
	}
	need := merkle.RangeSiblings(first, end, d.state.Length, func(n uint64) bool { _, ok := known(n); return ok })
	if err != nil {
		return nil, nil, err
	}
	beside := listed(told)
	if !beside.all(need) {
		d.join(ctx, told, beside)
	}
	for _, index := range need {
		node, ok := beside.nodes[index]
		if !ok {
			return nil, nil, fmt.Errorf("node %d: %w", index, errNodeMissing)
		}
		siblings = append(siblings, node)
	}
	fresh, climbErr := merkle.ClimbRange(leaves, siblings, known)
	if err == nil {
		err = climbErr
	}
	if err != nil && len(hints)+beside.hints > 0 {
		d.strict = true
		return nil, nil, fmt.Errorf("%w: %w", errHints, err)
	}
	return slices.AppendSeq(fresh, maps.Values(hints)), siblings, err
}

// errHints says that something did not verify, perhaps because it was built on a hint.
var errHints = fmt.Errorf("built on hints: %w", merkle.ErrNodeMissing)

// takeBlock holds a verified block. d.mu is held.
func (d *Download) takeBlock(leaf merkle.Node, data []byte, memory *lent.Memory) {
	block := leaf.Index / 2
	d.hold(block, held{data: data, memory: memory, saved: d.into == nil})
	if d.into != nil {
		d.unsaved.blocks = append(d.unsaved.blocks, leaf)
		d.unsaved.memory += cost(data)
	}
}

// ApplyLeaves verifies the leaves of neighbouring blocks, whose sizes remain hints, with the nodes that this needs.
// It holds them until the blocks are saved. merkle.ErrNodeMissing as in ApplyBlocks. The download must have a store.
func (d *Download) ApplyLeaves(ctx context.Context, fork, first uint64, leaves, nodes []merkle.Node) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	fresh, siblings, err := d.climbRange(ctx, fork, first, leaves, nodes)
	if err != nil {
		return err
	}
	end := first + uint64(len(leaves))
	for _, node := range fresh {
		switch {
		case !within(node.Index, first, end):
			node.Hint = node.Index&1 == 0
			d.learn(node)
		case !d.certain(ctx, node.Index):
			node.Hint = node.Index&1 == 0
			d.ahead[node.Index] = aheadNode{Node: node}
		}
	}
	for _, node := range siblings {
		node.Hint = node.Index&1 == 0
		d.unsaved.nodes = append(d.unsaved.nodes, node)
	}
	at := sort.Search(len(d.ranges), func(i int) bool { return d.ranges[i].first > first })
	d.ranges = slices.Insert(d.ranges, at, aheadRange{first, end, end - first})
	d.notify()
	return nil
}

// Leaf returns a block's leaf, if it is verified.
func (d *Download) Leaf(ctx context.Context, block uint64) (leaf merkle.Node, known bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	leaf, err := d.node(ctx, 2*block)
	return leaf, err == nil
}

// ApplyKnown takes in a block whose leaf hash, told, must be the one that is verified already: merkle.ErrUnverified
// if it differs, merkle.ErrNodeMissing if none is here (any more). memory is as for Apply.
func (d *Download) ApplyKnown(ctx context.Context, block uint64, data []byte, told hash.Digest, memory *lent.Memory) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	known, err := d.node(ctx, 2*block)
	if err != nil {
		return err
	}
	leaf := merkle.LeafNodeHash(block, uint64(len(data)), told)
	if known.Hash != told || !known.Hint && known.Size != leaf.Size {
		return fmt.Errorf("%w: block %d is not the one whose leaf hash is verified", merkle.ErrUnverified, block)
	}
	if err := d.settleSibling(ctx, leaf); err != nil {
		return err
	}
	d.learn(leaf)
	d.keepBeside(leaf.Index)
	d.takeBlock(leaf, data, memory)
	d.notify()
	return nil
}

// learn takes in a verified node. d.mu is held.
func (d *Download) learn(node merkle.Node) {
	d.nodes[node.Index] = node
	if old, ok := d.ahead[node.Index]; ok && !node.Hint {
		old.Node = node
		d.ahead[node.Index] = old
	}
}

// settleSibling makes the size of a leaf's sibling certain: it is the parent's size less the leaf's.
func (d *Download) settleSibling(ctx context.Context, leaf merkle.Node) error {
	sibling, err := d.node(ctx, merkle.Sibling(leaf.Index))
	if err != nil || !sibling.Hint {
		return ignoreMissing(err)
	}
	parent, err := d.node(ctx, merkle.Parent(leaf.Index))
	if err != nil || parent.Hint {
		return ignoreMissing(err)
	}
	if parent.Size < leaf.Size {
		return fmt.Errorf("%w: node %d has more bytes than its parent", merkle.ErrUnverified, leaf.Index)
	}
	sibling.Size, sibling.Hint = parent.Size-leaf.Size, false
	d.learn(sibling)
	if d.into != nil {
		d.unsaved.nodes = append(d.unsaved.nodes, sibling)
	}
	return nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, merkle.ErrNodeMissing) {
		return nil
	}
	return err
}

// aheadBlocks is the largest number of blocks in a range whose leaf hashes come ahead.
const aheadBlocks = 1024

// keepBeside has those nodes saved that came ahead and are siblings on the path up from a leaf: with them the block
// can be proved to others, whether the blocks below them come or not. d.mu is held.
func (d *Download) keepBeside(leaf uint64) {
	if len(d.ahead) == 0 {
		return
	}
	for n := leaf; merkle.Leaves(n) <= 2*aheadBlocks; n = merkle.Parent(n) {
		sibling, ok := d.ahead[merkle.Sibling(n)]
		if !ok {
			continue
		}
		if sibling.lasting { // so are those above
			return
		}
		sibling.lasting = true
		d.ahead[sibling.Index] = sibling
		d.unsaved.nodes = append(d.unsaved.nodes, sibling.Node)
	}
}

// forgetAhead drops the leaf hashes of a range once all its blocks are saved. d.mu is held.
func (d *Download) forgetAhead(saved uint64) {
	at := sort.Search(len(d.ranges), func(i int) bool { return d.ranges[i].end > saved })
	if at == len(d.ranges) || d.ranges[at].first > saved {
		return
	}
	r := &d.ranges[at]
	if r.left--; r.left > 0 {
		return
	}
	for block := r.first; block < r.end; block++ {
		for n := 2 * block; within(n, r.first, r.end); n = merkle.Parent(n) {
			if _, ok := d.ahead[n]; !ok {
				break
			}
			delete(d.ahead, n)
		}
	}
	d.ranges = slices.Delete(d.ranges, at, at+1)
}

// MayHold reports whether the store may hold blocks of this core unknowingly: in other cores, or in an older part of
// this one.
func (d *Download) MayHold() bool { return d.mayHold }

// HoldsObject reports whether the store holds a block with that leaf hash, of whatever core.
func (d *Download) HoldsObject(ctx context.Context, leaf hash.Digest) (bool, error) {
	return d.into.Has(ctx, leaf)
}

// Object returns the block with that leaf hash, not yet compared with it. store.ErrBlockMissing if it is gone.
func (d *Download) Object(ctx context.Context, leaf hash.Digest) ([]byte, error) {
	data, err := d.into.Object(ctx, leaf)
	if err != nil {
		return nil, fmt.Errorf("copying a block for core %v: %w", d.key, err)
	}
	return data, nil
}
