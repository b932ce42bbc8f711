package blockmap

import (
	"encoding/binary"

	"hc/lib/store/packlog"
	"hc/lib/store/runs"
	"hc/lib/store/table"
)

const (
	PlaceSize = 20        // bytes of a place in a table
	NoLimit   = 1<<53 - 1 // above all blocks and all node numbers: as a limit of a table's keys it means none
)

// The schemas of the tables of rows and of ranges: see "runs" and "ranges" in lib/store/derived/FORMAT.md.
var (
	RunsSchema   = table.Schema{Magic: [4]byte{'h', 'c', 'r', 'n'}, KeySize: 8, ValueSize: 8 + PlaceSize}
	RangesSchema = table.Schema{Magic: [4]byte{'h', 'c', 'r', 'g'}, KeySize: 8, ValueSize: 8}
)

// AppendPlace appends a place as encoded in tables, PlaceSize bytes.
func AppendPlace(b []byte, p runs.Place) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(p.Run.Pack))
	b = binary.BigEndian.AppendUint32(b, uint32(p.Run.Offset/8))
	b = binary.BigEndian.AppendUint64(b, p.Run.ID)
	return binary.BigEndian.AppendUint32(b, p.At)
}

// DecodePlace returns the place in the first PlaceSize bytes of b, which must be there.
func DecodePlace(b []byte) runs.Place {
	return runs.Place{
		Run: packlog.Position{
			Pack:   uint64(binary.BigEndian.Uint32(b)),
			Offset: uint64(binary.BigEndian.Uint32(b[4:])) * 8,
			ID:     binary.BigEndian.Uint64(b[8:]),
		},
		At: binary.BigEndian.Uint32(b[16:]),
	}
}

// Key returns the key of a row, or of a range, that begins with block.
func Key(block uint64) []byte { return binary.BigEndian.AppendUint64(nil, block) }
