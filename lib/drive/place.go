package drive

import (
	"context"
	"fmt"
	"math"
	"slices"

	"hc/lib/hash"
	"hc/lib/hyperdrive"
	"hc/lib/merkle"
	"hc/lib/store"
)

// A map costs a block of its own, with its place in the tree, and a look-up for each reader. So a small file that
// shares less than this with existing blocks is written as a whole.
const (
	mapCost   = 8 << 10 // bytes
	pieceCost = 8       // bytes, for each piece
)

const fresh = math.MaxUint64 // no block: it has to be appended

// content is where a file's blocks are in the blobs core. Lengths are kept separately, in four bytes each, since most
// files, those of one run, never need them.
type content struct {
	runs    []hyperdrive.Run
	lengths []uint32
}

func (c *content) add(block uint64, size int) {
	c.lengths = append(c.lengths, uint32(size))
	if last := len(c.runs) - 1; last >= 0 && c.runs[last].First+c.runs[last].Count == block {
		c.runs[last].Count++
		return
	}
	c.runs = append(c.runs, hyperdrive.Run{First: block, Count: 1})
}

// maps calls each with the blocks of the map, in order.
func (c *content) maps(each func(block []byte) error) error {
	atOnce, err := hyperdrive.PiecesAtOnce(len(c.lengths))
	if err != nil {
		return err
	}
	pieces := make([]hyperdrive.Piece, 0, min(atOnce, len(c.lengths)))
	lengths := c.lengths
	for _, run := range c.runs {
		for block := run.First; block < run.First+run.Count; block++ {
			pieces, lengths = append(pieces, hyperdrive.Piece{Block: block, Length: uint64(lengths[0])}), lengths[1:]
			if len(pieces) < atOnce && len(lengths) > 0 {
				continue
			}
			if err := each(hyperdrive.EncodeMapBlock(pieces)); err != nil {
				return err
			}
			pieces = pieces[:0]
		}
	}
	return nil
}

// place puts the blocks of a part where the core has them already, or appends them.
func (im *importer) place(ctx context.Context, p *part) error {
	at, err := im.findAll(ctx, p)
	if err != nil {
		return err
	}
	for i := 0; i < len(at); {
		if at[i] != fresh {
			im.content.add(at[i], len(p.blocks[i]))
			im.stood.found(at[i], len(p.blocks[i]))
			im.result.Reused += uint64(len(p.blocks[i]))
			i++
			continue
		}
		end := i + 1
		for end < len(at) && at[end] == fresh {
			end++
		}
		old, err := im.stood.here(ctx, im.known.view, im.runs, end-i)
		if err != nil {
			return err
		}
		if err := im.append(ctx, p.leaves[i:end], p.blocks[i:end], old); err != nil {
			return err
		}
		i = end
	}
	return nil
}

// findAll returns for each block of a part its number in the core if it is there already, else fresh.
func (im *importer) findAll(ctx context.Context, p *part) ([]uint64, error) {
	at := im.at[:0]
	saved := 0
	one := true // the whole part is one existing run
	for i, block := range p.blocks {
		found, ok, err := im.known.find(ctx, p.leaves[i], len(block))
		if err != nil {
			return nil, err
		}
		if ok {
			saved += len(block)
		} else {
			found = fresh
		}
		at = append(at, found)
		one = one && ok && found == at[0]+uint64(i)
	}
	im.at = at
	if p.first && p.last && !one && saved < mapCost+pieceCost*len(at) {
		for i := range at {
			at[i] = fresh
		}
	}
	return at, nil
}

// append puts blocks at the end of the core. old are the blocks that they replace in the file.
func (im *importer) append(ctx context.Context, leaves []hash.Digest, blocks [][]byte, old []uint64) error {
	if err := im.blobs.Stood(ctx, old); err != nil {
		return err
	}
	first := im.blobs.Length()
	if err := im.blobs.AppendHashed(ctx, leaves, blocks); err != nil {
		return err
	}
	for i, leaf := range leaves {
		im.offsets.add(len(blocks[i]))
		im.known.add(leaf, first+uint64(i))
		im.content.add(first+uint64(i), len(blocks[i]))
		im.stood.appended(len(blocks[i]))
		im.result.Blocks++
		im.result.Bytes += uint64(len(blocks[i]))
	}
	return nil
}

