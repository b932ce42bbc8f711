package treetable

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"sort"

	"hc/lib/merkle"
	"hc/lib/store/table"
)

// Set is nodes of a tree, in memory, by their indexes. Those of long subtrees are kept together, as rows of a tree
// table: they come by the thousand, and so cost no more than hashing them, where a map takes three times the memory and
// the time, and its nodes would have to be sorted. If rows have a node, single is ignored.
type Set struct {
	single map[uint64]merkle.Node
	rows   []nodeRows // ascending, apart from one another
	count  int        // of nodes in rows
}

// nodeRows is certain nodes with consecutive post-order numbers. Immutable.
type nodeRows struct {
	first  uint64 // number
	values []byte // as encoded in a tree table
}

// rowsFrom is the fewest leaves of a subtree whose nodes are kept together. Small ones may come in any order, and there
// would be too many to keep them in a list.
const rowsFrom = 32

// NewSet returns an empty set.
func NewSet() Set { return Set{single: make(map[uint64]merkle.Node)} }

func (r nodeRows) len() int { return len(r.values) / Schema.ValueSize }

func (r nodeRows) end() uint64 { return r.first + uint64(r.len()) }

// part returns the rows from number first to number end, both within r.
func (r nodeRows) part(first, end uint64) nodeRows {
	size := uint64(Schema.ValueSize)
	return nodeRows{first, r.values[(first-r.first)*size : (end-r.first)*size]}
}

// belowRoot is the nodes below the root of a subtree: as rows or, if they are few, one by one.
type belowRoot struct {
	few  []merkle.Node
	rows nodeRows
}

// hashSubtree hashes a subtree, and returns its root and the nodes below it.
func hashSubtree(leaves []merkle.Node) (root merkle.Node, below belowRoot) {
	count := 2*len(leaves) - 2
	if len(leaves) < rowsFrom {
		below.few = make([]merkle.Node, 0, count)
		root = merkle.Subtree(leaves, func(n merkle.Node) { below.few = append(below.few, n) })
		return root, below
	}
	first, values := Number(leaves[0].Index), make([]byte, count*Schema.ValueSize)
	root = merkle.Subtree(leaves, func(n merkle.Node) {
		at := (Number(n.Index) - first) * uint64(Schema.ValueSize)
		AppendValue(values[at:at], n)
	})
	return root, belowRoot{rows: nodeRows{first, values}}
}

// Len returns how many nodes there are, or a few more.
func (s *Set) Len() int { return len(s.single) + s.count }

// Get returns the node at a flat-tree index, if it is there.
func (s *Set) Get(index uint64) (merkle.Node, bool) {
	if len(s.rows) > 0 {
		number := Number(index)
		if r, ok := s.rowsAt(number); ok {
			return DecodeValue(index, r.part(number, number+1).values), true
		}
	}
	n, ok := s.single[index]
	return n, ok
}

// rowsAt returns the rows that have the node with that number.
func (s *Set) rowsAt(number uint64) (nodeRows, bool) {
	i := s.behind(number)
	if i == len(s.rows) || s.rows[i].first > number {
		return nodeRows{}, false
	}
	return s.rows[i], true
}

// behind returns the index of the first rows that end after a number.
func (s *Set) behind(number uint64) int {
	if n := len(s.rows); n == 0 || s.rows[n-1].end() <= number { // a log that grows
		return n
	}
	return sort.Search(len(s.rows), func(i int) bool { return s.rows[i].end() > number })
}

// put adds a node. One that is in rows is certain, and stays.
func (s *Set) put(n merkle.Node) { s.single[n.Index] = n }

// putBelow adds the nodes below the root of a subtree, in place of those that are there.
func (s *Set) putBelow(below belowRoot) {
	for _, n := range below.few {
		s.put(n)
	}
	if below.few != nil {
		return
	}
	r := below.rows
	from := s.behind(r.first)
	to := from
	for to < len(s.rows) && s.rows[to].first < r.end() {
		s.count -= s.rows[to].len()
		to++
	}
	put := make([]nodeRows, 0, 3)
	if from < to && s.rows[from].first < r.first {
		put = append(put, s.rows[from].part(s.rows[from].first, r.first))
	}
	put = append(put, r)
	if from < to && s.rows[to-1].end() > r.end() {
		put = append(put, s.rows[to-1].part(r.end(), s.rows[to-1].end()))
	}
	for _, p := range put {
		s.count += p.len()
	}
	s.rows = slices.Replace(s.rows, from, to, put...)
}

// Cut forgets the nodes above blocks from length on.
func (s *Set) Cut(length uint64) {
	maps.DeleteFunc(s.single, func(index uint64, _ merkle.Node) bool { return merkle.LastBlock(index) >= length })
	limit := Count(length)
	left := s.rows[:0]
	s.count = 0
	for _, r := range s.rows {
		if r.first >= limit {
			break
		}
		r = r.part(r.first, min(r.end(), limit))
		s.count += r.len()
		left = append(left, r)
	}
	clear(s.rows[len(left):])
	s.rows = left
}

// Clone returns a set of the same nodes that changes independently of s.
func (s *Set) Clone() Set {
	return Set{single: maps.Clone(s.single), rows: slices.Clone(s.rows), count: s.count}
}

// Clear forgets all nodes.
func (s *Set) Clear() {
	clear(s.single)
	s.rows, s.count = nil, 0
}

// AddTo adds all nodes to a tree's table.
func (s *Set) AddTo(w *table.Writer) error {
	single := slices.SortedFunc(maps.Values(s.single), func(x, y merkle.Node) int {
		return cmp.Compare(Number(x.Index), Number(y.Index))
	})
	addUpTo := func(number uint64) error {
		for len(single) > 0 && Number(single[0].Index) < number {
			if err := add(w, single[0]); err != nil {
				return err
			}
			single = single[1:]
		}
		return nil
	}
	for _, r := range s.rows {
		if err := addUpTo(r.first); err != nil {
			return err
		}
		if err := w.AddFollowing(r.first, r.values); err != nil {
			return err
		}
		for len(single) > 0 && Number(single[0].Index) < r.end() {
			single = single[1:]
		}
	}
	return addUpTo(math.MaxUint64)
}
