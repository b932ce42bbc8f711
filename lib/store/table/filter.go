package table

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/bits"

	"hc/lib/store/packlog"
)

// A filter says of a key that it may be in the table, or that it is not. It is a row of blocks of 64 bytes, between the
// header page and the first data page:
//
//	offset  size  field
//	     0    60  bits
//	    60     4  crc   CRC-32C over table id, 2^63 + block number (u64le) and the 60 bytes before
//
// A key's block follows from its first eight bytes, in the order of keys, so that a writer makes one block after
// another; six bits in the block follow from the next eight bytes.
const (
	filterBlock = 64
	filterBody  = filterBlock - 4
	filterBits  = 8 * filterBody
	filterKey   = 16      // bytes of a key that are used
	filterRows  = 32      // per block: of five hundred keys that are not there it then passes about one
	filterMarks = 6       // bits to set for a key
	maxFilter   = 1 << 48 // blocks

	filterBuffer = 16 * pageSize // bytes to gather before they are written, or to read at once
)

// filterPages returns how many pages a filter takes; the last one ends with zeros.
func filterPages(blocks uint64) uint64 {
	return (blocks + pageSize/filterBlock - 1) / (pageSize / filterBlock)
}

// filterPlace returns the number of the block that has a key's bits.
func filterPlace(key []byte, blocks uint64) uint64 {
	block, _ := bits.Mul64(binary.BigEndian.Uint64(key), blocks)
	return block
}

// marksOf returns what a key's bits follow from: the first one, and the step to the next.
func marksOf(key []byte) (mark, step uint32) {
	return binary.BigEndian.Uint32(key[8:]), binary.BigEndian.Uint32(key[12:]) | 1
}

func setMarks(block *[filterBlock]byte, key []byte) {
	mark, step := marksOf(key)
	for range filterMarks {
		bit := uint64(mark) * filterBits >> 32
		block[bit/8] |= 1 << (bit % 8)
		mark += step
	}
}

// hasMarks returns 1 if a block has all bits of a key, else 0. It always checks the first half of them: a branch after
// each would be mispredicted one time in three, and the rest of a batch would wait for memory after it. One key in
// thirty has all of these.
func hasMarks(block *[filterBlock]byte, mark, step uint32) byte {
	all := byte(1)
	for range filterMarks / 2 {
		all &= markIn(block, mark)
		mark += step
	}
	if all == 0 {
		return 0
	}
	for range filterMarks - filterMarks/2 {
		all &= markIn(block, mark)
		mark += step
	}
	return all
}

// markIn returns the bit for a mark, as its lowest bit.
func markIn(block *[filterBlock]byte, mark uint32) byte {
	bit := uint64(mark) * filterBits >> 32
	return block[bit/8%filterBlock] >> (bit % 8)
}

// sealedFilter reports whether a block matches its checksum under that number.
func (t *Table) sealedFilter(block *[filterBlock]byte, number uint64) bool {
	return binary.LittleEndian.Uint32(block[filterBody:]) == filterSum(block[:], t.header.id, number)
}

func badFilterBlock(number uint64) error {
	return fmt.Errorf("%w: block %d of its filter does not match its checksum", ErrDamaged, number)
}

func filterSum(block []byte, id [8]byte, number uint64) uint32 {
	return checksum(block[:filterBody], id, 1<<63+number)
}

// filterMaker makes the blocks of a filter, from keys in ascending order.
type filterMaker struct {
	header *header
	number uint64 // the number of the block in progress
	block  [filterBlock]byte
	done   func(block []byte) error // takes each block, sealed
}

func (m *filterMaker) add(key []byte) error {
	if err := m.goTo(filterPlace(key, m.header.filter)); err != nil {
		return err
	}
	setMarks(&m.block, key)
	return nil
}

// goTo ends all blocks before the one with that number.
func (m *filterMaker) goTo(number uint64) error {
	for ; m.number < number; m.number++ {
		binary.LittleEndian.PutUint32(m.block[filterBody:], filterSum(m.block[:], m.header.id, m.number))
		if err := m.done(m.block[:]); err != nil {
			return err
		}
		clear(m.block[:])
	}
	return nil
}

