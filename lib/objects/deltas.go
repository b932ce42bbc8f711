package objects

import (
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"

	"hc/lib/compact"
	"hc/lib/zstdframe"
)

// AskDeltas asks for blocks, any of which may come as a delta against a block of the core that the reader holds.
type AskDeltas struct {
	AskBlocks
	Maps bool   // block maps may come as maps of such blocks, too
	Held []Span // ascending and apart
}

// Append appends the message's body.
func (m AskDeltas) Append(b []byte) []byte {
	flags := byte(0)
	if m.Maps {
		flags = flagMaps
	}
	return appendHeld(m.AskBlocks.append(b, flags), m.Held)
}

// DecodeAskDeltas reads the message's body.
func DecodeAskDeltas(b []byte) (AskDeltas, error) {
	d := compact.NewDecoder(b)
	blocks, flags := decodeAskBlocks(d, flagProve|flagMaps)
	m := AskDeltas{AskBlocks: blocks, Maps: flags&flagMaps != 0, Held: decodeHeld(d)}
	return m, finish("deltas?", d)
}

var deltaDecoders = sync.Pool{New: func() any { return newDecoder() }}

// unpackDelta fills into with the bytes of a block that came as a delta against base.
func (p Piece) unpackDelta(into, base []byte) error {
	d := deltaDecoders.Get().(*zstd.Decoder)
	defer deltaDecoders.Put(d)
	if err := d.ResetWithOptions(nil, zstd.WithDecoderDictRaw(zstdframe.Dictionary, base)); err != nil {
		return fmt.Errorf("objects: internal error: %w", err)
	}
	return p.decode(d, into)
}
