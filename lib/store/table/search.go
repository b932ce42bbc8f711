package table

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
)

// maxGuesses is how many pages a look-up guesses by interpolation before it continues by halving. Evenly spread keys take
// one to three guesses; only keys that are spread very unevenly take more.
const maxGuesses = 8

// find returns the last page that begins at or below key, pinned. key must be within the table's range.
func (t *Table) find(ctx context.Context, key []byte) (*frame, page, error) {
	b := t.bracket()
	var low, high [maxKeySize]byte // memory for b's keys
	var below *frame               // page b.from-1, once it is known
	var belowPage page
	for guesses := 0; b.from <= b.to; guesses++ {
		number := b.from + (b.to-b.from)/2
		if guesses < maxGuesses {
			number = t.guess(b, key)
		}
		f, p, err := t.read(ctx, number)
		if err == nil {
			err = t.checkPlace(b, p, number)
		}
		switch {
		case err != nil:
			f.release()
			below.release()
			return nil, page{}, err
		case p.compare(0, key) > 0:
			b.to, b.high = number-1, p.appendKey(high[:0], 0)
			f.release()
		case p.compare(p.count-1, key) < 0:
			below.release()
			below, belowPage = f, p
			b.from, b.low = number+1, p.appendKey(low[:0], p.count-1)
		default:
			below.release()
			return f, p, nil
		}
	}
	if below == nil { // the first page would have to begin above the table's first key, which checkPlace refuses
		return nil, page{}, fmt.Errorf("%w: no page for key %x", ErrDamaged, key)
	}
	return below, belowPage, nil
}

// bracket is what a look-up knows so far: the pages from … to, both included, may have the key, and their keys are
// between low and high. At the table's ends these are its first and last key, which belong to the pages; elsewhere they
// are keys of the neighbouring pages, and do not.
type bracket struct {
	from, to  uint64
	low, high []byte
}

func (t *Table) bracket() bracket {
	return bracket{from: 1, to: t.header.pages, low: t.header.first, high: t.header.last}
}

// checkPlace returns an error unless the keys of a page fit between those of its neighbours, and the header's.
func (t *Table) checkPlace(b bracket, p page, number uint64) error {
	low, high := p.compare(0, b.low), p.compare(p.count-1, b.high)
	ok := low >= 0 && high <= 0
	if b.from > 1 {
		ok = ok && low != 0
	}
	if b.to < t.header.pages {
		ok = ok && high != 0
	}
	// The table's ends are where the header says.
	if number == 1 {
		ok = ok && p.compare(0, t.header.first) == 0
	}
	if number == t.header.pages {
		ok = ok && p.compare(p.count-1, t.header.last) == 0
	}
	if !ok {
		return fmt.Errorf("%w: page %d has keys that belong elsewhere", ErrDamaged, number)
	}
	return nil
}

// guess returns the page in the bracket that has the key if keys are spread evenly.
func (t *Table) guess(b bracket, key []byte) uint64 {
	skip := 0 // bytes that all keys in the bracket share
	for skip < len(key)-1 && b.low[skip] == b.high[skip] {
		skip++
	}
	low, high, k := prefix(b.low[skip:]), prefix(b.high[skip:]), prefix(key[skip:])
	if k <= low {
		return b.from
	}
	if k >= high {
		return b.to
	}
	// Ranks of the keys low and high; floats are exact enough, since a wrong guess only costs a read.
	perPage := t.rowsPerPage()
	lowRank, highRank := 0.0, float64(t.header.rows-1)
	if b.from > 1 {
		lowRank = float64(b.from-1)*perPage - 1
	}
	if b.to < t.header.pages {
		highRank = float64(b.to) * perPage
	}
	rank := lowRank + float64(k-low)/float64(high-low)*(highRank-lowRank)
	number := 1 + uint64(max(rank+0.5, 0)/perPage)
	return min(max(number, b.from), b.to)
}

// rowsPerPage is exact if all pages but the last are full and of one kind, else a mean.
func (t *Table) rowsPerPage() float64 {
	rows, pages := t.header.rows, t.header.pages
	for _, full := range [...]int{t.schema.sparseRows(), t.schema.denseRows()} {
		if n := uint64(full); n > 0 && (rows+n-1)/n == pages {
			return float64(n)
		}
	}
	return float64(rows) / float64(pages)
}

// prefix returns the first eight bytes of a key as a number; missing ones are zeros.
func prefix(key []byte) uint64 {
	if len(key) >= 8 {
		return binary.BigEndian.Uint64(key)
	}
	var b [8]byte
	copy(b[:], key)
	return binary.BigEndian.Uint64(b[:])
}

// read returns the data page with that number, from the cache or the file, pinned; nil with an error.
func (t *Table) read(ctx context.Context, number uint64) (*frame, page, error) {
	f, err := t.cached(ctx, number)
	if err != nil {
		return nil, page{}, err
	}
	p, err := decodePage(t.schema, f.page[:], t.header.id, number, false)
	if err != nil {
		f.release()
		return nil, page{}, err
	}
	return f, p, nil
}

// cached returns the page with that number, from the cache or the file, pinned.
func (t *Table) cached(ctx context.Context, number uint64) (*frame, error) {
	key := pageKey{t.number, number}
	shard := t.cache.shard(key)
	if f := shard.get(key); f != nil {
		return f, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f := shard.reserve()
	if err := t.fill(f, number); err != nil {
		shard.give(f)
		return nil, err
	}
	return shard.put(key, f), nil
}

func (t *Table) fill(f *frame, number uint64) error {
	if err := readFull(t.file, f.page[:], t.header.at(number)); err != nil {
		return err
	}
	_, err := decodePage(t.schema, f.page[:], t.header.id, number, true)
	return err
}

// outside reports whether there can be no row with that key.
func (t *Table) outside(key []byte) bool {
	return t.header.rows == 0 || bytes.Compare(key, t.header.first) < 0 || bytes.Compare(key, t.header.last) > 0
}