// filterWriter writes a filter.
type filterWriter struct {
	filterMaker
	file   packlog.File
	buffer []byte
	at     int64 // of buffer
}

func newFilterWriter(file packlog.File, h *header, rows uint64) *filterWriter {
	h.filter = min((rows+filterRows-1)/filterRows, maxFilter)
	w := &filterWriter{file: file, at: pageSize}
	w.filterMaker = filterMaker{header: h, done: w.gather}
	return w
}

func (w *filterWriter) gather(block []byte) error {
	if w.buffer = append(w.buffer, block...); len(w.buffer) < filterBuffer {
		return nil
	}
	return w.write()
}

func (w *filterWriter) write() error {
	_, err := w.file.WriteAt(w.buffer, w.at)
	w.at += int64(len(w.buffer))
	w.buffer = w.buffer[:0]
	return err
}

// finish ends all remaining blocks, and fills up the last page.
func (w *filterWriter) finish() error {
	if err := w.goTo(w.header.filter); err != nil {
		return err
	}
	for len(w.buffer)%pageSize > 0 {
		w.buffer = append(w.buffer, 0)
	}
	return w.write()
}

// filterCheck compares a filter with the one that the table's keys make.
type filterCheck struct {
	filterMaker
	table *Table
	read  []byte // blocks that were read
	all   []byte // memory for read
	next  int64  // offset after them
}

func newFilterCheck(t *Table) *filterCheck {
	c := &filterCheck{table: t, next: pageSize}
	c.filterMaker = filterMaker{header: &t.header, done: c.compare}
	return c
}

func (c *filterCheck) add(key []byte) error {
	if c.header.filter == 0 {
		return nil
	}
	return c.filterMaker.add(key)
}

func (c *filterCheck) compare(block []byte) error {
	if err := c.fill(); err != nil {
		return err
	}
	if !bytes.Equal(block, c.read[:filterBlock]) {
		return c.table.failed(fmt.Errorf("%w: block %d of its filter does not match its keys", ErrDamaged, c.number))
	}
	c.read = c.read[filterBlock:]
	return nil
}

// fill reads more if nothing is left.
func (c *filterCheck) fill() error {
	if len(c.read) > 0 {
		return nil
	}
	if c.all == nil {
		c.all = make([]byte, min(filterBuffer, c.header.at(1)-c.next))
	}
	c.read = c.all[:min(int64(len(c.all)), c.header.at(1)-c.next)]
	if err := readFull(c.table.file, c.read, c.next); err != nil {
		return c.table.failed(err)
	}
	c.next += int64(len(c.read))
	return nil
}

// finish compares the rest, including the zeros at the end.
func (c *filterCheck) finish() error {
	if c.header.filter == 0 {
		return nil
	}
	if err := c.goTo(c.header.filter); err != nil {
		return err
	}
	for _, x := range c.read {
		if x != 0 {
			return c.table.failed(fmt.Errorf("%w: its filter does not end with zeros", ErrDamaged))
		}
	}
	return nil
}

// checkFilter returns the offset of the first page of the filter that is wrong by itself.
func (t *Table) checkFilter(ctx context.Context, raw []byte) (at int64, bad bool) {
	zeros := make([]byte, filterBlock)
	for page := range filterPages(t.header.filter) {
		at := int64(1+page) * pageSize
		if ctx.Err() != nil {
			return 0, false
		}
		if readFull(t.file, raw, at) != nil {
			return at, true
		}
		for i := range uint64(pageSize / filterBlock) {
			number, block := page*(pageSize/filterBlock)+i, raw[i*filterBlock:][:filterBlock]
			if number >= t.header.filter && bytes.Equal(block, zeros) {
				continue
			}
			if number >= t.header.filter || binary.LittleEndian.Uint32(block[filterBody:]) != filterSum(block, t.header.id, number) {
				return at, true
			}
		}
	}
	return 0, false
}
