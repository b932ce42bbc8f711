package hash

import (
	"encoding/binary"
	"sync"
	"unsafe"
)

// lanes hashes many messages, several at a time. It is pooled, as it is too large for a stack.
type lanes struct {
	vectors
	stage [maxLanes][shortBlocks * blockSize]byte // where messages that are not hashed in place are assembled
	lane  [maxLanes]lane
	saved [savedSize]byte
}

var lanePool = sync.Pool{New: func() any { return new(lanes) }}

const (
	// shortBlocks is the largest number of blocks in a message that is copied to the stage as a whole.
	shortBlocks = 4

	// shortLeaf is the length up to which a leaf's message is short.
	shortLeaf = shortBlocks*blockSize - headSize
)

// fitting returns the narrowest kernel that takes n messages, or the widest one.
func fitting(n int) kernel {
	for _, k := range kernels {
		if k.lanes >= n {
			return k
		}
	}
	return kernels[len(kernels)-1]
}

// leaves is [Leaves], with a kernel.
func (l *lanes) leaves(dst []Digest, blocks [][]byte) {
	long := l.shortLeaves(dst, blocks)
	if long.left > 0 {
		l.longLeaves(dst, blocks, &long)
	}
}

// shortLeaves hashes the short blocks, in groups with the same number of BLAKE2b blocks. It returns the long ones.
func (l *lanes) shortLeaves(dst []Digest, blocks [][]byte) (long queue) {
	var waiting [shortBlocks]struct {
		n       int
		numbers [maxLanes]int
	}
	longest, bytes, width := 0, 0, kernels[len(kernels)-1].lanes
	for i, block := range blocks {
		if len(block) > shortLeaf {
			long.left++
			longest = max(longest, len(block))
			bytes += len(block)
			continue
		}
		size := (headSize + len(block) - 1) / blockSize
		w := &waiting[size]
		w.numbers[w.n] = i
		if w.n++; w.n == width {
			l.leafGroup(dst, blocks, w.numbers[:w.n], size+1)
			w.n = 0
		}
	}
	for size := range waiting {
		w := &waiting[size]
		if w.n == 1 {
			dst[w.numbers[0]] = Leaf(blocks[w.numbers[0]])
		} else if w.n > 1 {
			l.leafGroup(dst, blocks, w.numbers[:w.n], size+1)
		}
	}
	return newQueue(blocks, long.left, longest, bytes)
}

// leafGroup hashes the short blocks with these numbers, whose messages have size BLAKE2b blocks.
func (l *lanes) leafGroup(dst []Digest, blocks [][]byte, numbers []int, size int) {
	for i, number := range numbers {
		block, stage := blocks[number], l.stage[i][:size*blockSize]
		stage[0] = typeLeaf
		binary.LittleEndian.PutUint64(stage[1:], uint64(len(block)))
		clear(stage[headSize+copy(stage[headSize:], block):])
		l.ending.step[i] = uint64(headSize + len(block) - (size-1)*blockSize)
	}
	l.hashStage(len(numbers), size)
	for i, number := range numbers {
		l.digest(i, &dst[number])
	}
}

// parents is [Parents], with a kernel.
func (l *lanes) parents(dst []Digest, sizes []uint64, children []Digest) {
	width := kernels[len(kernels)-1].lanes
	for len(sizes) > 1 {
		n := min(width, len(sizes))
		for i, size := range sizes[:n] {
			stage := l.stage[i][:blockSize]
			stage[0] = typeParent
			binary.LittleEndian.PutUint64(stage[1:], size)
			copy(stage[headSize:], children[2*i][:])
			copy(stage[headSize+Size:], children[2*i+1][:])
			clear(stage[headSize+2*Size:])
			l.ending.step[i] = headSize + 2*Size
		}
		l.hashStage(n, 1)
		for i := range n {
			l.digest(i, &dst[i])
		}
		dst, sizes, children = dst[n:], sizes[n:], children[2*n:]
	}
	if len(sizes) == 1 {
		dst[0] = Parent(sizes[0], children[0], children[1])
	}
}

// hashStage hashes the messages of size BLAKE2b blocks on the first n stages. Their last blocks have l.ending.step
// bytes.
func (l *lanes) hashStage(n, size int) {
	k := fitting(n)
	l.h, l.count = start, [maxLanes]uint64{}
	for i := range k.lanes {
		l.from[i] = unsafe.Pointer(&l.stage[i])
		l.ending.last[i] = ends
	}
	k.compress(&l.vectors, size)
}

// ends is the value of [ending].last for a lane whose message ends.
const ends = ^uint64(0)

// start is the state before the first block.
var start = func() (h [8][maxLanes]uint64) {
	for lane := range maxLanes {
		for i := range h {
			h[i][lane] = iv[i]
		}
		h[0][lane] ^= parameters
	}
	return h
}()

// digest writes the digest of a lane's message.
func (l *lanes) digest(lane int, dst *Digest) {
	binary.LittleEndian.PutUint64(dst[0:], l.h[0][lane])
	binary.LittleEndian.PutUint64(dst[8:], l.h[1][lane])
	binary.LittleEndian.PutUint64(dst[16:], l.h[2][lane])
	binary.LittleEndian.PutUint64(dst[24:], l.h[3][lane])
}
