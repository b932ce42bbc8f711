// Package compact reads and writes the compact encoding of stock's messages, with limits on what it reads.
//
// To encode, append: [AppendUint], [AppendBuffer] and so on extend a slice. To decode, make a [Decoder], call its
// methods in the order of the format, and check [Decoder.Err] once, at the end: after the first error every method
// returns a zero value. A decoder allocates only for its results: what a sender claims costs
// no more than what it sent.
//
//	uint     0…252: one byte; below 2^16: fd and 2 bytes; below 2^32: fe and 4; else ff and 8, at most 2^53-1
//	uint64   8 bytes            fixed32, fixed64   32 or 64 bytes
//	buffer   uint length, bytes (string: UTF-8)    array   uint count, elements
//	bool     00 or 01
//
// Integers are little-endian. Forms that are longer than needed are accepted, as in stock (fd0100 is 1), and never
// written. Source: compact-encoding 3.5.2; vectors: primitives.json.
package compact

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrMalformed is wrapped by every decoding error.
var ErrMalformed = errors.New("malformed message")

// MaxArray is the largest number of elements in an array of a message: stock's limit.
const MaxArray = 1 << 20

// A Decoder reads one message. Its zero value is a decoder at the end of an empty message. It is not safe for
// concurrent use.
type Decoder struct {
	message []byte
	at      int // next byte
	err     error
}

// NewDecoder returns a decoder of b, which it aliases and does not change.
func NewDecoder(b []byte) *Decoder { return &Decoder{message: b} }

// Err returns the first error, or nil. It wraps [ErrMalformed] and names the byte offset.
func (d *Decoder) Err() error { return d.err }

// Left returns the number of bytes left, 0 after an error.
func (d *Decoder) Left() int { return len(d.message) - d.at }

// Offset returns the number of bytes read; after an error, the length of the message.
func (d *Decoder) Offset() int { return d.at }

// Rest returns all remaining bytes (aliasing the message) and moves to the end.
func (d *Decoder) Rest() []byte { return d.take(d.Left()) }

// Fail makes the decoder fail, for callers that find an impossible value. The first error stays.
func (d *Decoder) Fail(format string, args ...any) {
	if d.err != nil {
		return
	}
	d.err = fmt.Errorf("%w: byte %d: %s", ErrMalformed, d.at, fmt.Sprintf(format, args...))
	d.at = len(d.message)
}

func (d *Decoder) take(n int) []byte {
	if d.err != nil {
		return nil
	}
	if n > d.Left() {
		d.Fail("%d bytes needed, %d left", n, d.Left())
		return nil
	}
	b := d.message[d.at : d.at+n : d.at+n]
	d.at += n
	return b
}

// Uint reads a number, at most [MaxUint].
func (d *Decoder) Uint() uint64 {
	first := d.take(1)
	if first == nil {
		return 0
	}
	var v uint64
	switch first[0] {
	case tag16:
		if b := d.take(2); b != nil {
			v = uint64(binary.LittleEndian.Uint16(b))
		}
	case tag32:
		if b := d.take(4); b != nil {
			v = uint64(binary.LittleEndian.Uint32(b))
		}
	case tag64:
		v = d.Uint64()
		if v > MaxUint {
			d.Fail("number %d is over the limit of %d", v, uint64(MaxUint))
			return 0
		}
	default:
		v = uint64(first[0])
	}
	return v
}

// Uint64 reads 8 bytes, little-endian, of any value.
func (d *Decoder) Uint64() uint64 {
	b := d.take(8)
	if b == nil {
		return 0
	}
	return binary.LittleEndian.Uint64(b)
}

// Bool reads one byte, 00 or 01. Any other is refused.
func (d *Decoder) Bool() bool {
	b := d.take(1)
	if b == nil {
		return false
	}
	if b[0] > 1 {
		d.Fail("%#02x is not a boolean", b[0])
		return false
	}
	return b[0] == 1
}

// Fixed32 reads 32 bytes.
func (d *Decoder) Fixed32() (x [32]byte) {
	copy(x[:], d.take(len(x)))
	return x
}

// Fixed64 reads 64 bytes.
func (d *Decoder) Fixed64() (x [64]byte) {
	copy(x[:], d.take(len(x)))
	return x
}

// Buffer reads a length of at most max and that many bytes, which alias the message. The empty buffer is not nil;
// after an error Buffer returns nil.
func (d *Decoder) Buffer(max int) []byte {
	n := d.length(max)
	if d.err != nil {
		return nil
	}
	return d.take(n)
}

// String reads a length of at most max and that many bytes. It does not check that they are UTF-8.
func (d *Decoder) String(max int) string { return string(d.Buffer(max)) }

func (d *Decoder) length(max int) int {
	n := d.Uint()
	switch {
	case d.err != nil:
	case n > uint64(d.Left()):
		d.Fail("length %d, but %d bytes are left", n, d.Left())
	case n > uint64(max):
		d.Fail("length %d is over the limit of %d", n, max)
	default:
		return int(n)
	}
	return 0
}

// ArrayLen reads the count of an array whose elements have at least elemMin bytes each (elemMin > 0). It refuses more
// than max or [MaxArray] elements, and more than fit into the remaining bytes: so a slice of that length may be
// allocated.
func (d *Decoder) ArrayLen(elemMin, max int) int {
	n := d.Uint()
	max = min(max, MaxArray)
	switch {
	case d.err != nil:
	case n > uint64(max):
		d.Fail("array of %d is over the limit of %d", n, max)
	case n*uint64(elemMin) > uint64(d.Left()):
		d.Fail("array of %d, but %d bytes are left", n, d.Left())
	default:
		return int(n)
	}
	return 0
}

// Uint32s reads an array of at most max 32-bit words, and allocates them.
func (d *Decoder) Uint32s(max int) []uint32 {
	n := d.ArrayLen(4, max)
	if d.err != nil {
		return nil
	}
	words := make([]uint32, n)
	b := d.take(4 * n)
	for i := range words {
		words[i] = binary.LittleEndian.Uint32(b[4*i:])
	}
	return words
}

// Frame reads a length of at most max and returns a decoder of that many bytes: an inner message, whose unknown tail
// is skipped that way. An error in it is not one of d.
func (d *Decoder) Frame(max int) *Decoder { return NewDecoder(d.Buffer(max)) }
