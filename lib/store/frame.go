package store

import (
	"context"

	"github.com/klauspost/compress/zstd"

	"hc/lib/hash"
	"hc/lib/merkle"
	"hc/lib/store/packlog"
)

// leastFrame is the fewest bytes of blocks that are stored as a run of their own because they came as one. Fewer join their
// neighbours: a run costs an entry of its own, and small frames compress badly.
const leastFrame = 32 << 10

// FrameFits reports whether neighbouring blocks that came compressed together may become a run as they came, going by their
// number, their bytes, and those of the frame.
func FrameFits(count, raw, frame int) bool {
	return count <= shortBlocks && raw >= leastFrame && raw <= maxBlock && (raw <= runBytes || count == 1) && frame <= raw-raw/worthIt
}

// PutFrame is Put for neighbouring blocks, from first on, that came compressed together, in a frame which the caller has decoded to
// exactly these bytes. Where they are new here, and the frame is one that a run may have, it is stored as it is; else as by
// Put. The frame is not to be changed before the transaction has ended.
func (tx *Tx) PutFrame(ctx context.Context, first uint64, leaves []hash.Digest, blocks [][]byte, frame []byte) error {
	if err := tx.check(); err != nil {
		return err
	}
	return tx.failed("storing blocks of", tx.putFrame(ctx, first, leaves, blocks, frame))
}

func (tx *Tx) putFrame(ctx context.Context, first uint64, leaves []hash.Digest, blocks [][]byte, frame []byte) error {
	asCame, err := tx.takesFrame(ctx, first, leaves, blocks, frame)
	if err != nil {
		return err
	}
	if !asCame {
		for i, block := range blocks {
			if err := tx.put(ctx, first+uint64(i), leaves[i], block); err != nil {
				return err
			}
		}
		return nil
	}
	run, err := tx.runs.addFrame(ctx, leaves, blocks, frame)
	if err != nil {
		return err
	}
	for i, block := range blocks {
		if !tx.options.Short {
			tx.own.add(leaves[i], len(block))
		}
		p := putBlock{block: first + uint64(i), ref: leafRef{uint64(len(block)), leaves[i]}, run: run, at: uint32(i)}
		if err := tx.putInto(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// takesFrame reports whether blocks are stored as they came.
func (tx *Tx) takesFrame(ctx context.Context, first uint64, leaves []hash.Digest, blocks [][]byte, frame []byte) (bool, error) {
	raw := 0
	for _, block := range blocks {
		raw += len(block)
	}
	if len(blocks) == 0 || first+uint64(len(blocks)) > merkle.MaxLength || !FrameFits(len(blocks), raw, len(frame)) || !isFrame(frame, raw) {
		return false, nil
	}
	for i, leaf := range leaves {
		p := putBlock{block: first + uint64(i), ref: leafRef{leaf: leaf}}
		if known, err := tx.knows(ctx, &p, false); known || err != nil {
			return false, err
		}
	}
	return true, nil
}

// isFrame reports whether data is one frame and nothing else, as a run of so many bytes may have it (FORMAT.md), going by
// what can be seen without decoding it.
func isFrame(data []byte, raw int) bool {
	var h zstd.Header
	if h.Decode(data) != nil || h.Skippable || h.DictionaryID != 0 || h.HasFCS && h.FrameContentSize != uint64(raw) {
		return false
	}
	if h.WindowSize > maxWindow || h.SingleSegment && raw > maxWindow {
		return false
	}
	const header = 3 // bytes before each block: 1 bit last, 2 bits type, 21 bits size
	at := h.HeaderSize
	for last := false; !last; {
		if len(data)-at < header {
			return false
		}
		word := uint32(data[at]) | uint32(data[at+1])<<8 | uint32(data[at+2])<<16
		size := int(word >> 3)
		if word>>1&3 == 1 { // one byte, so many times
			size = 1
		}
		last = word&1 != 0
		at += header + size
	}
	if h.HasCheckSum {
		at += 4
	}
	return at == len(data)
}

// addFrame puts blocks into a run of their own, whose payload is there, and returns its ordinal. The payload is not copied.
func (w *runWriter) addFrame(ctx context.Context, leaves []hash.Digest, blocks [][]byte, frame []byte) (run uint32, err error) {
	if err := w.end(ctx); err != nil {
		return 0, err
	}
	m := runMeta{short: w.short, lines: w.short, codec: codecZstd, ordinal: w.ordinal, count: len(blocks)}
	for i, block := range blocks {
		m.lengths = append(m.lengths, uint32(len(block)))
		m.raw += len(block)
		ends := len(block) > 0 && block[len(block)-1] == '\n'
		m.lines = m.lines && isLine(block) && (ends || i == len(blocks)-1)
	}
	if !w.short {
		m.leaves = leaves
	}
	w.ordinal++
	job := &runJob{meta: m, record: packlog.Record{Kind: packlog.KindRun, Meta: m.encode(), Payload: frame}, lent: true}
	w.queue = append(w.queue, job)
	w.waiting += m.raw
	return m.ordinal, w.drain(ctx, m.raw)
}
