package hypercore

import (
	"bytes"
	"io"
	"sync"

	"hc/lib/lent"
	"hc/lib/store"
)

// Bounds on the memory that small blocks keep from being reused. A block holds the memory of its whole run, and every
// block may be of another run.
const (
	mostLent  = 4 << 20 // bytes beyond which a small block is copied, unless other blocks in the same memory are lent
	lentWhole = 8       // a block smaller than its memory by more than this factor is small
)

// lendings are the blocks that a reader has not given back, and the memory in which they lie. It is safe for
// concurrent use.
type lendings struct {
	mu     sync.Mutex
	blocks map[uint64][]loan // one loan for each time that the reader got the block
	all    map[*lent.Memory]*lentMemory
	last   *lentMemory // in which the next block usually lies
	bytes  int         // of all
}

// loan is a block that is out.
type loan struct {
	of     *lentMemory // nil: the reader has a copy
	pack   io.ReaderAt // the file with the block at offset; nil: there is none
	offset int64
}

// lentMemory is memory that is held for as long as blocks in it are out.
type lentMemory struct {
	memory *lent.Memory
	blocks int
}

func newLendings() *lendings {
	return &lendings{blocks: make(map[uint64][]loan), all: make(map[*lent.Memory]*lentMemory)}
}

// lend takes a block, with the caller's hold on its memory, and returns the bytes for the reader.
func (l *lendings) lend(index uint64, block store.LentBlock) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	from := l.of(block.Memory)
	if from == nil {
		from = l.begin(block.Memory, len(block.Data))
	} else {
		block.Memory.Release() // it is held already
	}
	l.blocks[index] = append(l.blocks[index], loan{from, block.Pack, block.Offset})
	if from == nil {
		defer block.Memory.Release()
		return bytes.Clone(block.Data)
	}
	from.blocks++
	return block.Data
}

// place returns where a lent block lies in a file, if it does.
func (l *lendings) place(block uint64) (pack io.ReaderAt, offset int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if out := l.blocks[block]; len(out) > 0 {
		return out[0].pack, out[0].offset
	}
	return nil, 0
}

// of returns the entry of memory that is held because other blocks in it are out, else nil. mu is held.
func (l *lendings) of(memory *lent.Memory) *lentMemory {
	if l.last == nil || l.last.memory != memory {
		l.last = l.all[memory]
	}
	return l.last
}

// begin starts lending memory for a block of the given size; nil: the memory is too large for the block. mu is held.
func (l *lendings) begin(memory *lent.Memory, block int) *lentMemory {
	size := len(memory.Bytes())
	if block < size/lentWhole && l.bytes+size > mostLent {
		return nil
	}
	l.bytes += size
	l.last = &lentMemory{memory: memory}
	l.all[memory] = l.last
	return l.last
}

// giveBack takes back a block; it does nothing if the reader does not have it.
func (l *lendings) giveBack(block uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := l.blocks[block]
	if len(out) == 0 {
		return
	}
	l.end(out[0].of)
	if len(out) == 1 {
		delete(l.blocks, block)
		return
	}
	l.blocks[block] = out[1:]
}

// end ends the loan of one block, and with the last one the loan of its memory. mu is held.
func (l *lendings) end(from *lentMemory) {
	if from == nil {
		return
	}
	if from.blocks--; from.blocks > 0 {
		return
	}
	delete(l.all, from.memory)
	l.bytes -= len(from.memory.Bytes())
	if l.last == from {
		l.last = nil
	}
	from.memory.Release()
}
