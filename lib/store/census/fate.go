package census

import (
	"sort"

	"hc/lib/store/blockmap"
	"hc/lib/store/packlog"
)

// Fate is what the log says about a core up to the census.
type Fate struct {
	Drop    packlog.Position // the last drop record; zero: there is none
	Dropped packlog.Position // its head; everything before it is dead
	Older   map[uint64]bool  // packs that have something of the core from before the drop
	Pinned  bool             // something of the core from before the drop stays
	Seen    bool             // there were conflicting heads

	head  packlog.Position // the last one
	cuts  []cut            // ascending positions and lengths
	sizes [2]uint64        // bytes of the drop's record and of its head
}

// cut is a truncation. One that a later one exceeds is left out.
type cut struct {
	at     packlog.Position
	length uint64
}

func (f *Fate) addCut(c cut) {
	for n := len(f.cuts); n > 0 && f.cuts[n-1].length >= c.length; n-- {
		f.cuts = f.cuts[:n-1]
	}
	f.cuts = append(f.cuts, c)
}

// left returns the length to which the blocks of a record at a position have been cut back since.
func (f *Fate) left(at packlog.Position) uint64 {
	i := sort.Search(len(f.cuts), func(i int) bool { return at.Less(f.cuts[i].at) })
	if i == len(f.cuts) {
		return blockmap.NoLimit
	}
	return f.cuts[i].length
}

// leave notes that something of the core from before its drop is left.
func (f *Fate) leave(at packlog.Position) {
	if f.Older == nil {
		f.Older = make(map[uint64]bool)
	}
	f.Older[at.Pack] = true
}

// Gone reports whether the core was dropped after a position.
func (f *Fate) Gone(at packlog.Position) bool { return at.Less(f.Dropped) }
