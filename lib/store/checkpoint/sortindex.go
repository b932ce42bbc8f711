package checkpoint

import (
	"encoding/binary"
	"slices"
)

const sortBits = 12 // of a leaf hash, which pick a row's bucket: a full buffer has sixteen rows in each

// sortIndex sorts rows by indexRow.compare. Leaf hashes are spread evenly, so rows are dealt into buckets by their
// first bits, in place, and only a few neighbours are left to compare. If hashes are not spread evenly, it only takes
// longer.
func sortIndex(rows []indexRow) {
	const buckets = 1 << sortBits
	if len(rows) < 2*buckets {
		slices.SortFunc(rows, indexRow.compare)
		return
	}
	bucket := func(r *indexRow) int { return int(binary.BigEndian.Uint16(r.leaf[:]) >> (16 - sortBits)) }
	var next, end [buckets]int // of each bucket: where its next row goes, and where it ends
	for i := range rows {
		end[bucket(&rows[i])]++
	}
	at := 0
	for b, count := range end {
		next[b], end[b] = at, at+count
		at += count
	}
	for b := range buckets {
		for next[b] < end[b] {
			row := &rows[next[b]]
			home := bucket(row)
			if home != b {
				rows[next[home]], *row = *row, rows[next[home]]
			}
			next[home]++
		}
	}
	at = 0
	for _, to := range end {
		slices.SortFunc(rows[at:to], indexRow.compare)
		at = to
	}
}
