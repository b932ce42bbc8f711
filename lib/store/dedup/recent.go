package dedup

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"

	"hc/lib/hash"
)

const (
	recentLimit = 64 << 10 // blocks
	recentChunk = 1 << 10  // blocks allocated at a time
)

// Recent is the sizes of the most recent blocks, recentLimit of them, by leaf hash. It takes about 45 bytes for each:
// two maps, one being filled while the other is still in use, would take four times as much. Its zero value is empty.
type Recent struct {
	chunks [recentLimit / recentChunk]*[recentChunk]recentBlock // the next block goes into the last one in use; when all are full, they are a ring
	count  int                                                  // blocks added so far
	first  []uint32                                             // the newest block of each bucket, by its place in the ring, plus 1; a power of two of them
	factor uint64                                               // which nobody can foresee, so that nobody makes blocks for one bucket
}

type recentBlock struct {
	leaf hash.Digest
	size uint32
	next uint32 // the next older one in its bucket, as in first
}

// Get returns the size in bytes of the block with a leaf hash, if it is one of these.
func (r *Recent) Get(leaf hash.Digest) (size uint32, ok bool) {
	if r.count == 0 {
		return 0, false
	}
	for at := r.first[r.bucket(&leaf)]; at > 0; {
		b := r.at(at)
		if b.leaf == leaf {
			return b.size, true
		}
		at = b.next
	}
	return 0, false
}

// at returns a block by its place plus 1.
func (r *Recent) at(place uint32) *recentBlock {
	return &r.chunks[(place-1)/recentChunk][(place-1)%recentChunk]
}

func (r *Recent) bucket(leaf *hash.Digest) uint64 {
	return binary.LittleEndian.Uint64(leaf[:]) * r.factor >> (64 - bits.Len(uint(len(r.first)-1)))
}

// Add adds a block, which may have come before.
func (r *Recent) Add(leaf hash.Digest, size int) {
	r.makeRoom()
	place := uint32(r.count%recentLimit) + 1
	chunk := &r.chunks[(place-1)/recentChunk]
	if *chunk == nil {
		*chunk = new([recentChunk]recentBlock)
	}
	if r.count >= recentLimit {
		r.forget(place)
	}
	*r.at(place) = recentBlock{leaf: leaf, size: uint32(size)}
	r.link(place)
	r.count++
}

func (r *Recent) link(place uint32) {
	b := r.at(place)
	bucket := &r.first[r.bucket(&b.leaf)]
	b.next, *bucket = *bucket, place
}

// forget takes the oldest block out of its bucket, in which it is the last one.
func (r *Recent) forget(place uint32) {
	at := &r.first[r.bucket(&r.at(place).leaf)]
	for *at != place {
		at = &r.at(*at).next
	}
	*at = r.at(place).next
}

// makeRoom adds buckets if there are fewer than blocks.
func (r *Recent) makeRoom() {
	if r.count < len(r.first) || len(r.first) == recentLimit {
		return
	}
	if r.first == nil {
		r.factor = rand.Uint64() | 1
	}
	r.first = make([]uint32, max(2*len(r.first), recentChunk))
	for place := range uint32(r.count) {
		r.link(place + 1)
	}
}
