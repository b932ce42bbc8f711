package hash

import (
	"encoding"
	"encoding/binary"
	"unsafe"
)

// A long message goes through its lane in stretches: the block that starts with its head, on the stage; the whole
// blocks that follow, read in place; and its last block, on the stage again, padded with zeros. All lanes advance
// together, by the shortest stretch. A lane whose message ends takes the next waiting one, so the messages need not
// be of one length.
type lane struct {
	message int    // number of the message; none if the lane is idle
	block   []byte // the message without its head
	blocks  int    // left in the stretch
}

const (
	none = -1

	// maxBlocks is how many blocks of a lane are hashed in one call: a goroutine cannot be stopped in assembly, so a
	// garbage collection would have to wait.
	maxBlocks = 512

	// alone is how many bytes the last message must have left to continue on its own: a block then takes 0.8 times as
	// long as in one of four lanes and half as long as in one of eight, but the state has to be handed over.
	alone = 4 * blockSize
)

// A queue returns the numbers of the long blocks, roughly from the longest down: at the end, when some lanes are
// idle, the others should not have to continue for long.
type queue struct {
	blocks     [][]byte
	left       int
	next       int
	over, upTo int // the range of lengths that is returned now
	longest    int
	bytes      int // of all long blocks
}

func newQueue(blocks [][]byte, left, longest, bytes int) queue {
	return queue{blocks: blocks, left: left, over: max(longest/2, shortLeaf), upTo: longest, longest: longest, bytes: bytes}
}

// A block in each of eight lanes takes wide/narrow times as long as one in each of four.
const wide, narrow = 5, 4

// kernel returns the kernel that is likely to finish first. With six blocks in eight lanes, the longest sets the
// time: two lanes are idle throughout, and the others once their own blocks have ended.
func (q *queue) kernel() kernel {
	first, widest := kernels[0], fitting(q.left)
	if narrow*max(q.longest, q.bytes/first.lanes) < wide*max(q.longest, q.bytes/widest.lanes) {
		return first
	}
	return widest
}

func (q *queue) take() int {
	q.left--
	for {
		for i := q.next; i < len(q.blocks); i++ {
			if n := len(q.blocks[i]); q.over < n && n <= q.upTo {
				q.next = i + 1
				return i
			}
		}
		q.next, q.upTo, q.over = 0, q.over, max(q.over/2, shortLeaf)
	}
}

// longLeaves hashes the blocks of a queue.
func (l *lanes) longLeaves(dst []Digest, blocks [][]byte, waiting *queue) {
	k := waiting.kernel()
	busy := 0
	for i := range k.lanes {
		l.lane[i].message = none
		if waiting.left > 0 {
			l.begin(i, waiting.take(), blocks)
			busy++
		}
	}
	for busy > 1 || busy == 1 && !l.finishAlone(dst) {
		if first := kernels[0]; busy <= first.lanes && k.lanes > first.lanes {
			l.moveDown(k.lanes, first.lanes)
			k = first
		}
		n := l.ready(k.lanes)
		k.compress(&l.vectors, n)
		for i := range k.lanes {
			if l.lane[i].message == none || !l.advance(i, n) {
				continue
			}
			l.digest(i, &dst[l.lane[i].message])
			l.lane[i].message = none
			if waiting.left > 0 {
				l.begin(i, waiting.take(), blocks)
			} else {
				busy--
			}
		}
	}
	for i := range k.lanes { // keep no reference
		l.lane[i].block, l.from[i] = nil, nil
	}
}

// moveDown moves the messages in the first from lanes to the first to of them. Their stages stay where they are: a
// lane that reads from another one's stage is done with that before it needs another.
func (l *lanes) moveDown(from, to int) {
	free := 0
	for i := to; i < from; i++ {
		if l.lane[i].message != none {
			for l.lane[free].message != none {
				free++
			}
			l.move(i, free)
		}
		l.lane[i], l.from[i] = lane{message: none}, nil
	}
}

