package drive

import (
	"context"
	"errors"
	"sort"

	"hc/lib/hyperdrive"
	"hc/lib/merkle"
	"hc/lib/store"
)

// mostStood is the largest number of old blocks that are named for new ones.
const mostStood = 48

// stood tracks, as a file's blocks come, the corresponding blocks of its last version: a new block is likely to
// differ little from the one in its place.
type stood struct {
	at     uint64     // bytes of the file so far
	last   uint64     // block that was found last; fresh: none
	lastAt uint64     // bytes of the file before that block
	old    *oldBlocks // nil: not needed yet
}

func newStood() stood { return stood{last: fresh} }

// found is called for each block that the core has, appended for each new one.
func (s *stood) found(block uint64, size int) {
	s.last, s.lastAt = block, s.at
	s.at += uint64(size)
}

func (s *stood) appended(size int) { s.at += uint64(size) }

// here returns the old blocks in the place of count new ones. runs is the content of the file's last version, empty
// if there is none.
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
	if i, ok := s.old.number[s.last]; ok { // blocks since then have shifted by as much as that block
		at = s.old.start(i) + s.at - s.lastAt
	}
	return s.old.near(at, count), nil
}

// behindLast returns the blocks after the last one that was found: those of a file under another name.
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

// oldBlocks is the blocks of a file's last version, in order.
type oldBlocks struct {
	blocks []uint64
	ends   []uint64       // bytes of the file up to the end of each block
	number map[uint64]int // of a block in blocks
}

func blocksOf(ctx context.Context, view *store.View, runs []hyperdrive.Run) (*oldBlocks, error) {
	v := &oldBlocks{number: make(map[uint64]int)}
	end := uint64(0)
	for _, run := range runs {
		for block := run.First; block < run.First+run.Count && len(v.blocks) < mostOld; block++ {
			node, err := view.Node(ctx, 2*block)
			if errors.Is(err, merkle.ErrNodeMissing) {
				return v, nil // the place of the rest is unknown
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

// near returns about count blocks, from the one before an offset on.
func (v *oldBlocks) near(offset uint64, count int) []uint64 {
	i := sort.Search(len(v.ends), func(i int) bool { return v.ends[i] > offset })
	from, to := max(0, i-1), min(len(v.blocks), i+count+2)
	return v.blocks[from:min(to, from+mostStood)]
}
