package store

import (
	"encoding/binary"

	"hc/lib/hash"
	"hc/lib/store/packlog"
	"hc/lib/store/runs"
	"hc/lib/store/table"
)

// place is where a block is.
type place = runs.Place

const placeSize = 20

// The schemas of derived tables; see FORMAT.md.
var (
	indexSchema  = table.Schema{Magic: [4]byte{'h', 'c', 'i', 'x'}, KeySize: hash.Size, ValueSize: placeSize}
	runsSchema   = table.Schema{Magic: [4]byte{'h', 'c', 'r', 'n'}, KeySize: 8, ValueSize: 8 + placeSize}
	rangesSchema = table.Schema{Magic: [4]byte{'h', 'c', 'r', 'g'}, KeySize: 8, ValueSize: 8}
)

func appendPlace(b []byte, p place) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(p.Run.Pack))
	b = binary.BigEndian.AppendUint32(b, uint32(p.Run.Offset/8))
	b = binary.BigEndian.AppendUint64(b, p.Run.ID)
	return binary.BigEndian.AppendUint32(b, p.At)
}

// decodePlace reads the first placeSize bytes of b, which must be there.
func decodePlace(b []byte) place {
	return place{
		Run: packlog.Position{
			Pack:   uint64(binary.BigEndian.Uint32(b)),
			Offset: uint64(binary.BigEndian.Uint32(b[4:])) * 8,
			ID:     binary.BigEndian.Uint64(b[8:]),
		},
		At: binary.BigEndian.Uint32(b[16:]),
	}
}

func blockKey(block uint64) []byte { return binary.BigEndian.AppendUint64(nil, block) }
