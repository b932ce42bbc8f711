package proof

import (
	"bytes"
	"slices"

	"hc/lib/hash"
)

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
	hashed := 0
	for len(g.Blocks) < n {
		if err := v.ctx.Err(); err != nil {
			return err
		}
		if err := v.readFrame(n); err != nil {
			return err
		}
		have := len(g.Blocks)
		switch {
		case have == n && hashed == 0 && len(v.buffer) <= maxRun: // not worth another goroutine's time
			hash.Leaves(g.Leaves, g.Blocks)
		case have-hashed >= hashTogether || have == n:
			v.hasher.add(g.Leaves[hashed:have], g.Blocks[hashed:have])
			hashed = have
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
		for len(v.lengths) <= n && size <= maxBlock && (w.more || len(v.lengths) == 0) && !w.bad {
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
	return v.checkFrame(lines, g.Blocks[have:])
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
