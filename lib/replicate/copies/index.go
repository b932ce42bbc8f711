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

// Index finds blocks of one core by their leaf hashes, in the parts that readers hold. It is built on demand, a part for each
// question. The zero value is empty, and has no room. Safe for concurrent use.
type Index struct {
	all     *Indexes // nil: it has no room
	core    keys.Key
	fork    uint64
	counted int       // leaves that it may have; guarded by all.mu
	used    time.Time // when it was last used; likewise

	mu     sync.Mutex        // guards all below
	pages  map[uint64]uint64 // how many leaves of a page were looked at
	blocks map[uint64]uint64 // by the beginning of their leaf hash
}

const (
	indexPage  = 4096    // blocks
	maxIndexed = 1 << 20 // leaves, over all cores: about 40 MB
	mostPages  = 32      // that one question adds: about 0.1 s
	pagePart   = 4       // a question adds a page for every 4 leaves it asks for
	indexIdle  = time.Minute
)

// Indexes are those of all cores that are read, with a common limit. The zero value has none. Safe for concurrent use.
type Indexes struct {
	mu     sync.Mutex // guards all below, and the fields of an Index that say so
	leaves int        // that all of them may have
	of     map[keys.Key]*Index
}

// Of returns the index of a core at a fork. It replaces that of another fork.
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

// Forget drops a core's index. A look-up in it may still finish.
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

// room counts leaves that are added to an index. If there is no room for them, it drops idle indexes first.
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

// Extend adds some of the blocks held by a reader that asks for count blocks from first on. Those are most likely equal to
// blocks at the beginning of what it holds, or shortly before first. Leaves that cannot be read are passed over.
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

// Find returns the first known block whose leaf hash begins in the same way. The caller has to compare it.
func (x *Index) Find(leaf hash.Digest) (block uint64, ok bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	block, ok = x.blocks[leafPrefix(leaf)]
	return block, ok
}

// heldPages yields the pages of what a reader holds, the most useful first for a question about the block asked: of each
// span the first page, then from its end downwards; the nearest spans below the block go before all others.
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
