package proof

import (
	"bytes"
	"fmt"
	"slices"

	"hc/lib/merkle"
)

// readGroup reads a group, verifies it, and hands it on.
func (v *verifier) readGroup(l layout) error {
	if err := v.readNodes(); err != nil {
		return err
	}
	e, larger, err := v.groupEnd(&l)
	if err != nil {
		return err
	}
	if err := v.checkNodes(&l, e); err != nil {
		return err
	}
	if err := v.readBlocks(l.first, e); err != nil {
		return err
	}
	roots, err := v.climb(&l, e)
	if err != nil {
		return err
	}
	if err := v.locate(&l, e); err != nil {
		return err
	}
	if err := v.canonical(&l, e, larger); err != nil {
		return err
	}
	v.keep(&l, e)
	if l.known == crown {
		if err := v.handOnHead(roots); err != nil {
			return err
		}
	}
	return v.handOn(e)
}

// readNodes reads the node frames of a group into v.group.Received.
func (v *verifier) readNodes() error {
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

// groupEnd returns the block behind the group, and the one behind the next larger group that there could be, 0 if there
// is none. It settles what l leaves open: where a claim of bytes begins, and that it ends with this group.
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
		return 0, 0, v.in.fail("%s where block %d has to come", spell(word), l.first)
	case inBytes && !v.started:
		w := v.in.words()
		if l.first = w.number(maxNumber); w.bad || l.first >= l.end {
			return 0, 0, v.in.fail("the first block is not one of the %d that there are", l.end)
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
		return 0, 0, v.in.fail("blocks %d-%d are no group", l.first, e-1)
	}
	if e-l.first > uint64(maxCount) {
		return 0, 0, v.in.fail("a group of %d blocks: the limit is %d", e-l.first, maxCount)
	}
	return e, larger, nil
}

// checkNodes holds the nodes that came against those that have to come.
func (v *verifier) checkNodes(l *layout, e uint64) error {
	v.ids = l.nodes(v.ids[:0], e)
	for i, n := range v.group.Received {
		if i == len(v.ids) || n.Index != v.ids[i] {
			return v.in.fail("node %d is not needed, or not in its place", n.Index)
		}
	}
	if missing := v.ids[len(v.group.Received):]; len(missing) > 0 {
		return v.in.fail("node %d has to come", missing[0])
	}
	return nil
}

// readBlocks reads the blocks from first to e (exclusive) into v.group, and their hashes.
func (v *verifier) readBlocks(first, e uint64) error {
	g := &v.group
	g.First = first
	v.buffer = v.buffer[:0]
	v.run = run{}
	n := int(e - first)
	g.Blocks = slices.Grow(g.Blocks[:0], n)
	g.Leaves = slices.Grow(g.Leaves[:0], n)[:n] // not moved while the hasher writes into it
	defer v.hasher.wait()
	for len(g.Blocks) < n {
		if err := v.ctx.Err(); err != nil {
			return err
		}
		if err := v.readFrame(n); err != nil {
			return err
		}
	}
	return nil
}

// readFrame reads one frame of blocks of a group of n.
func (v *verifier) readFrame(n int) error {
	word, err := v.in.peek()
	if err != nil {
		return err
	}
	g := &v.group
	have := len(g.Blocks)
	next := g.First + uint64(have)
	lines := string(word) == wordLines
	if !lines && string(word) != wordBlock {
		return v.in.fail("%s where block %d has to come", spell(word), next)
	}
	w := v.in.words()
	if index := w.number(maxNumber); w.bad || index != next {
		return v.in.fail("block %d has to come here", next)
	}
	var count, size int
	if lines {
		count, size = int(w.number(uint64(maxCount))), int(w.number(maxRun))
	} else {
		v.lengths = v.lengths[:0]
		for len(v.lengths) <= n && (w.more || len(v.lengths) == 0) && !w.bad {
			v.lengths = append(v.lengths, int(w.number(maxBlock)))
			size += v.lengths[len(v.lengths)-1]
		}
		count = len(v.lengths)
	}
	switch {
	case !w.ok() || count == 0 || have+count > n:
		return v.in.fail("%d blocks are left of the group; a block has at most %d bytes", n-have, maxBlock)
	case count > 1 && size > maxRun:
		return v.in.fail("several blocks of %d bytes in one frame: the limit is %d", size, maxRun)
	case n > 1 && len(v.buffer)+size > maxGroup:
		return v.in.fail("a group of more than %d bytes", maxGroup)
	}
	data := v.room(size)
	if err := v.in.payload(data); err != nil {
		return err
	}
	if lines {
		err = v.splitLines(data, count)
	} else {
		err = v.splitBlocks(data)
	}
	if err != nil {
		return err
	}
	if err := v.checkFrame(lines, g.Blocks[have:]); err != nil {
		return err
	}
	v.hasher.add(g.Leaves[have:], g.Blocks[have:])
	return nil
}

