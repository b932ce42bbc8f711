package hyperbee

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Blocks are protobuf messages: fields, each after a tag with its number and wire type.

const (
	wireVarint = 0
	wire64     = 1
	wireBytes  = 2
	wire32     = 5
)

var (
	errVarint = errors.New("a number that is cut off or too long")
	errLength = errors.New("a field that reaches beyond its end")
	errTwice  = errors.New("a field that occurs twice")
)

// fields are the fields of a message, in sequence.
type fields struct {
	left []byte
	most uint64 // fields up to this number are known and must be bytes; others are skipped
}

// next returns a known field; number 0 if none is left.
func (f *fields) next() (number uint64, data []byte, err error) {
	for len(f.left) > 0 {
		var tag uint64
		if tag, f.left, err = takeVarint(f.left); err != nil {
			return 0, nil, err
		}
		number, wire := tag>>3, tag&7
		switch {
		case number == 0:
			return 0, nil, errors.New("a field of number 0")
		case number <= f.most && wire != wireBytes:
			return 0, nil, fmt.Errorf("field %d has wire type %d", number, wire)
		case number <= f.most:
			data, f.left, err = takeBytes(f.left)
			return number, data, err
		}
		if f.left, err = skipField(f.left, wire); err != nil {
			return 0, nil, err
		}
	}
	return 0, nil, nil
}

// readFields sets the fields 1 to len(known) of a message. Each may occur once at most.
func readFields(message []byte, known ...*[]byte) error {
	f := fields{left: message, most: uint64(len(known))}
	for {
		number, data, err := f.next()
		if err != nil || number == 0 {
			return err
		}
		if *known[number-1] != nil {
			return errTwice
		}
		*known[number-1] = data
	}
}

func skipField(b []byte, wire uint64) (rest []byte, err error) {
	size := 0
	switch wire {
	case wireVarint:
		_, rest, err = takeVarint(b)
		return rest, err
	case wireBytes:
		_, rest, err = takeBytes(b)
		return rest, err
	case wire64:
		size = 8
	case wire32:
		size = 4
	default:
		return nil, fmt.Errorf("wire type %d", wire)
	}
	if len(b) < size {
		return nil, errLength
	}
	return b[size:], nil
}

// takeVarint reads the number at the start of b.
func takeVarint(b []byte) (n uint64, rest []byte, err error) {
	n, size := binary.Uvarint(b)
	if size <= 0 {
		return 0, nil, errVarint
	}
	return n, b[size:], nil
}

// takeBytes reads a length and that many bytes. data is never nil on success.
func takeBytes(b []byte) (data, rest []byte, err error) {
	n, b, err := takeVarint(b)
	if err != nil {
		return nil, nil, err
	}
	if n > uint64(len(b)) {
		return nil, nil, errLength
	}
	return b[:n:n], b[n:], nil
}

// appendField appends a field of bytes.
func appendField(dst []byte, number byte, data []byte) []byte {
	return append(appendTag(dst, number, len(data)), data...)
}

// appendTag appends the tag and length of a field of size bytes.
func appendTag(dst []byte, number byte, size int) []byte {
	return binary.AppendUvarint(append(dst, number<<3|wireBytes), uint64(size))
}

// sizeOfField returns the size in bytes of a field of size bytes with its tag and length.
func sizeOfField(size int) int { return 1 + sizeOfVarint(uint64(size)) + size }

func sizeOfVarint(n uint64) int {
	size := 1
	for ; n >= 0x80; n >>= 7 {
		size++
	}
	return size
}
