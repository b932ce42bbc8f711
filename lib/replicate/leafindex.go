package replicate

import (
	"context"
	"encoding/binary"
	"iter"
	"sync"
	"time"

	"hc/lib/hash"
	"hc/lib/hypercore"
	"hc/lib/objects"
)

// leafIndex finds blocks of one core by their leaf hashes, in those parts of it that readers hold. It is made as it is asked for, a
// part for each question. Safe for concurrent use.
type leafIndex struct {
	fork    uint64
	counted int       // leaves that it may have; guarded by the server's mu
	used    time.Time // last; likewise

	mu     sync.Mutex        // guards all below
	pages  map[uint64]uint64 // how many leaves of a page were looked at
	blocks map[uint64]uint64 // by the beginning of their leaf hash
}

const (
	indexPage  = 4096    // blocks
	maxIndexed = 1 << 20 // leaves, over all cores: some 40 MB
	mostPages  = 32      // that one question adds: about 0.1 s
	pagePart   = 4       // a question for so many leaves adds a page
	indexIdle  = time.Minute
)

// leafIndex returns the index of a core under a fork; one without room if nobody reads the core any more.
func (s *Server) leafIndex(core *servedCore, fork uint64) *leafIndex {
	s.mu.Lock()
	defer s.mu.Unlock()
	if core.users == 0 {
		return newLeafIndex(fork)
	}
	if core.leaves != nil && core.leaves.fork != fork {
		s.forgetLeaves(core)
	}
	if core.leaves == nil {
		core.leaves = newLeafIndex(fork)
	}
	core.leaves.used = time.Now()
	return core.leaves
}

func newLeafIndex(fork uint64) *leafIndex {
	return &leafIndex{fork: fork, pages: map[uint64]uint64{}, blocks: map[uint64]uint64{}}
}

// forgetLeaves drops a core's index; who looks something up in it may end that. s.mu is held.
func (s *Server) forgetLeaves(core *servedCore) {
	if core.leaves != nil {
		s.leaves -= core.leaves.counted
		core.leaves = nil
	}
}

// roomForLeaves counts leaves that are added to a core's index, if there is room for them, or comes to be as others have been idle.
func (s *Server) roomForLeaves(core *servedCore, index *leafIndex, leaves int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if core.leaves != index {
		return false
	}
	if s.leaves+leaves > maxIndexed {
		for _, other := range s.cores {
			if other != core && other.leaves != nil && time.Since(other.leaves.used) > indexIdle {
				s.forgetLeaves(other)
			}
		}
	}
	if s.leaves+leaves > maxIndexed {
		return false
	}
	s.leaves += leaves
	index.counted += leaves
	return true
}

// extend adds some of what the reader holds: most likely his blocks are like those at the beginning of it, or short before the ones
// that he asks for. What cannot be read is passed over.
func (x *leafIndex) extend(ctx context.Context, snapshot *hypercore.Snapshot, held []objects.Span, first, count uint64, room func(leaves int) bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	length := snapshot.Head().Length
	left := min(count/pagePart, mostPages)
	for page := range heldPages(held, first) {
		if left == 0 || ctx.Err() != nil {
			return
		}
		from, end := page*indexPage+x.pages[page], min((page+1)*indexPage, length)
		if from >= end {
			continue
		}
		if !room(int(end - from)) {
			return
		}
		x.add(ctx, snapshot, from, end)
		x.pages[page] = end - page*indexPage
		left--
	}
}

func (x *leafIndex) add(ctx context.Context, snapshot *hypercore.Snapshot, from, end uint64) {
	for block := from; block < end; block++ {
		leaf, err := snapshot.Node(ctx, 2*block)
		if err != nil {
			continue
		}
		prefix := leafPrefix(leaf.Hash)
		if other, there := x.blocks[prefix]; !there || block < other { // more readers have the older one
			x.blocks[prefix] = block
		}
	}
}

func leafPrefix(leaf hash.Digest) uint64 { return binary.LittleEndian.Uint64(leaf[:]) }

// find returns a block that has a leaf hash which begins in the same way.
func (x *leafIndex) find(leaf hash.Digest) (block uint64, ok bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	block, ok = x.blocks[leafPrefix(leaf)]
	return block, ok
}

// heldPages are the pages of what a reader holds, in the order in which they are of use to one who asks for a block: of each span
// the first one, then from its end on down; the nearest spans below the block go before all others.
func heldPages(held []objects.Span, asked uint64) iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		below := 0
		for below < len(held) && held[below].First < asked {
			below++
		}
		for i := range held {
			span := held[i]
			if i < below {
				span = held[below-1-i]
			}
			first, last := span.First/indexPage, (span.First+span.Count-1)/indexPage
			if !yield(first) {
				return
			}
			for page := last; page > first; page-- {
				if !yield(page) {
					return
				}
			}
		}
	}
}
