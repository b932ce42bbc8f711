package hash

import (
	"encoding"
	"encoding/binary"
	"sync"
	"unsafe"
)

// lanes hashes many messages, [width] of them at a time. A lane whose message ends takes the next one that waits, so
// that it does not matter whether they are of one length.
//
// A message goes through its lane in stretches: the block that begins with its head, which is put together in the
// lane; the whole blocks that follow, read where they stand; and its last one, in the lane again, filled up with
// zeros. All lanes go on together, as far as the shortest stretch.
type lanes struct {
	vectors
	lane  [width]lane
	saved [savedSize]byte
}

type lane struct {
	message int    // its number; none if the lane is idle
	block   []byte // the message but for its head
	blocks  int    // of the stretch, to be hashed yet
	stage   [blockSize]byte
}

const (
	none = -1

	// maxBlocks is how many blocks of a lane are hashed at once: in assembly no goroutine can be stopped, and a
	// garbage collection would have to wait.
	maxBlocks = 512

	// alone is how many bytes a message must have left, if it is the last, to go on by itself: that takes 0.6 times as
	// long a block, but first its state has to be handed over.
	alone = 4 * blockSize
)

var lanePool = sync.Pool{New: func() any { return new(lanes) }}

// leaves is [Leaves], for two blocks and more.
func (l *lanes) leaves(dst []Digest, blocks [][]byte) {
	next, busy := 0, 0
	for i := range l.lane {
		l.lane[i].message = none
		if next < len(blocks) {
			l.begin(i, next, blocks[next])
			next++
			busy++
		}
	}
	for busy > 0 {
		if busy == 1 && l.finishAlone(dst) {
			break
		}
		n := l.ready()
		compress(&l.vectors, n)
		for i := range l.lane {
			if l.lane[i].message == none || !l.advance(i, n) {
				continue
			}
			l.digest(i, &dst[l.lane[i].message])
			l.lane[i].message = none
			if next < len(blocks) {
				l.begin(i, next, blocks[next])
				next++
			} else {
				busy--
			}
		}
	}
	for i := range l.lane { // keep no reference
		l.lane[i].block, l.from[i] = nil, nil
	}
}

// begin puts the first block of a message into lane i: its head, and as much as has room behind it.
func (l *lanes) begin(i, message int, block []byte) {
	for k := range iv {
		l.h[k][i] = iv[k]
	}
	l.h[0][i] ^= parameters
	l.count[i] = 0
	ln := &l.lane[i]
	ln.message, ln.block = message, block
	ln.stage[0] = typeLeaf
	binary.LittleEndian.PutUint64(ln.stage[1:], uint64(len(block)))
	l.put(i, headSize+copy(ln.stage[headSize:], block), headSize+len(block))
}

// put makes the stage's first n bytes the next block of lane i, of a message that has left bytes left.
func (l *lanes) put(i, n, left int) {
	ln := &l.lane[i]
	ln.blocks, l.from[i] = 1, unsafe.Pointer(&ln.stage)
	l.step[i], l.last[i] = uint64(n), 0
	if n == left {
		clear(ln.stage[n:])
		l.last[i] = ^uint64(0)
	}
}

// ready returns how many blocks of each lane can be hashed now. Idle lanes go along with a busy one.
func (l *lanes) ready() int {
	n, busy := maxBlocks, 0
	for i := range l.lane {
		if l.lane[i].message != none {
			n, busy = min(n, l.lane[i].blocks), i
		}
	}
	for i := range l.lane {
		if l.lane[i].message == none {
			l.from[i] = l.from[busy]
		}
	}
	return n
}

// advance moves lane i on by n blocks, and reports whether its message has ended.
func (l *lanes) advance(i, n int) (ended bool) {
	if l.last[i] != 0 {
		return true
	}
	ln := &l.lane[i]
	if ln.blocks -= n; ln.blocks > 0 {
		l.from[i] = unsafe.Add(l.from[i], n*blockSize)
		return false
	}
	rest := ln.block[l.count[i]-headSize:]
	if len(rest) > blockSize {
		ln.blocks, l.from[i] = (len(rest)-1)/blockSize, unsafe.Pointer(&rest[0])
		l.step[i] = blockSize
		return false
	}
	l.put(i, copy(ln.stage[:], rest), len(rest))
	return false
}

// digest writes what the message of lane i has come to.
func (l *lanes) digest(i int, dst *Digest) {
	for k := range Size / 8 {
		binary.LittleEndian.PutUint64(dst[8*k:], l.h[k][i])
	}
}

// finishAlone hashes what is left of the one message that there is, if it is long enough.
func (l *lanes) finishAlone(dst []Digest) bool {
	i := 0
	for l.lane[i].message == none {
		i++
	}
	ln := &l.lane[i]
	if l.count[i] == 0 || len(ln.block)-int(l.count[i]) < alone {
		return false
	}
	s := states.Get().(*state)
	l.save(i)
	if err := s.Hash.(encoding.BinaryUnmarshaler).UnmarshalBinary(l.saved[:]); err != nil {
		panic("hash: internal error: " + err.Error())
	}
	s.Write(ln.block[l.count[i]-headSize:])
	s.Sum(s.out[:0])
	dst[ln.message] = s.out
	states.Put(s)
	return true
}

// The state of golang.org/x/crypto/blake2b, as it marshals it, with no byte waiting:
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
