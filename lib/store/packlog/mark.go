package packlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// The mark file:
//
//	offset  size  field
//	     0     8  magic     "hcmark1\n"
//	     8    16  boot
//	    24    24  synced    position
//	    48    24  readable  position
//	    72    24  end       position
//	    96     8  folder    u64le, another one whenever packs/ has changed
//	   104    20  reserved
//	   124     4  crc32c    u32le, bytes 0–123
const (
	markSize  = 128 // bytes
	markMagic = "hcmark1\n"
)

var errMark = errors.New("mark is not valid")

// Mark is the content of the mark file: Synced ≤ Readable ≤ End.
type Mark struct {
	Boot                  BootID
	Synced, Readable, End Position
	Folder                uint64 // changes whenever a pack comes or goes
}

func encodeMark(m Mark) []byte { return appendMark(make([]byte, 0, markSize), m) }

// appendMark is encodeMark into b, which is empty and has enough room.
func appendMark(b []byte, m Mark) []byte {
	b = append(b, markMagic...)
	b = append(b, m.Boot[:]...)
	b = AppendPosition(b, m.Synced)
	b = AppendPosition(b, m.Readable)
	b = AppendPosition(b, m.End)
	b = binary.LittleEndian.AppendUint64(b, m.Folder)
	b = b[:markSize-4]
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func decodeMark(b []byte) (Mark, error) {
	if len(b) != markSize {
		return Mark{}, fmt.Errorf("%w: %d bytes, expected %d", errMark, len(b), markSize)
	}
	if string(b[:8]) != markMagic {
		return Mark{}, fmt.Errorf("%w: no magic", errMark)
	}
	if crc32.Checksum(b[:markSize-4], castagnoli) != binary.LittleEndian.Uint32(b[markSize-4:]) {
		return Mark{}, fmt.Errorf("%w: checksum does not match", errMark)
	}
	m := Mark{
		Boot:     BootID(b[8:24]),
		Synced:   DecodePosition(b[24:]),
		Readable: DecodePosition(b[48:]),
		End:      DecodePosition(b[72:]),
		Folder:   binary.LittleEndian.Uint64(b[96:]),
	}
	for _, x := range b[104 : markSize-4] {
		if x != 0 {
			return Mark{}, fmt.Errorf("%w: reserved bytes are not zero", errMark)
		}
	}
	for _, p := range []Position{m.Synced, m.Readable, m.End} {
		if !p.valid() {
			return Mark{}, fmt.Errorf("%w: position %v is impossible", errMark, p)
		}
	}
	if m.Readable.Less(m.Synced) || m.End.Less(m.Readable) {
		return Mark{}, fmt.Errorf("%w: positions are out of order", errMark)
	}
	return m, nil
}
