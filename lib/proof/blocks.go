package proof

import (
	"bytes"
	"slices"
)

// readBlocks reads the blocks from first to e (exclusive), and their hashes, into v.group.
func (v *verifier) readBlocks(first, e uint64) error {
	g := &v.group
	g.First = first
	v.bytes, v.frames = 0, v.frames[:0]
	v.run = run{}
	n := int(e - first)
	g.Blocks = slices.Grow(g.Blocks[:0], n)
	g.Leaves = slices.Grow(g.Leaves[:0], n)[:n] // must not move while the hasher writes into it
	defer v.hasher.wait()
	hashed := 0
	for len(g.Blocks) < n {
		if err := v.ctx.Err(); err != nil {
			return err
		}
		frame := len(g.Blocks)
		if err := v.readFrame(n); err != nil {
			return err
		}
		hashed = v.knownFrom(hashed, frame)
		have := len(g.Blocks)
		if have < n && have-hashed >= hashTogether {
			v.hasher.add(g.Leaves[hashed:have], g.Blocks[hashed:have])
			hashed = have
		}
	}
	if hashed < n {
		v.hash(hashed)
	}
	return nil
}

// knownFrom fills in the leaf hashes of the last frame's blocks that were computed earlier, if all blocks before them
// are hashed. It returns how many blocks of the group are hashed from the start. frame is the frame's first block.
func (v *verifier) knownFrom(hashed, frame int) int {
	if hashed < frame {
		return hashed
	}
	offset := v.in.offset - 1 - uint64(len(v.frames[len(v.frames)-1])) // an LF follows them
	for _, b := range v.group.Blocks[frame:] {
		leaf, known := v.in.known(offset, len(b))
		if !known {
			return hashed
		}
		v.group.Leaves[hashed] = leaf
		hashed++
		offset += uint64(len(b))
	}
	return hashed
}

// readFrame reads one frame of blocks in a group of n.
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
		return v.in.fail("%s instead of block %d", spell(word), next)
	}
	w := v.in.words()
	if index := w.number(maxNumber); w.bad || index != next {
		return v.in.fail("block %d must come here", next)
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
	case n > 1 && v.bytes+size > maxGroup:
		return v.in.fail("a group of more than %d bytes", maxGroup)
	}
	data, err := v.in.payload(size)
	if err != nil {
		return err
	}
	v.bytes, v.frames = v.bytes+size, append(v.frames, data)
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

// checkFrame checks that the blocks belong in one frame of this kind, and could not be in the one before.
func (v *verifier) checkFrame(lines bool, blocks [][]byte) error {
	index := v.group.First + uint64(len(v.group.Blocks)-len(blocks))
	last := v.sum.Claim.limit(v.head.Length) - 1
	if index > v.group.First && v.run.takes(blocks[0], index == last) {
		return v.in.fail("block %d belongs in the frame before", index)
	}
	v.run = startRun(blocks[0])
	if v.run.lines != lines {
		return v.in.fail("block %d belongs in a frame of the other kind", index)
	}
	for _, b := range blocks[1:] {
		index++
		if !v.run.takes(b, index == last) {
			return v.in.fail("block %d belongs in a frame of its own", index)
		}
		v.run.bytes += len(b)
	}
	return nil
}
