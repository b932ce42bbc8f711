package table

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
)

// The header page; integers little-endian.
//
//	offset  size  field
//	     0     8  magic       "hc-table"
//	     8     4  version     1, or 2: with a filter
//	    12     4  schema      the user's
//	    16     2  key size    K
//	    18     2  value size  V
//	    20     4  page size   4096
//	    24     8  table id    random
//	    32     8  rows
//	    40     8  pages       data pages
//	    48     K  first key
//	  48+K     K  last key
//	 48+2K     8  filter      version 2: blocks of the filter
//	  4092     4  crc         CRC-32C over table id, page number (u64le) and the 4092 bytes before
const (
	fileMagic = "hc-table"
	version   = 1
	filtered  = 2 // the version of tables with a filter

	pageSize = 4096
	bodySize = pageSize - 4 // bytes of a page below its checksum

	maxKeySize   = 64   // bytes
	maxValueSize = 1024 // bytes; at least three rows a page

	headerKeys = 48 // offset of the first key
)

// ErrDamaged is wrapped by all errors about a file that is not the table it should be: bytes that do not match their
// checksum, are missing, or make no sense. The table must be built again.
var ErrDamaged = errors.New("table is damaged")

// ErrOrder is wrapped by Add's error for a key that is not above the one before.
var ErrOrder = errors.New("keys are not in ascending order")

// ErrSize is wrapped by errors about keys, values or schemas of an invalid size: the caller's mistake.
var ErrSize = errors.New("wrong size")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A Schema describes the rows of a table. A table opens only with the schema it was written with.
type Schema struct {
	Magic     [4]byte // the meaning and version of the rows
	KeySize   int     // bytes, 1 … 64
	ValueSize int     // bytes, 1 … 1024
}

func (s Schema) check() error {
	if s.KeySize < 1 || s.KeySize > maxKeySize {
		return fmt.Errorf("%w: key size %d is not in 1 … %d", ErrSize, s.KeySize, maxKeySize)
	}
	if s.ValueSize < 1 || s.ValueSize > maxValueSize {
		return fmt.Errorf("%w: value size %d is not in 1 … %d", ErrSize, s.ValueSize, maxValueSize)
	}
	return nil
}

func (s Schema) checkKey(key []byte) error {
	if len(key) != s.KeySize {
		return fmt.Errorf("%w: key has %d bytes, the table's have %d", ErrSize, len(key), s.KeySize)
	}
	return nil
}

// sparseRows is how many rows a page holds with their keys.
func (s Schema) sparseRows() int { return (bodySize - pageHead) / (s.KeySize + s.ValueSize) }

// denseRows is how many rows a page holds without their keys; 0 if keys are not integers.
func (s Schema) denseRows() int {
	if s.KeySize != 8 {
		return 0
	}
	return (bodySize - pageHead - 8) / s.ValueSize
}

// header is the content of the header page.
type header struct {
	id          [8]byte
	rows, pages uint64
	first, last []byte // nil if there are no rows
	filter      uint64 // blocks; 0: no filter
}

// at returns the offset of page number in the file; the filter is between the header and the first data page.
func (h header) at(number uint64) int64 {
	if number == 0 {
		return 0
	}
	return int64(filterPages(h.filter)+number) * pageSize
}

func encodeHeader(s Schema, h header) []byte {
	page := make([]byte, 0, pageSize)
	page = append(page, fileMagic...)
	if h.filter == 0 {
		page = binary.LittleEndian.AppendUint32(page, version)
	} else {
		page = binary.LittleEndian.AppendUint32(page, filtered)
	}
	page = append(page, s.Magic[:]...)
	page = binary.LittleEndian.AppendUint16(page, uint16(s.KeySize))
	page = binary.LittleEndian.AppendUint16(page, uint16(s.ValueSize))
	page = binary.LittleEndian.AppendUint32(page, pageSize)
	page = append(page, h.id[:]...)
	page = binary.LittleEndian.AppendUint64(page, h.rows)
	page = binary.LittleEndian.AppendUint64(page, h.pages)
	page = append(page, h.first...)
	page = append(page, h.last...)
	page = page[:pageSize]
	if h.filter > 0 {
		binary.LittleEndian.PutUint64(page[headerKeys+2*s.KeySize:], h.filter)
	}
	seal(page, h.id, 0)
	return page
}

