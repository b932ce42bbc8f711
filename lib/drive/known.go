package drive

import (
	"context"
	"errors"

	"hc/lib/hash"
	"hc/lib/hyperdrive"
	"hc/lib/merkle"
	"hc/lib/store"
)

const (
	mostOld    = 64 << 10 // blocks of a file's last version that are looked up: 4 GiB of them, in chunks of 64 KiB
	mostFirst  = 1 << 20  // files, and runs of files with a map, whose first block is known
	mostMapped = 1 << 10  // files whose maps are read for firsts
	mostNew    = 64 << 10 // blocks of this import in each of two maps
)

// known finds blocks that the blobs core already has by their leaf hash: in the last version of the same file, at the
// beginning of any other file, or of a run in its map, or among the blocks that this import has appended. After a
// block is found, the one that follows it is the first guess for the next, so a renamed file is found by its first
// block.
type known struct {
	view   *store.View // the blobs core before this import
	length uint64
	guess  uint64                 // the block after the one that was found last
	old    map[hash.Digest]uint64 // of the current file
	firsts map[uint64]uint64      // first 8 bytes of a leaf hash → block; to be checked. nil: not filled yet
	recent map[hash.Digest]uint64 // appended by this import
	before map[hash.Digest]uint64 // likewise, before recent
}

func newKnown(view *store.View) *known {
	return &known{view: view, length: view.Head().Length, recent: make(map[hash.Digest]uint64)}
}

// find returns the block of the blobs core that has this leaf hash and size.
func (k *known) find(ctx context.Context, leaf hash.Digest, size int) (block uint64, ok bool, err error) {
	for _, at := range []func() (uint64, bool){
		func() (uint64, bool) { return k.guess, k.guess < k.length },
		func() (uint64, bool) { at, ok := k.old[leaf]; return at, ok },
		func() (uint64, bool) { at, ok := k.firsts[prefix(leaf)]; return at, ok },
	} {
		at, candidate := at()
		if !candidate {
			continue
		}
		if ok, err = k.is(ctx, at, leaf, size); ok || err != nil {
			k.guess = at + 1
			return at, ok, err
		}
	}
	if block, ok = k.recent[leaf]; !ok {
		block, ok = k.before[leaf]
	}
	return block, ok, nil
}

// is reports whether a block from before this import has this leaf hash.
func (k *known) is(ctx context.Context, block uint64, leaf hash.Digest, size int) (bool, error) {
	node, err := k.view.Node(ctx, 2*block)
	if errors.Is(err, merkle.ErrNodeMissing) || errors.Is(err, store.ErrBlockMissing) {
		return false, nil
	}
	return err == nil && node.Hash == leaf && node.Size == uint64(size), err
}

// add records a block that was appended.
func (k *known) add(leaf hash.Digest, block uint64) {
	if len(k.recent) == mostNew {
		k.before, k.recent = k.recent, make(map[hash.Digest]uint64)
	}
	k.recent[leaf] = block
}

// begin prepares for the next version of a file whose content is in these runs.
func (k *known) begin(ctx context.Context, pieces []hyperdrive.Run) error {
	k.old, k.guess = nil, k.length
	if len(pieces) == 0 {
		return nil
	}
	k.old, k.guess = make(map[hash.Digest]uint64), pieces[0].First
	for _, run := range pieces {
		for block := run.First; block < run.First+run.Count && len(k.old) < mostOld; block++ {
			node, err := k.view.Node(ctx, 2*block)
			if errors.Is(err, merkle.ErrNodeMissing) {
				continue
			}
			if err != nil {
				return err
			}
			k.old[node.Hash] = block
		}
	}
	return nil
}

// addFirst records the first block of a file.
func (k *known) addFirst(ctx context.Context, block uint64) error {
	if k.firsts == nil {
		k.firsts = make(map[uint64]uint64)
	}
	if len(k.firsts) >= mostFirst || block >= k.length {
		return nil
	}
	node, err := k.view.Node(ctx, 2*block)
	if errors.Is(err, merkle.ErrNodeMissing) {
		return nil
	}
	if err == nil {
		k.firsts[prefix(node.Hash)] = block
	}
	return err
}

func prefix(leaf hash.Digest) (p uint64) {
	for _, b := range leaf[:8] {
		p = p<<8 | uint64(b)
	}
	return p
}
