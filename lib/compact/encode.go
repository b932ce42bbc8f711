package compact

import "encoding/binary"

// MaxUint is the largest number that stock accepts: 2^53-1, since its numbers are doubles.
const MaxUint = 1<<53 - 1

// First bytes of a uint that say how many bytes follow; a smaller first byte is the number itself.
const (
	tag16 = 0xfd
	tag32 = 0xfe
	tag64 = 0xff
)

// UintSize returns how many bytes [AppendUint] adds for v: 1, 3, 5 or 9.
func UintSize(v uint64) int {
	switch {
	case v < tag16:
		return 1
	case v < 1<<16:
		return 3
	case v < 1<<32:
		return 5
	}
	return 9
}

// AppendUint appends v in its shortest form. A decoder refuses numbers above [MaxUint]; the caller must check that
// unless v is from its own arithmetic.
func AppendUint(b []byte, v uint64) []byte {
	switch {
	case v < tag16:
		return append(b, byte(v))
	case v < 1<<16:
		return binary.LittleEndian.AppendUint16(append(b, tag16), uint16(v))
	case v < 1<<32:
		return binary.LittleEndian.AppendUint32(append(b, tag32), uint32(v))
	}
	return binary.LittleEndian.AppendUint64(append(b, tag64), v)
}

// AppendUint64 appends v as 8 bytes, little-endian.
func AppendUint64(b []byte, v uint64) []byte { return binary.LittleEndian.AppendUint64(b, v) }

// AppendBuffer appends the length of p and p. nil and the empty buffer are the same: 00.
func AppendBuffer(b, p []byte) []byte { return append(AppendUint(b, uint64(len(p))), p...) }

// AppendString appends the length of s in bytes, and s.
func AppendString(b []byte, s string) []byte { return append(AppendUint(b, uint64(len(s))), s...) }

// AppendBool appends 01 or 00.
func AppendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

// AppendUint32s appends the count of words and each as 4 bytes, little-endian.
func AppendUint32s(b []byte, words []uint32) []byte {
	b = AppendUint(b, uint64(len(words)))
	for _, w := range words {
		b = binary.LittleEndian.AppendUint32(b, w)
	}
	return b
}