// decodeHeader checks a header page and the size of the file it heads, in bytes.
func decodeHeader(s Schema, page []byte, fileSize int64) (header, error) {
	var h header
	if string(page[:8]) != fileMagic {
		return h, fmt.Errorf("%w: it does not begin with %q", ErrDamaged, fileMagic)
	}
	v := binary.LittleEndian.Uint32(page[8:])
	if v != version && v != filtered {
		return h, fmt.Errorf("%w: version %d, expected %d or %d", ErrDamaged, v, version, filtered)
	}
	copy(h.id[:], page[24:])
	if !sealed(page, h.id, 0) {
		return h, fmt.Errorf("%w: header does not match its checksum", ErrDamaged)
	}
	found := Schema{
		Magic:     [4]byte(page[12:16]),
		KeySize:   int(binary.LittleEndian.Uint16(page[16:])),
		ValueSize: int(binary.LittleEndian.Uint16(page[18:])),
	}
	if found != s {
		return h, fmt.Errorf("%w: rows are %q with %d+%d bytes, expected %q with %d+%d", ErrDamaged,
			found.Magic[:], found.KeySize, found.ValueSize, s.Magic[:], s.KeySize, s.ValueSize)
	}
	if n := binary.LittleEndian.Uint32(page[20:]); n != pageSize {
		return h, fmt.Errorf("%w: pages of %d bytes, expected %d", ErrDamaged, n, pageSize)
	}
	h.rows = binary.LittleEndian.Uint64(page[32:])
	h.pages = binary.LittleEndian.Uint64(page[40:])
	if v == filtered {
		h.filter = binary.LittleEndian.Uint64(page[headerKeys+2*s.KeySize:])
		if h.filter == 0 || h.filter > maxFilter || s.KeySize < filterKey {
			return h, fmt.Errorf("%w: a filter of %d blocks over keys of %d bytes", ErrDamaged, h.filter, s.KeySize)
		}
	}
	if h.pages > math.MaxInt64/pageSize/2 || fileSize != h.at(1+h.pages) {
		return h, fmt.Errorf("%w: file has %d bytes, not the header, a filter of %d blocks and %d pages", ErrDamaged, fileSize, h.filter, h.pages)
	}
	if h.rows < h.pages || h.rows > h.pages*uint64(max(s.sparseRows(), s.denseRows())) {
		return h, fmt.Errorf("%w: %d rows in %d pages", ErrDamaged, h.rows, h.pages)
	}
	if h.rows == 0 {
		return h, nil
	}
	h.first = bytes.Clone(page[headerKeys : headerKeys+s.KeySize])
	h.last = bytes.Clone(page[headerKeys+s.KeySize : headerKeys+2*s.KeySize])
	if c := bytes.Compare(h.first, h.last); c > 0 || (c == 0) != (h.rows == 1) {
		return h, fmt.Errorf("%w: %d rows from %x to %x", ErrDamaged, h.rows, h.first, h.last)
	}
	return h, nil
}

// seal writes the checksum of a page with that number into its last four bytes.
func seal(page []byte, id [8]byte, number uint64) {
	binary.LittleEndian.PutUint32(page[bodySize:], checksum(page[:bodySize], id, number))
}

// sealed reports whether a page matches its checksum under that number.
func sealed(page []byte, id [8]byte, number uint64) bool {
	return binary.LittleEndian.Uint32(page[bodySize:]) == checksum(page[:bodySize], id, number)
}

func checksum(body []byte, id [8]byte, number uint64) uint32 {
	crc := ^uint32(0) // the few bytes before body by hand, since crc32.Update would move them to the heap
	for _, b := range id {
		crc = castagnoli[byte(crc)^b] ^ crc>>8
	}
	for range 8 {
		crc = castagnoli[byte(crc)^byte(number)] ^ crc>>8
		number >>= 8
	}
	return crc32.Update(^crc, castagnoli, body)
}
