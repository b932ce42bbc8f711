package store

import (
	"encoding/binary"
	"slices"
	"sort"
)

// What a row says about its blocks.
const (
	rowPlaced  = 1 // in the run at its place
	rowByLeaf  = 2 // in the store, under their leaf hashes
	rowCleared = 3 // not held any more
	rowPassage = 4 // in a tail only: where the part of a span record says that they are in a run
)

// row says where neighbouring blocks of a core are.
type row struct {
	first, count uint64
	kind         uint32
	place        place  // rowPlaced: of the first block; rowByLeaf and rowPassage, in a tail: the span record that names them
	seq          uint64 // in a tail: the commit that brought it
	lazy         bool   // in a tail: the nodes above its blocks, up to the roots of its span, are to be computed
}

func (r row) end() uint64 { return r.first + r.count }

func (r row) held() bool { return r.kind != rowCleared }

// part returns the part of r that is in [first, end), which must overlap it.
func (r row) part(first, end uint64) row {
	if first > r.first {
		if r.kind == rowPlaced {
			r.place.At += uint32(first - r.first)
		}
		r.count -= first - r.first
		r.first = first
	}
	if end < r.end() {
		r.count = end - r.first
	}
	return r
}

func (r row) appendValue(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, r.kind)
	b = binary.BigEndian.AppendUint32(b, uint32(r.count))
	if r.kind != rowPlaced {
		return appendPlace(b, place{})
	}
	return appendPlace(b, r.place)
}

// decodeRow reads a row of a runs table; ok is false if there can be none such.
func decodeRow(key, value []byte) (r row, ok bool) {
	r = row{
		first: binary.BigEndian.Uint64(key),
		kind:  binary.BigEndian.Uint32(value),
		count: uint64(binary.BigEndian.Uint32(value[4:])),
		place: decodePlace(value[8:]),
	}
	return r, r.count > 0 && r.kind >= rowPlaced && r.kind <= rowCleared && r.first < noLimit
}

// clearedRows says that blocks first … end-1 are not held.
func clearedRows(first, end, seq uint64) []row {
	var rows []row
	for first < end {
		count := min(end-first, 1<<31) // tables count with 32 bits
		rows = append(rows, row{first: first, count: count, kind: rowCleared, seq: seq})
		first += count
	}
	return rows
}

// rowSet is rows in ascending order that do not overlap.
type rowSet struct{ rows []row }

// add puts rows, ascending and apart from one another, above what was there.
func (s *rowSet) add(rows []row) {
	if len(rows) == 0 {
		return
	}
	if n := len(s.rows); n == 0 || s.rows[n-1].end() <= rows[0].first {
		s.rows = append(s.rows, rows...)
		return
	}
	// Only what is at or behind the first new row changes.
	from := sort.Search(len(s.rows), func(i int) bool { return s.rows[i].end() > rows[0].first })
	old := slices.Clone(s.rows[from:])
	s.rows = s.rows[:from]
	for _, r := range rows {
		for len(old) > 0 && old[0].first < r.first {
			o := old[0]
			if o.end() <= r.first {
				s.rows, old = append(s.rows, o), old[1:]
				continue
			}
			s.rows = append(s.rows, o.part(o.first, r.first))
			old[0] = o.part(r.first, o.end())
		}
		for len(old) > 0 && old[0].first < r.end() {
			if old[0].end() > r.end() {
				old[0] = old[0].part(r.end(), old[0].end())
				break
			}
			old = old[1:]
		}
		s.rows = append(s.rows, r)
	}
	s.rows = append(s.rows, old...)
}

// find returns the number of the first row that ends behind block.
func (s *rowSet) find(block uint64) int {
	return sort.Search(len(s.rows), func(i int) bool { return s.rows[i].end() > block })
}

// at returns the row that has block.
func (s *rowSet) at(block uint64) (row, bool) {
	i := s.find(block)
	if i == len(s.rows) || s.rows[i].first > block {
		return row{}, false
	}
	return s.rows[i], true
}

// cut forgets all from block length on.
func (s *rowSet) cut(length uint64) {
	i := s.find(length)
	if i < len(s.rows) && s.rows[i].first < length {
		s.rows[i] = s.rows[i].part(s.rows[i].first, length)
		i++
	}
	s.rows = s.rows[:i]
}