// room returns the next size bytes of the buffer. Only a group's only block may need more than there are.
func (v *verifier) room(size int) []byte {
	used := len(v.buffer)
	if used+size > cap(v.buffer) {
		v.buffer = make([]byte, 0, size)
	}
	v.buffer = v.buffer[:used+size]
	return v.buffer[used:]
}

func (v *verifier) splitBlocks(data []byte) error {
	for _, n := range v.lengths {
		v.group.Blocks = append(v.group.Blocks, data[:n:n])
		data = data[n:]
	}
	return nil
}

func (v *verifier) splitLines(data []byte, count int) error {
	for ; count > 0 && len(data) > 0; count-- {
		n := bytes.IndexByte(data, '\n') + 1
		if n == 0 {
			n = len(data)
		}
		v.group.Blocks = append(v.group.Blocks, data[:n:n])
		data = data[n:]
	}
	if count > 0 || len(data) > 0 {
		return v.in.fail("not as many lines as the frame says")
	}
	return nil
}

// checkFrame checks that the blocks stand together in one frame of this kind, and could not stand in the one before.
func (v *verifier) checkFrame(lines bool, blocks [][]byte) error {
	index := v.group.First + uint64(len(v.group.Blocks)-len(blocks))
	last := v.sum.Claim.limit(v.head.Length) - 1
	if index > v.group.First && v.run.takes(blocks[0], index == last) {
		return v.in.fail("block %d belongs into the frame before", index)
	}
	v.run = startRun(blocks[0])
	if v.run.lines != lines {
		return v.in.fail("block %d belongs into a frame of the other kind", index)
	}
	for _, b := range blocks[1:] {
		index++
		if !v.run.takes(b, index == last) {
			return v.in.fail("block %d belongs into a frame of its own", index)
		}
		v.run.bytes += len(b)
	}
	return nil
}

// climb hashes the group up to what is known and compares. Under a new head it returns the roots.
func (v *verifier) climb(l *layout, e uint64) (roots []merkle.Node, err error) {
	c := climber{l: l, e: e, group: &v.group, old: v.roots, split: v.split[:0], cited: v.opt.TreeHash != nil}
	v.group.Computed = v.group.Computed[:0]
	if l.known != crown {
		k := len(v.stack) - 1
		if known := v.stack[k]; !merkle.Same(c.node(known.Index), known) {
			return nil, v.in.fail("blocks %d-%d are not what node %d is the hash of", l.first, e-1, known.Index)
		}
		v.stack = v.stack[:k]
		return nil, nil
	}
	for _, index := range merkle.FullRoots(l.length) {
		root := c.node(index)
		if merkle.LastBlock(index) < l.split {
			c.split = append(c.split, root)
		}
		roots = append(roots, root)
	}
	v.split = c.split
	return roots, v.verifyHead(roots, c.split)
}

// A climber hashes the nodes above a group.
type climber struct {
	l     *layout
	e     uint64
	group *Group
	taken int           // nodes received that have been used
	old   []merkle.Node // roots of the head before, used from the front
	split []merkle.Node // roots of the length l.split, as far as they are found
	cited bool          // the tree hash of the length l.split is given, and will be compared
}

// node returns node x, from left to right as layout.nodes goes.
func (c *climber) node(x uint64) merkle.Node {
	switch c.l.part(x, c.e) {
	case partOld:
		n := c.old[0]
		if n.Index != x {
			panic(fmt.Sprintf("proof: internal error: root %d where %d is needed", n.Index, x))
		}
		c.old = c.old[1:]
		return n
	case partBlocks:
		return c.inner(x)
	case partSent:
		c.taken++
		return c.group.Received[c.taken-1]
	}
	l, r, _ := merkle.Children(x)
	left := c.node(l)
	if first, end := merkle.FirstBlock(x), merkle.LastBlock(x)+1; first < c.l.split && c.l.split < end {
		if merkle.LastBlock(l) < c.l.split {
			c.split = append(c.split, left)
		}
		if !c.cited && c.l.part(l, c.e) == partSent && c.l.part(r, c.e) == partSent {
			c.group.Received[c.taken-1].Hint = true // only their sum is certain
			c.group.Received[c.taken].Hint = true
		}
	}
	parent := merkle.ParentNode(left, c.node(r))
	c.group.Computed = append(c.group.Computed, parent)
	return parent
}

