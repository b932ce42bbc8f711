package proof

import (
	"slices"

	"hc/lib/merkle"
)

// readGroup reads a group, verifies it, and passes it on.
func (v *verifier) readGroup(of layout) error {
	v.laid = of
	l := &v.laid
	if err := v.readNodes(); err != nil {
		return err
	}
	e, larger, err := v.groupEnd(l)
	if err != nil {
		return err
	}
	if err := v.checkNodes(l, e); err != nil {
		return err
	}
	if err := v.readBlocks(l.first, e); err != nil {
		return err
	}
	roots, err := v.climb(l, e)
	if err != nil {
		return err
	}
	if err := v.locate(l, e); err != nil {
		return err
	}
	if err := v.canonical(l, e, larger); err != nil {
		return err
	}
	v.keep(l, e)
	if l.known == crown {
		if err := v.handOnHead(roots); err != nil {
			return err
		}
	}
	return v.handOn(e)
}

// readNodes reads the node frames of a group into v.group.Received.
func (v *verifier) readNodes() error {
	v.in.letGo()
	v.group.Received = v.group.Received[:0]
	for {
		word, err := v.in.peek()
		if err != nil {
			return err
		}
		if string(word) != wordNode {
			return nil
		}
		w := v.in.words()
		n := merkle.Node{Index: w.number(maxNumber), Size: w.number(maxNumber), Hash: w.hex32()}
		if !w.ok() {
			return v.in.fail("node takes an index, a size and a hash")
		}
		if len(v.group.Received) == maxNodes {
			return v.in.fail("more than %d nodes", maxNodes)
		}
		v.group.Received = append(v.group.Received, n)
		v.in.take()
	}
}

// groupEnd returns the block after the group, and the block after the next larger possible group, 0 if there is none.
// It settles what l leaves open: where a claim of bytes begins, and that it ends with this group.
func (v *verifier) groupEnd(l *layout) (e, larger uint64, err error) {
	if l.first == l.end {
		return l.end, 0, nil
	}
	word, err := v.in.peek()
	if err != nil {
		return 0, 0, err
	}
	isBlock := string(word) == wordBlock || string(word) == wordLines
	inBytes := v.sum.Claim.Kind == KindBytes
	switch {
	case inBytes && !v.started && !isBlock:
		l.first, l.end = l.old, l.old
		return l.end, 0, nil
	case !isBlock:
		return 0, 0, v.in.fail("%s instead of block %d", spell(word), l.first)
	case inBytes && !v.started:
		w := v.in.words()
		if l.first = w.number(maxNumber); w.bad || l.first >= l.end {
			return 0, 0, v.in.fail("the first block must be below %d", l.end)
		}
	}
	e = l.end
	if l.known != crown {
		e = min(e, merkle.LastBlock(l.known)+1)
	}
	for _, n := range v.group.Received {
		if first := merkle.FirstBlock(n.Index); first > l.first {
			e = min(e, first)
			break
		}
	}
	larger, ok := l.larger(e)
	if !ok && inBytes {
		l.end = e
		larger, ok = 0, true
	}
	if !ok {
		return 0, 0, v.in.fail("blocks %d-%d cannot be a group", l.first, e-1)
	}
	if e-l.first > uint64(maxCount) {
		return 0, 0, v.in.fail("a group of %d blocks: the limit is %d", e-l.first, maxCount)
	}
	return e, larger, nil
}

// checkNodes compares the nodes that came with those that have to come.
func (v *verifier) checkNodes(l *layout, e uint64) error {
	v.ids = l.nodes(v.ids[:0], e)
	for i, n := range v.group.Received {
		if i == len(v.ids) || n.Index != v.ids[i] {
			return v.in.fail("node %d is not needed, or not in its place", n.Index)
		}
	}
	if missing := v.ids[len(v.group.Received):]; len(missing) > 0 {
		return v.in.fail("node %d is missing", missing[0])
	}
	return nil
}

// locate works out where the group is in the log, and which of its bytes are claimed.
func (v *verifier) locate(l *layout, e uint64) error {
	g := &v.group
	size := uint64(v.bytes)
	if l.known == crown && !v.started {
		v.offset = 0
		for _, n := range g.Received {
			if merkle.LastBlock(n.Index) < l.first {
				v.offset += n.Size
			}
		}
	}
	g.Offset, g.From, g.To = v.offset, 0, size
	c := v.sum.Claim
	if c.Kind != KindBytes {
		return nil
	}
	if len(g.Blocks) == 0 {
		if c.From < v.size && c.limit(v.head.Length) > 0 {
			return v.in.fail("the block that holds byte %d is missing", c.From)
		}
		return nil
	}
	if !v.started && (c.From < v.offset || c.From >= v.offset+uint64(len(g.Blocks[0]))) {
		return v.in.fail("block %d does not hold byte %d", g.First, c.From)
	}
	g.From = max(c.From, v.offset) - v.offset
	v.done = c.To != Open && c.To < v.offset+size
	if !v.done {
		if e == l.end && e < c.limit(v.head.Length) {
			return v.in.fail("no group ends with block %d", e-1)
		}
		return nil
	}
	g.To = c.To + 1 - v.offset
	if last := g.Blocks[len(g.Blocks)-1]; c.To < v.offset+size-uint64(len(last)) {
		return v.in.fail("block %d is after byte %d", e-1, c.To)
	}
	return nil
}

// canonical checks that the group is not smaller than it could be: the next larger one would end before block larger.
// If the range ends within that addition, the check is made when the range has ended: the last such group is the
// strictest.
func (v *verifier) canonical(l *layout, e, larger uint64) error {
	size := uint64(v.bytes)
	v.tailBytes += size
	if larger == 0 || v.done {
		return nil
	}
	for _, n := range v.group.Received {
		if merkle.FirstBlock(n.Index) != e || merkle.LastBlock(n.Index)+1 != larger {
			continue
		}
		if c := v.sum.Claim; c.Kind == KindBytes && c.To != Open && v.offset+size+n.Size > c.To {
			break
		}
		if larger-l.first <= uint64(maxCount) && size+n.Size <= uint64(maxGroup) {
			return v.in.fail("blocks %d-%d must be one group", l.first, larger-1)
		}
		return nil
	}
	v.tail, v.tailFirst, v.tailBytes = true, l.first, size
	return nil
}

// keep remembers the nodes that later groups are hashed up to: those to the right of this group, in the range.
func (v *verifier) keep(l *layout, e uint64) {
	for _, n := range slices.Backward(v.group.Received) {
		if first := merkle.FirstBlock(n.Index); e <= first && first < l.end {
			v.stack = append(v.stack, n)
		}
	}
	v.sum.Nodes += uint64(len(v.group.Received))
}
