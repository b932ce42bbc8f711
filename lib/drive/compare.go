package drive

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"

	"hc/lib/hash"
	"hc/lib/hyperdrive"
	"hc/lib/merkle"
)

// Chunk is a block of a file.
type Chunk struct {
	Leaf  hash.Digest
	Size  uint64
	Block uint64 // of the blobs
}

// EachChunk calls each with the blocks of a file, in order, without reading them. store.ErrBlockMissing or
// merkle.ErrNodeMissing if the tree is not here.
func (d *Drive) EachChunk(ctx context.Context, item hyperdrive.Item, each func(Chunk) error) error {
	if item.Entry.Blob == nil {
		return nil
	}
	return hyperdrive.EachRun(ctx, d.blobs, *item.Entry.Blob, func(run hyperdrive.Run) error {
		for block := run.First; block < run.First+run.Count; block++ {
			if err := ctx.Err(); err != nil {
				return err
			}
			node, err := d.blobs.node(ctx, merkle.Index(0, block))
			if err != nil {
				return err
			}
			if err := each(Chunk{Leaf: node.Hash, Size: node.Size, Block: block}); err != nil {
				return err
			}
		}
		return nil
	})
}

// ReadBlocks writes the bytes of blocks of the blobs.
func (d *Drive) ReadBlocks(ctx context.Context, blocks []uint64, w io.Writer) error {
	for _, block := range blocks {
		err := d.blobs.Blocks(ctx, block, 1, func(_ uint64, data []byte) error {
			_, err := w.Write(data)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Extent is neighbouring chunks of a file.
type Extent struct {
	Offset, Size uint64   // bytes
	Chunks       uint64   // number of chunks
	Blocks       []uint64 // of the blobs; only the first mostListed of them
}

// mostListed is how many blocks an extent lists at most.
const mostListed = 256 << 10

// Whole reports whether all blocks of the extent are listed.
func (e *Extent) Whole() bool { return uint64(len(e.Blocks)) == e.Chunks }

func (e *Extent) add(size, block uint64) {
	e.Size += size
	e.Chunks++
	if len(e.Blocks) < mostListed {
		e.Blocks = append(e.Blocks, block)
	}
}

// Region is a place where two versions of a file differ: chunks of the old one, and the chunks of the new one that
// replace them.
type Region struct{ Old, New Extent }

// MaxChunks is how many chunks the older of two compared versions may have: as many as a map can list.
const MaxChunks = hyperdrive.MaxPieces

// ErrManyChunks is returned for a version with more than MaxChunks chunks.
var ErrManyChunks = fmt.Errorf("more than %d chunks", MaxChunks)

// Comparison finds where two versions of a file differ, chunk by chunk. Like diff it looks for the chunks that both
// have, in order, but greedily: a chunk that occurs repeatedly is matched at its first occurrence. It takes all
// chunks of the old version, then those of the new one, and holds 36 bytes for each chunk of the old one.
type Comparison struct {
	old  oldChunks
	at   int    // the first of old that is neither in a region nor matched by a chunk of the new version so far
	next Region // its old chunks are not in it yet
	each func(Region) error
}

// NewComparison returns a comparison that calls each with the regions, in order.
func NewComparison(each func(Region) error) *Comparison { return &Comparison{each: each} }

// Old takes the old version's next chunk. It returns ErrManyChunks if there are too many.
func (c *Comparison) Old(chunk Chunk) error { return c.old.add(chunk) }

// New takes the new version's next chunk.
func (c *Comparison) New(chunk Chunk) error {
	to, found := c.old.find(shortLeaf(chunk.Leaf), c.at)
	if !found {
		c.next.New.add(chunk.Size, chunk.Block)
		return nil
	}
	if err := c.endRegion(to); err != nil {
		return err
	}
	c.at = to + 1
	c.next.Old.Offset += chunk.Size
	c.next.New.Offset += chunk.Size
	return nil
}

// End ends the new version.
func (c *Comparison) End() error { return c.endRegion(c.old.count) }

// endRegion reports the region before a chunk that both versions have, which is at to in the old one.
func (c *Comparison) endRegion(to int) error {
	for ; c.at < to; c.at++ {
		chunk := c.old.chunk(c.at)
		c.next.Old.add(chunk.size, chunk.block)
	}
	region := c.next
	if region.Old.Chunks == 0 && region.New.Chunks == 0 {
		return nil
	}
	c.next = Region{Extent{Offset: region.Old.Offset + region.Old.Size}, Extent{Offset: region.New.Offset + region.New.Size}}
	return c.each(region)
}

// oldChunks is the chunks of a version.
type oldChunks struct {
	parts [][]oldChunk // of chunksAtOnce each, so that growing copies little
	count int
	order []uint32 // those from some chunk on, by leaf, then by position; nil: not needed yet
}

const chunksAtOnce = 64 << 10

type oldChunk struct {
	leaf        [16]byte
	size, block uint64
}

// shortLeaf returns a part of a leaf hash that is long enough: it takes about 2^64 attempts to find another chunk
// with the same part.
func shortLeaf(leaf hash.Digest) [16]byte { return [16]byte(leaf[:16]) }

func (o *oldChunks) chunk(i int) *oldChunk { return &o.parts[i/chunksAtOnce][i%chunksAtOnce] }

func (o *oldChunks) add(chunk Chunk) error {
	if o.count == MaxChunks {
		return ErrManyChunks
	}
	if o.count%chunksAtOnce == 0 {
		o.parts = append(o.parts, nil)
	}
	last := &o.parts[len(o.parts)-1]
	*last = append(*last, oldChunk{leaf: shortLeaf(chunk.Leaf), size: chunk.Size, block: chunk.Block})
	o.count++
	return nil
}

// find returns the first chunk at or after from that has a leaf.
func (o *oldChunks) find(leaf [16]byte, from int) (int, bool) {
	if from == o.count {
		return 0, false
	}
	if o.chunk(from).leaf == leaf {
		return from, true
	}
	if o.order == nil {
		o.sort(from)
	}
	i, _ := slices.BinarySearchFunc(o.order, from, func(at uint32, from int) int {
		return cmp.Or(bytes.Compare(o.chunk(int(at)).leaf[:], leaf[:]), cmp.Compare(int(at), from))
	})
	if i == len(o.order) || o.chunk(int(o.order[i])).leaf != leaf {
		return 0, false
	}
	return int(o.order[i]), true
}

func (o *oldChunks) sort(from int) {
	o.order = make([]uint32, o.count-from)
	for i := range o.order {
		o.order[i] = uint32(from + i)
	}
	slices.SortFunc(o.order, func(a, b uint32) int {
		return cmp.Or(bytes.Compare(o.chunk(int(a)).leaf[:], o.chunk(int(b)).leaf[:]), cmp.Compare(a, b))
	})
}