// inner returns node x, below which all blocks are of the group.
func (c *climber) inner(x uint64) merkle.Node {
	l, r, ok := merkle.Children(x)
	if !ok {
		i := x/2 - c.group.First
		return merkle.LeafNodeHash(x/2, uint64(len(c.group.Blocks[i])), c.group.Leaves[i])
	}
	if merkle.Depth(x) < splitDepth {
		return merkle.ParentNode(c.inner(l), c.inner(r))
	}
	var left merkle.Node
	done := make(chan struct{})
	go func() {
		left = c.inner(l)
		close(done)
	}()
	right := c.inner(r)
	<-done
	return merkle.ParentNode(left, right)
}

// splitDepth is how far above the leaves a node's two halves are hashed at the same time: short lines cost as much in
// the tree as themselves.
const splitDepth = 10

// locate works out where the group lies in the log, and which of its bytes are claimed.
func (v *verifier) locate(l *layout, e uint64) error {
	g := &v.group
	size := uint64(len(v.buffer))
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
			return v.in.fail("the block that holds byte %d has to come", c.From)
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
		return v.in.fail("block %d lies behind byte %d", e-1, c.To)
	}
	return nil
}

// canonical checks that the group is not smaller than it could be: the next larger one would end before block larger. If
// the range ends within what that adds, it is checked when the range has ended: the last such group is the strictest.
func (v *verifier) canonical(l *layout, e, larger uint64) error {
	size := uint64(len(v.buffer))
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
			return v.in.fail("blocks %d-%d have to be one group", l.first, larger-1)
		}
		return nil
	}
	v.tail, v.tailFirst, v.tailBytes = true, l.first, size
	return nil
}

// keep remembers what later groups are hashed up to: nodes on the right of this one, in the range.
func (v *verifier) keep(l *layout, e uint64) {
	for _, n := range slices.Backward(v.group.Received) {
		if first := merkle.FirstBlock(n.Index); e <= first && first < l.end {
			v.stack = append(v.stack, n)
		}
	}
	v.sum.Nodes += uint64(len(v.group.Received))
}

// handOnHead tells of a head that was verified with this group.
func (v *verifier) handOnHead(roots []merkle.Node) error {
	v.roots = roots
	v.sum.Heads++
	v.sum.Head, v.sum.Roots = v.head, roots
	if v.sink == nil {
		return nil
	}
	if v.sum.Heads == 1 {
		if err := v.sink.Core(v.sum.Key, v.sum.Manifest); err != nil {
			return err
		}
	}
	return v.sink.Head(v.head, roots)
}

// handOn gives the group to whoever wants it.
func (v *verifier) handOn(e uint64) error {
	g := &v.group
	if len(g.Blocks) > 0 {
		v.started = true
		v.next, v.offset = e, v.offset+uint64(len(v.buffer))
	}
	v.total += uint64(len(v.buffer))
	v.sum.Blocks += uint64(len(g.Blocks))
	v.sum.Bytes += g.To - g.From
	if err := v.feed(); err != nil {
		return err
	}
	if v.opt.Out != nil && g.To > g.From {
		if _, err := v.opt.Out.Write(v.buffer[g.From:g.To]); err != nil {
			return err
		}
	}
	if v.opt.Progress != nil {
		v.opt.Progress(g.To-g.From, uint64(len(g.Blocks)))
	}
	return nil
}

// feed gives the group to the sink.
func (v *verifier) feed() error {
	g := &v.group
	if v.sink == nil {
		return nil
	}
	if v.groups != nil {
		return v.groups.Group(g)
	}
	nodes := slices.Concat(g.Received, g.Computed)
	if len(nodes) > 0 {
		if err := v.sink.Nodes(nodes); err != nil {
			return err
		}
	}
	offset := 0
	for i, b := range g.Blocks {
		first, end := max(int(g.From)-offset, 0), min(int(g.To)-offset, len(b))
		offset += len(b)
		if err := v.sink.Block(g.First+uint64(i), b, first, end); err != nil {
			return err
		}
	}
	return nil
}
