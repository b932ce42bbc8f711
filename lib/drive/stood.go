package drive

import (
	"context"
	"errors"
	"sort"

	"hc/lib/hyperdrive"
	"hc/lib/merkle"
	"hc/lib/store"
)

// mostStood is how many blocks are said to have stood where new ones will.
const mostStood = 48

// stood follows, beside a file's blocks as they come, where those of its last version are: what is new is likely to differ little from
// what stood in its place.
type stood struct {
	at     uint64     // bytes of the file that came
	last   uint64     // block that was found last; fresh: none
	lastAt uint64     // bytes of the file before that
	old    *oldBlocks // nil: nobody asked yet
}

func newStood() stood { return stood{last: fresh} }

// found is told of each block that the core has, new ones of appended.
func (s *stood) found(block uint64, size int) {
	s.last, s.lastAt = block, s.at
	s.at += uint64(size)
}

func (s *stood) appended(size int) { s.at += uint64(size) }

// here returns what stood where count new blocks will. runs is the content of the file's last version; none: there is none.
func (s *stood) here(ctx context.Context, view *store.View, runs []hyperdrive.Run, count int) ([]uint64, error) {
	if len(runs) == 0 {
		return s.behindLast(view, count), nil
	}
	if s.old == nil {
		var err error
		if s.old, err = blocksOf(ctx, view, runs); err != nil {
			return nil, err
		}
	}
	at := s.at
	if i, ok := s.old.number[s.last]; ok { // what came since has shifted by as much as that block
		at = s.old.start(i) + s.at - s.lastAt
	}
	return s.old.near(at, count), nil
}

// behindLast returns the blocks behind the last one that was found: of a file under another name.
func (s *stood) behindLast(view *store.View, count int) []uint64 {
	if s.last == fresh {
		return nil
	}
	var blocks []uint64
	for b := s.last + 1; b < view.Head().Length && len(blocks) < min(count+1, mostStood); b++ {
		blocks = append(blocks, b)
	}
	return blocks
}

// oldBlocks is the blocks of a file's last version, in their order.
type oldBlocks struct {
	blocks []uint64
	ends   []uint64       // bytes of the file up to the end of each
	number map[uint64]int // of a block in blocks
}

func blocksOf(ctx context.Context, view *store.View, runs []hyperdrive.Run) (*oldBlocks, error) {
	v := &oldBlocks{number: make(map[uint64]int)}
	end := uint64(0)
	for _, run := range runs {
		for block := run.First; block < run.First+run.Count && len(v.blocks) < mostOld; block++ {
			node, err := view.Node(ctx, 2*block)
			if errors.Is(err, merkle.ErrNodeMissing) {
				return v, nil // the rest cannot be told where it is
			}
			if err != nil {
				return nil, err
			}
			end += node.Size
			v.number[block] = len(v.blocks)
			v.blocks, v.ends = append(v.blocks, block), append(v.ends, end)
		}
	}
	return v, nil
}

func (v *oldBlocks) start(i int) uint64 {
	if i == 0 {
		return 0
	}
	return v.ends[i-1]
}

// near returns about count blocks from an offset on, and one before.
func (v *oldBlocks) near(offset uint64, count int) []uint64 {
	i := sort.Search(len(v.ends), func(i int) bool { return v.ends[i] > offset })
	from, to := max(0, i-1), min(len(v.blocks), i+count+2)
	return v.blocks[from:min(to, from+mostStood)]
}
