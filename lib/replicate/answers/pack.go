package answers

import (
	"context"

	"hc/lib/hash"
	"hc/lib/hypercore"
	"hc/lib/objects"
	"hc/lib/store"
)

// PackOptions say what an answer with blocks may have.
type PackOptions struct {
	Most int                              // bytes of blocks, unless it is a single one, or a run of up to objects.MaxRaw: see Most
	Long func(bytes int) error            // waits for room for a block, or a run, longer than that; nil: there is room
	Base func(hash.Digest) (uint64, bool) // finds the block with a leaf hash among those that the reader holds, as the base of a delta; nil: it holds none
	Maps []objects.Span                   // blocks held by a reader that takes maps of them; nil: it takes none
}

// Pack packs the blocks of spans in order, as many as an answer may have, and if possible in the form they are stored in. It
// returns the pieces, whose payloads are appended to the frame, and how many blocks they have. An error says why it ended
// early; the blocks before it are good.
func Pack(ctx context.Context, from *hypercore.Snapshot, spans []objects.Span, frame *Frame, options PackOptions) (pieces []objects.Piece, count int, err error) {
	p := packer{PackOptions: options, ctx: ctx, from: from, frame: frame}
	for _, span := range spans {
		if !p.add(span) {
			break
		}
	}
	p.flush()
	return p.pieces, p.count, p.err
}

// packer makes the pieces of one answer.
type packer struct {
	PackOptions
	ctx    context.Context
	from   *hypercore.Snapshot
	frame  *Frame // has the payloads of pieces
	pieces []objects.Piece
	count  int // blocks in them, and in loose
	raw    int // bytes of all these blocks
	err    error

	mapped     int      // bytes of maps among the pieces
	loose      [][]byte // blocks for the next piece
	compressed bool     // the loose ones are stored compressed
}

// add takes the blocks of a span; false if the answer ends within it.
func (p *packer) add(span objects.Span) bool {
	for at, end := span.First, span.First+span.Count; at < end; {
		extent, err := p.from.Extent(p.ctx, at, end)
		if err != nil {
			p.err = err
			return false
		}
		if extent.Whole && p.count > 0 && p.full(int(extent.Count), extent.Bytes) {
			return false // the next question gets it as it is stored
		}
		if p.count == 0 && extent.Bytes > p.Most && p.Long != nil {
			if p.err = p.Long(extent.Bytes); p.err != nil {
				return false
			}
		}
		maps := p.mapsIn(at, extent)
		if extent.Whole && len(maps) == 0 && p.addStored(extent) {
			at += extent.Count
			continue
		}
		if extent.Delta && p.addDelta(extent) {
			at++
			continue
		}
		for stop := at + extent.Count; at < stop; at++ {
			if piece, ok := maps[at]; ok && !p.full(1, piece.Raw) {
				if p.mapped += piece.Raw; p.mapped > objects.MaxMap {
					return false // the rest is asked for again
				}
				p.flush()
				p.addPiece(append(p.frame.reserve(len(piece.Payload)), piece.Payload...), piece)
				continue
			}
			if !p.addLoose(at, !extent.Raw) {
				return false
			}
		}
	}
	return true
}

// addStored adds a run as it is stored, if it can be read and there is room for it.
func (p *packer) addStored(extent store.Extent) bool {
	if p.full(int(extent.Count), extent.Bytes) {
		return false
	}
	p.flush()
	run, b, err := p.from.Payload(p.ctx, extent, p.frame.reserve(extent.Bytes))
	if err != nil { // its blocks may be elsewhere, too; reading them says why not
		return false
	}
	p.addPiece(b, objects.Piece{
		Zstd: run.Zstd, Lines: run.Lines, Count: int(extent.Count), Raw: run.Raw, Lengths: run.Lengths, Payload: run.Payload,
	})
	return true
}

// addDelta adds a block as a delta against one that the reader holds, if it is stored as that and there is room for it.
func (p *packer) addDelta(extent store.Extent) bool {
	if p.Base == nil || p.full(1, extent.Bytes) {
		return false
	}
	p.flush()
	delta, b, err := p.from.StoredDelta(p.ctx, extent, p.frame.reserve(extent.Bytes))
	if err != nil { // the block may be elsewhere, too; reading it says why not
		return false
	}
	base, ok := p.Base(delta.Base)
	if !ok {
		return false
	}
	p.addPiece(b, objects.Piece{
		Delta: true, Base: base, Count: 1, Raw: extent.Bytes, Lengths: []uint32{uint32(extent.Bytes)}, Payload: delta.Frame,
	})
	return true
}

// addPiece adds a piece whose payload was appended to the frame, which is now b.
func (p *packer) addPiece(b []byte, piece objects.Piece) {
	p.frame.b = b
	p.pieces = append(p.pieces, piece)
	p.count, p.raw = p.count+piece.Count, p.raw+piece.Raw
}

// leastMap is the least size in bytes of a block that may be sent as a map.
const leastMap = 512

// mapsIn returns the blocks of an extent that can be sent as maps of blocks that the reader holds. A reader asks for a map
// alone, as it does not know yet what else it needs. So maps are looked for only if little is asked for.
func (p *packer) mapsIn(first uint64, extent store.Extent) map[uint64]objects.Piece {
	if p.Maps == nil || extent.Delta {
		return nil
	}
	var maps map[uint64]objects.Piece
	for block := first; block < first+extent.Count; block++ {
		size, ok := p.length(block)
		if !ok || size < leastMap || size > objects.MaxMap {
			continue
		}
		data, err := p.from.Block(p.ctx, block)
		if err != nil { // reported when it is added like any other
			continue
		}
		if piece, ok := objects.PackMap(data, p.Maps, p.length); ok {
			if maps == nil {
				maps = map[uint64]objects.Piece{}
			}
			maps[block] = piece
		}
	}
	return maps
}

func (p *packer) length(block uint64) (int, bool) {
	leaf, err := p.from.Node(p.ctx, 2*block)
	return int(leaf.Size), err == nil
}

func (p *packer) full(blocks, bytes int) bool {
	if p.count == 0 && blocks == 1 {
		return false
	}
	most := p.Most
	if p.count == 0 {
		most = objects.MaxRaw // a single run is sent whole: cutting it would mean to compress it again
	}
	return p.count+blocks > objects.MaxBlocks || p.raw+bytes > most || len(p.pieces) >= objects.MaxPieces-2
}

func (p *packer) addLoose(block uint64, compressed bool) bool {
	data, err := p.from.Block(p.ctx, block)
	if err != nil {
		p.err = err
		return false
	}
	if p.full(1, len(data)) {
		return false
	}
	if compressed != p.compressed {
		p.flush()
		p.compressed = compressed
	}
	p.loose = append(p.loose, data)
	p.count, p.raw = p.count+1, p.raw+len(data)
	return true
}

// flush makes a piece of the loose blocks.
func (p *packer) flush() {
	if len(p.loose) == 0 {
		return
	}
	bytes := 0
	for _, block := range p.loose {
		bytes += len(block)
	}
	var piece objects.Piece
	piece, p.frame.b = objects.Pack(p.frame.reserve(bytes), p.loose, p.compressed)
	p.pieces = append(p.pieces, piece)
	clear(p.loose)
	p.loose = p.loose[:0]
}
