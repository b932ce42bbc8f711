package table

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sort"
)

// A data page:
//
//	offset  size  field
//	     0     1  kind   1 sparse, 2 dense
//	     1     1  zero
//	     2     2  count  u16le, rows, ≥ 1
//	     4     …  sparse: key and value of each row · dense: the first key, then the values
//	  4092     4  crc
const (
	kindSparse = 1
	kindDense  = 2

	pageHead = 4 // bytes before the rows
)

// page gives access to the rows of a data page that decodePage has checked.
type page struct {
	rows   []byte // of the page, keys included if sparse
	first  uint64 // first key if dense
	count  int
	stride int // bytes a row takes
	key    int // bytes of a key in a row; 0 if dense
}

// decodePage checks the page with that number, including its checksum if it comes fresh from the file, and returns its
// rows, which alias raw.
func decodePage(s Schema, raw []byte, id [8]byte, number uint64, fresh bool) (page, error) {
	if fresh && !sealed(raw, id, number) {
		return page{}, fmt.Errorf("%w: page %d does not match its checksum", ErrDamaged, number)
	}
	p := page{count: int(binary.LittleEndian.Uint16(raw[2:]))}
	most := 0
	switch raw[0] {
	case kindSparse:
		most = s.sparseRows()
		p.key, p.stride = s.KeySize, s.KeySize+s.ValueSize
		p.rows = raw[pageHead:bodySize]
	case kindDense:
		most = s.denseRows()
		p.first, p.stride = binary.BigEndian.Uint64(raw[pageHead:]), s.ValueSize
		p.rows = raw[pageHead+8 : bodySize]
	}
	if p.count < 1 || p.count > most || raw[1] != 0 {
		return page{}, fmt.Errorf("%w: page %d of kind %d with %d rows", ErrDamaged, number, raw[0], p.count)
	}
	if fresh && !p.ascends() {
		return page{}, fmt.Errorf("%w: page %d has keys out of order", ErrDamaged, number)
	}
	return p, nil
}

// ascends reports whether each key is above the one before.
func (p page) ascends() bool {
	if p.key == 0 {
		return p.first+uint64(p.count-1) >= p.first // no overflow
	}
	last := prefix(p.stored(0))
	for i := 1; i < p.count; i++ {
		next := prefix(p.stored(i))
		if next < last || next == last && bytes.Compare(p.stored(i-1), p.stored(i)) >= 0 {
			return false
		}
		last = next
	}
	return true
}

// stored returns the key of row i of a sparse page.
func (p page) stored(i int) []byte { return p.rows[i*p.stride:][:p.key] }

// row returns the key and the value of row i of a sparse page.
func (p page) row(i int) []byte { return p.rows[i*p.stride:][:p.stride] }

// value returns the value of row i; it aliases the page.
func (p page) value(i int) []byte { return p.rows[i*p.stride+p.key : (i+1)*p.stride] }

// appendKey appends the key of row i.
func (p page) appendKey(dst []byte, i int) []byte {
	if p.key == 0 {
		return binary.BigEndian.AppendUint64(dst, p.first+uint64(i))
	}
	return append(dst, p.stored(i)...)
}

// compare compares the key of row i with key.
func (p page) compare(i int, key []byte) int {
	if p.key != 0 {
		return bytes.Compare(p.stored(i), key)
	}
	var k [8]byte
	binary.BigEndian.PutUint64(k[:], p.first+uint64(i))
	return bytes.Compare(k[:], key)
}

// search returns the first row whose key is at or above key, count if there is none, and whether it is that key.
func (p page) search(key []byte) (row int, equal bool) {
	if p.key == 0 {
		k := binary.BigEndian.Uint64(key)
		switch {
		case k < p.first:
			return 0, false
		case k-p.first >= uint64(p.count):
			return p.count, false
		}
		return int(k - p.first), true
	}
	return sort.Find(p.count, func(i int) int { return bytes.Compare(key, p.stored(i)) })
}

// encodeSparse makes a page of rows with their keys; keys and values are those of all rows, one after another. raw has
// room for a page; its content does not matter.
func encodeSparse(s Schema, raw, keys, values []byte) {
	count := len(keys) / s.KeySize
	at := putPageHead(raw, kindSparse, count)
	for i := range count {
		at += copy(raw[at:], keys[i*s.KeySize:][:s.KeySize])
		at += copy(raw[at:], values[i*s.ValueSize:][:s.ValueSize])
	}
	clear(raw[at:pageSize])
}

// encodeRows makes a page of rows that are already encoded as in a page.
func encodeRows(s Schema, raw, rows []byte) {
	at := putPageHead(raw, kindSparse, len(rows)/(s.KeySize+s.ValueSize))
	at += copy(raw[at:], rows)
	clear(raw[at:pageSize])
}

// encodeDense makes a page of rows whose keys follow one another from first.
func encodeDense(s Schema, raw []byte, first uint64, values []byte) {
	at := putPageHead(raw, kindDense, len(values)/s.ValueSize)
	binary.BigEndian.PutUint64(raw[at:], first)
	at += 8
	at += copy(raw[at:], values)
	clear(raw[at:pageSize])
}

func putPageHead(raw []byte, kind byte, count int) int {
	raw[0], raw[1] = kind, 0
	binary.LittleEndian.PutUint16(raw[2:], uint16(count))
	return pageHead
}
