package proof

import (
	"bytes"
	"io"
	"slices"
	"time"

	"hc/lib/hash"
)

// Blocks that come after the current group are hashed along with it. A group has about eight of them, hashed side by
// side, and the longest would continue alone when the others are done. Whether they are the right blocks is checked
// when their group is read.

// comingLeaf is the leaf hash of a block that has come, but whose frame has not been read yet.
type comingLeaf struct {
	offset uint64 // of the block, in the stream
	size   int
	leaf   hash.Digest
}

const (
	mostComing  = 32      // blocks
	leastComing = 8 << 10 // bytes of each
)

// coming appends the blocks that have come in full after what was taken, as long as each is large, and records their
// places in r.leaves.
func (r *reader) coming(blocks [][]byte) [][]byte {
	rest, offset := r.buf[r.start:r.end], r.offset
	r.leaves = r.leafRoom[:0]
	for {
		line, _, whole := bytes.Cut(rest[:min(len(rest), maxLine)], lineEnd)
		if !whole {
			return blocks
		}
		rest, offset = rest[len(line)+1:], offset+uint64(len(line))+1
		word, numbers, _ := bytes.Cut(line, []byte{' '})
		if string(word) == wordNode {
			continue
		}
		before := len(r.leaves)
		if string(word) != wordBlock || !r.comingFrame(numbers, len(rest), offset) {
			return blocks
		}
		for _, l := range r.leaves[before:] {
			blocks = append(blocks, rest[:l.size:l.size])
			rest, offset = rest[l.size:], offset+uint64(l.size)
		}
		rest, offset = rest[1:], offset+1
	}
}

// comingFrame appends the blocks of a frame with these numbers to r.leaves if it has blocks, all of them are among
// the have bytes after its line, and there is room for them.
func (r *reader) comingFrame(numbers []byte, have int, offset uint64) bool {
	leaves := r.leaves
	w := words{left: numbers, more: true}
	for w.next(); w.more; {
		size := w.number(maxBlock)
		if w.bad || size < leastComing || size >= uint64(have) || len(leaves) == mostComing {
			return false
		}
		leaves = append(leaves, comingLeaf{offset: offset, size: int(size)})
		have, offset = have-int(size), offset+size
	}
	some := len(leaves) > len(r.leaves)
	r.leaves = leaves
	return some
}

// known returns the leaf hash of a block at an offset in the stream, if it was computed earlier.
func (r *reader) known(offset uint64, size int) (leaf hash.Digest, ok bool) {
	for len(r.leaves) > 0 && r.leaves[0].offset < offset {
		r.leaves = r.leaves[1:]
	}
	if len(r.leaves) == 0 || r.leaves[0].offset != offset || r.leaves[0].size != size {
		return leaf, false
	}
	leaf = r.leaves[0].leaf
	r.leaves = r.leaves[1:]
	return leaf, true
}

// hash sets the leaf hashes of the group's blocks from index from on, and of those that are coming.
func (v *verifier) hash(from int) {
	g := &v.group
	blocks := append(v.blocks[:0], g.Blocks[from:]...)
	n := len(blocks)
	if n < mostComing {
		v.awaitMore()
		blocks = v.in.coming(blocks)
	}
	leaves := slices.Grow(v.leaves[:0], len(blocks))[:len(blocks)]
	hash.Leaves(leaves, blocks)
	copy(g.Leaves[from:], leaves[:n])
	for i, leaf := range leaves[n:] {
		v.in.leaves[i].leaf = leaf
	}
	v.blocks, v.leaves = blocks, leaves
}

// An Awaiter is a reader that knows whether data has come. When Verify reads from one, it waits a little for the data
// after a group, and hashes that along with it.
type Awaiter interface {
	io.Reader

	// Await reports whether a Read would return at once. It waits for that for at most most.
	Await(most time.Duration) bool
}

// soon is how long a group may take to come if Verify is to wait for the data after the next one, and how long that
// wait is. So a sender that is slow, pauses, or reaches the end of a head does not delay groups that have come in
// full.
const soon = 20 * time.Millisecond

// awaitMore reads ahead while data comes fast, as far as there is room and the log certainly has more.
func (v *verifier) awaitMore() {
	c := v.sum.Claim
	from, ok := v.in.from.(Awaiter)
	if !ok || !v.started || c.Kind != KindAll || c.At != nil || time.Since(v.handed) > soon {
		return
	}
	behind := v.offset + uint64(v.bytes)
	if behind >= v.head.ByteLength {
		return
	}
	want := int(min(v.head.ByteLength-behind, lookAhead, uint64(v.in.top-v.in.start)))
	until := time.Now().Add(soon)
	for have := v.in.ahead(); have < want && v.in.failed == nil && from.Await(time.Until(until)); have = v.in.ahead() {
		v.in.read(have + 1) // reads data that has come, without waiting
	}
}
