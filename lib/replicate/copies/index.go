package copies

import (
	"context"
	"encoding/binary"
	"iter"
	"sync"
	"time"

	"hc/lib/hash"
	"hc/lib/hypercore"
	"hc/lib/keys"
	"hc/lib/objects"
)

// Index finds blocks of one core by their leaf hashes, in those parts of it that readers hold. It is made as it is asked for, a
// part for each question. The zero value has nothing, and takes nothing in. Safe for concurrent use.
type Index struct {
	all     *Indexes // nil: there is no room in it
	core    keys.Key
	fork    uint64
	counted int       // leaves that it may have; guarded by all.mu
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

// Indexes are those of all cores that are read, which have a limit together. The zero value has none. Safe for concurrent use.
type Indexes struct {
	mu     sync.Mutex // guards all below, and what an Index says of itself
	leaves int        // that all of them may have
	of     map[keys.Key]*Index
}

// Of returns the index of a core under a fork, which takes the place of that of another fork.
func (a *Indexes) Of(core keys.Key, fork uint64) *Index {
	a.mu.Lock()
	defer a.mu.Unlock()
	index := a.of[core]
	if index == nil || index.fork != fork {
		a.forget(core)
		index = &Index{all: a, core: core, fork: fork, pages: map[uint64]uint64{}, blocks: map[uint64]uint64{}}
		if a.of == nil {
			a.of = map[keys.Key]*Index{}
		}
		a.of[core] = index
	}
	index.used = time.Now()
	return index
}

// Forget drops a core's index; who looks something up in it may end that.
func (a *Indexes) Forget(core keys.Key) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.forget(core)
}

// forget is Forget with mu held.
func (a *Indexes) forget(core keys.Key) {
	if index := a.of[core]; index != nil {
		a.leaves -= index.counted
		delete(a.of, core)
	}
}

// room counts leaves that are added to an index, if there is room for them, or comes to be as others have been idle.
func (a *Indexes) room(index *Index, leaves int) bool {
	if a == nil {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.of[index.core] != index {
		return false
	}
	if a.leaves+leaves > maxIndexed {
		for core, other := range a.of {
			if other != index && time.Since(other.used) > indexIdle {
				a.forget(core)
			}
		}
	}
	if a.leaves+leaves > maxIndexed {
		return false
	}
	a.leaves += leaves
	index.counted += leaves
	return true
}

// Extend adds some of what a reader holds who asks for count blocks from first on: most likely they are like those at the beginning of it, or
// short before the ones that he asks for. What cannot be read is passed over.
func (x *Index) Extend(ctx context.Context, snapshot *hypercore.Snapshot, held []objects.Span, first, count uint64) {
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
		if !x.all.room(x, int(end-from)) {
			return
		}
		x.add(ctx, snapshot, from, end)
		x.pages[page] = end - page*indexPage
		left--
	}
}

func (x *Index) add(ctx context.Context, snapshot *hypercore.Snapshot, from, end uint64) {
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

// Find returns a block that has a leaf hash which begins in the same way: the first one, of those that are known. It is to be compared.
func (x *Index) Find(leaf hash.Digest) (block uint64, ok bool) {
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
