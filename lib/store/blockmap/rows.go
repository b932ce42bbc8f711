package blockmap

import (
	"encoding/binary"
	"slices"
	"sort"

	"hc/lib/store/runs"
)

// Kinds of rows: what a row says about its blocks.
const (
	Placed    = 1 // in the run at its place
	ByLeaf    = 2 // in the store, under their leaf hashes
	Cleared   = 3 // not held any more
	InPassage = 4 // in a tail only: in a run that the part of a span record leads to
)

// Row says where neighbouring blocks of a core are.
type Row struct {
	First, Count uint64
	Kind         uint32
	Place        runs.Place // Placed: of the first block; ByLeaf and InPassage, in a tail: the span record that names them
	Seq          uint64     // in a tail: the commit that it came with
	Lazy         bool       // in a tail: the nodes above its blocks, up to the roots of its span, must be computed
}

// End returns the block after the last one.
func (r Row) End() uint64 { return r.First + r.Count }

// Held reports whether the store holds the blocks.
func (r Row) Held() bool { return r.Kind != Cleared }

// Part returns the part of r within the blocks first … end-1, which must overlap r.
func (r Row) Part(first, end uint64) Row {
	if first > r.First {
		if r.Kind == Placed {
			r.Place.At += uint32(first - r.First)
		}
		r.Count -= first - r.First
		r.First = first
	}
	if end < r.End() {
		r.Count = end - r.First
	}
	return r
}

// AppendValue appends a row's value in a table of runs: everything but its first block, which is the key.
func (r Row) AppendValue(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, r.Kind)
	b = binary.BigEndian.AppendUint32(b, uint32(r.Count))
	if r.Kind != Placed {
		return AppendPlace(b, runs.Place{})
	}
	return AppendPlace(b, r.Place)
}

// DecodeRow decodes a row of a table of runs; key and value must have its sizes. ok is false if there can be no such
// row.
func DecodeRow(key, value []byte) (r Row, ok bool) {
	r = Row{
		First: binary.BigEndian.Uint64(key),
		Kind:  binary.BigEndian.Uint32(value),
		Count: uint64(binary.BigEndian.Uint32(value[4:])),
		Place: DecodePlace(value[8:]),
	}
	return r, r.Count > 0 && r.Kind >= Placed && r.Kind <= Cleared && r.First < NoLimit
}

// ClearedRows returns rows that say that blocks first … end-1 are not held since a commit.
func ClearedRows(first, end, seq uint64) []Row {
	var rows []Row
	for first < end {
		count := min(end-first, 1<<31) // tables count with 32 bits
		rows = append(rows, Row{First: first, Count: count, Kind: Cleared, Seq: seq})
		first += count
	}
	return rows
}

// Rows is rows in ascending order that do not overlap. Its zero value has none.
type Rows []Row

// Add puts rows, ascending and apart from one another, on top of those that are there.
func (s *Rows) Add(rows []Row) {
	if len(rows) == 0 {
		return
	}
	if n := len(*s); n == 0 || (*s)[n-1].End() <= rows[0].First {
		*s = append(*s, rows...)
		return
	}
	from := s.Find(rows[0].First) // only rows at or after the first new row change
	old, kept := slices.Clone((*s)[from:]), (*s)[:from]
	for _, r := range rows {
		for len(old) > 0 && old[0].First < r.First {
			o := old[0]
			if o.End() <= r.First {
				kept, old = append(kept, o), old[1:]
				continue
			}
			kept = append(kept, o.Part(o.First, r.First))
			old[0] = o.Part(r.First, o.End())
		}
		for len(old) > 0 && old[0].First < r.End() {
			if old[0].End() > r.End() {
				old[0] = old[0].Part(r.End(), old[0].End())
				break
			}
			old = old[1:]
		}
		kept = append(kept, r)
	}
	*s = append(kept, old...)
}

// Find returns the index of the first row that ends after block; len(s) if there is none.
func (s Rows) Find(block uint64) int {
	return sort.Search(len(s), func(i int) bool { return s[i].End() > block })
}

// At returns the row that has block.
func (s Rows) At(block uint64) (Row, bool) {
	i := s.Find(block)
	if i == len(s) || s[i].First > block {
		return Row{}, false
	}
	return s[i], true
}

// Cut forgets everything from block length on.
func (s *Rows) Cut(length uint64) {
	i := s.Find(length)
	if i < len(*s) && (*s)[i].First < length {
		(*s)[i] = (*s)[i].Part((*s)[i].First, length)
		i++
	}
	*s = (*s)[:i]
}