func (l *lanes) move(from, to int) {
	for k := range l.h {
		l.h[k][to] = l.h[k][from]
	}
	l.count[to], l.from[to], l.lane[to] = l.count[from], l.from[from], l.lane[from]
	l.ending.step[to], l.ending.last[to] = l.ending.step[from], l.ending.last[from]
}

// begin assigns a block to lane i.
func (l *lanes) begin(i, message int, blocks [][]byte) {
	block := blocks[message]
	l.lane[i] = lane{message: message, block: block}
	for k := range l.h {
		l.h[k][i] = start[k][i]
	}
	l.count[i] = 0
	stage := &l.stage[i]
	stage[0] = typeLeaf
	binary.LittleEndian.PutUint64(stage[1:], uint64(len(block)))
	copy(stage[headSize:blockSize], block)
	l.stretch(i, unsafe.Pointer(stage), 1, blockSize, 0)
}

// stretch sets the blocks that lane i hashes next.
func (l *lanes) stretch(i int, from unsafe.Pointer, blocks, step int, last uint64) {
	l.lane[i].blocks, l.from[i] = blocks, from
	l.ending.step[i], l.ending.last[i] = uint64(step), last
}

// ready returns how many blocks of each lane can be hashed now. Idle lanes read the same data as a busy one.
func (l *lanes) ready(lanes int) int {
	n, busy := maxBlocks, 0
	for i := range lanes {
		if l.lane[i].message != none {
			n, busy = min(n, l.lane[i].blocks), i
		}
	}
	for i := range lanes {
		if l.lane[i].message == none {
			l.from[i] = l.from[busy]
		}
	}
	return n
}

// advance moves lane i forward by n blocks, and reports whether its message has ended.
func (l *lanes) advance(i, n int) (ended bool) {
	if l.ending.last[i] == ends {
		return true
	}
	ln := &l.lane[i]
	if ln.blocks -= n; ln.blocks > 0 {
		l.from[i] = unsafe.Add(l.from[i], n*blockSize)
		return false
	}
	rest := ln.block[l.count[i]-headSize:]
	if len(rest) > blockSize {
		l.stretch(i, unsafe.Pointer(&rest[0]), (len(rest)-1)/blockSize, blockSize, 0)
		return false
	}
	stage := &l.stage[i]
	clear(stage[copy(stage[:], rest):blockSize])
	l.stretch(i, unsafe.Pointer(stage), 1, len(rest), ends)
	return false
}

// finishAlone hashes the rest of the only message left, if that is long enough.
func (l *lanes) finishAlone(dst []Digest) bool {
	i := 0
	for l.lane[i].message == none {
		i++
	}
	ln := &l.lane[i]
	if l.count[i] == 0 {
		dst[ln.message] = Leaf(ln.block)
		return true
	}
	rest := ln.block[l.count[i]-headSize:]
	if len(rest) < alone {
		return false
	}
	s := states.Get().(*state)
	l.save(i)
	if err := s.Hash.(encoding.BinaryUnmarshaler).UnmarshalBinary(l.saved[:]); err != nil {
		panic("hash: internal error: " + err.Error())
	}
	s.Write(rest)
	s.Sum(s.out[:0])
	dst[ln.message] = s.out
	states.Put(s)
	return true
}

// The state of golang.org/x/crypto/blake2b as it is marshaled, with an empty buffer:
//
//	offset  size  field
//	     0     3  magic    "b2b"
//	     3    64  h        8 × u64be
//	    67    16  count    2 × u64be, lower half first
//	    83     1  size     of the digest
//	    84   128  block    the bytes that wait
//	   212     1  offset   their number
const savedSize = 213

// save writes the state of lane i.
func (l *lanes) save(i int) {
	b := append(l.saved[:0], "b2b"...)
	for k := range l.h {
		b = binary.BigEndian.AppendUint64(b, l.h[k][i])
	}
	b = binary.BigEndian.AppendUint64(b, l.count[i])
	b = binary.BigEndian.AppendUint64(b, 0)
	_ = append(b, Size)
}
