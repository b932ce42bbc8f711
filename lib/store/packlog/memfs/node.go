package memfs

import (
	"maps"
	"math/rand/v2"
	"slices"
)

// node is a file or a folder: what processes see, and what is on the disk.
type node struct {
	dir bool

	entries, onDisk map[string]*node // of a folder
	pending         []change         // of entries since the folder was synced

	data, disk []byte // of a file
	dirty      []write
	locks      map[*file]bool // open files that hold the lock, and whether they share it
	watchers   []*watcher

	in *node // the folder; nil: the root
}

// change is one change of a folder: the name to goes to a node, or is removed; from is removed with it (a rename).
type change struct {
	to, from string
	node     *node
}

// write is one write or, if data is nil, a truncation.
type write struct {
	offset int
	data   []byte
}

func newDir() *node {
	return &node{dir: true, entries: map[string]*node{}, onDisk: map[string]*node{}}
}

func (n *node) find(name string) *node {
	for _, part := range split(name) {
		if n = n.entries[part]; n == nil {
			return nil
		}
	}
	return n
}

func (n *node) used() int {
	used := len(n.data)
	for _, entry := range n.entries {
		used += entry.used()
	}
	return used
}

func (c change) apply(entries map[string]*node) {
	if c.from != "" {
		delete(entries, c.from)
	}
	if c.node == nil {
		delete(entries, c.to)
	} else {
		entries[c.to] = c.node
	}
}

func (n *node) change(c change) {
	if c.node != nil {
		c.node.in = n
	}
	c.apply(n.entries)
	n.pending = append(n.pending, c)
}

func (n *node) syncDir() {
	for _, c := range n.pending {
		c.apply(n.onDisk)
	}
	n.pending = nil
}

func (n *node) write(offset int, b []byte) {
	if end := offset + len(b); end > len(n.data) {
		n.data = append(n.data, make([]byte, end-len(n.data))...)
	}
	copy(n.data[offset:], b)
	n.dirty = append(n.dirty, write{offset, append([]byte(nil), b...)})
	n.signal()
	n.in.signal()
}

func (n *node) signal() {
	for _, w := range n.watchers {
		w.signal()
	}
}

func (n *node) cut(size int) {
	n.data = resize(slices.Clone(n.data), size)
	n.dirty = append(n.dirty, write{offset: size})
}

func (n *node) store(offset int, b []byte) {
	if b == nil {
		n.disk = resize(n.disk, min(len(n.disk), offset))
		return
	}
	if end := offset + len(b); end > len(n.disk) {
		n.disk = append(n.disk, make([]byte, end-len(n.disk))...)
	}
	copy(n.disk[offset:], b)
}

func (n *node) sync() {
	for _, w := range n.dirty {
		n.store(w.offset, w.data)
	}
	n.dirty = nil
	n.disk = resize(n.disk, len(n.data))
}

func resize(b []byte, length int) []byte {
	if len(b) >= length {
		return b[:length]
	}
	return append(b, make([]byte, length-len(b))...)
}

// reach lets any part of the dirty data reach the disk: nothing, all, or any sectors of it.
func (n *node) reach(random *rand.Rand) {
	switch random.IntN(3) {
	case 0:
	case 1:
		n.sync()
	case 2:
		for _, w := range n.dirty {
			if w.data == nil && random.IntN(2) == 0 {
				n.store(w.offset, nil)
			}
			for len(w.data) > 0 {
				size := min(len(w.data), sector-w.offset%sector)
				if random.IntN(2) == 0 {
					n.store(w.offset, w.data[:size])
				}
				w.offset, w.data = w.offset+size, w.data[size:]
			}
		}
		if random.IntN(2) == 0 && len(n.disk) < len(n.data) {
			n.disk = resize(n.disk, len(n.data))
		}
	}
	n.dirty = nil
}

// syncFailed leaves the file clean, though any part may not be on the disk, and may evict it from the cache.
func (n *node) syncFailed(random *rand.Rand) {
	n.reach(random)
	if random.IntN(2) == 0 {
		n.data = append([]byte(nil), resize(slices.Clone(n.disk), len(n.data))...)
	}
}

// settle is a power loss.
func (n *node) settle(random *rand.Rand, seen map[*node]bool) {
	if seen[n] {
		return
	}
	seen[n] = true
	if !n.dir {
		n.reach(random)
		n.data, n.locks, n.watchers = slices.Clone(n.disk), nil, nil
		return
	}
	for _, c := range n.pending {
		if random.IntN(2) == 0 {
			c.apply(n.onDisk)
		}
	}
	n.pending = nil
	n.entries = maps.Clone(n.onDisk)
	for _, name := range slices.Sorted(maps.Keys(n.entries)) {
		n.entries[name].settle(random, seen)
	}
}