// blob returns the entry's blob for the content: the previous one if the content has not moved; else a run, or a map,
// which is appended after the blocks.
func (im *importer) blob(ctx context.Context) (hyperdrive.Blob, error) {
	c := &im.content
	if im.unmoved() {
		return *im.before.Entry.Blob, nil
	}
	if len(c.runs) == 0 {
		return hyperdrive.Blob{BlockOffset: im.blobs.Length(), ByteOffset: im.blobs.ByteLength()}, nil
	}
	blob := hyperdrive.Blob{BlockOffset: c.runs[0].First, BlockLength: c.runs[0].Count}
	if len(c.runs) == 1 {
		for _, length := range c.lengths {
			blob.ByteLength += uint64(length)
		}
		var err error
		blob.ByteOffset, err = im.byteOffset(ctx, blob.BlockOffset)
		return blob, err
	}
	return im.appendMap(ctx)
}

// appendMap appends the map of the content.
func (im *importer) appendMap(ctx context.Context) (hyperdrive.Blob, error) {
	blob := hyperdrive.Blob{BlockOffset: im.blobs.Length(), ByteOffset: im.blobs.ByteLength(), Map: true}
	if err := im.blobs.Stood(ctx, im.oldMap()); err != nil {
		return blob, err
	}
	err := im.content.maps(func(block []byte) error {
		im.offsets.add(len(block))
		im.result.Blocks++
		return im.blobs.Append(ctx, block)
	})
	blob.BlockLength = im.blobs.Length() - blob.BlockOffset
	blob.ByteLength = im.blobs.ByteLength() - blob.ByteOffset
	return blob, err
}

// oldMap returns the map blocks of the file's last version.
func (im *importer) oldMap() (blocks []uint64) {
	if im.before == nil || im.before.Entry.Blob == nil || !im.before.Entry.Blob.Map {
		return nil
	}
	b := im.before.Entry.Blob
	for i := uint64(0); i < b.BlockLength && i < mostStood; i++ {
		blocks = append(blocks, b.BlockOffset+i)
	}
	return blocks
}

// unmoved reports whether the content is where the file's last version has it.
func (im *importer) unmoved() bool {
	if im.before == nil || im.before.Entry.Blob == nil {
		return false
	}
	return slices.Equal(im.content.runs, im.runs) && (len(im.runs) > 0 || im.before.Entry.Blob.Empty())
}

// byteOffset returns the number of bytes in the blobs core before a block.
func (im *importer) byteOffset(ctx context.Context, block uint64) (uint64, error) {
	if block >= im.known.length {
		return im.offsets.of(block), nil
	}
	return byteOffset(ctx, im.known.view, block)
}

// byteOffset returns the number of bytes in a core before a block.
func byteOffset(ctx context.Context, view *store.View, block uint64) (uint64, error) {
	before, err := merkle.RootsFrom(ctx, view, block)
	if err != nil {
		return 0, fmt.Errorf("finding block %d of core %v: %w", block, view.Key(), err)
	}
	return merkle.ByteLength(before), nil
}

// offsets knows where the blocks are that this import has appended: the tree has them only after the commit.
type offsets struct {
	first uint64 // block
	end   uint64 // bytes up to the last block
	sizes []uint32
	marks []uint64 // bytes before each markEvery-th block
}

const markEvery = 1024

func (o *offsets) add(size int) {
	if len(o.sizes)%markEvery == 0 {
		o.marks = append(o.marks, o.end)
	}
	o.sizes = append(o.sizes, uint32(size))
	o.end += uint64(size)
}

// of returns the number of bytes before a block, which is not before the first one.
func (o *offsets) of(block uint64) uint64 {
	at := int(block - o.first)
	if at >= len(o.sizes) {
		return o.end
	}
	offset := o.marks[at/markEvery]
	for _, size := range o.sizes[at/markEvery*markEvery : at] {
		offset += uint64(size)
	}
	return offset
}
