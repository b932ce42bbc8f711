package hypercore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"hc/lib/hash"
	"hc/lib/keys"
	"hc/lib/lent"
	"hc/lib/merkle"
	"hc/lib/store"
)

// Unsaved returns the cost in memory, in bytes, of the verified blocks that are not in the store yet, and whether
// there is anything to save.
func (d *Download) Unsaved() (memory int, any bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.unsaved.memory + d.unsaved.framed, d.unsaved.any()
}

// AwaitSaved asks for a save and returns once everything verified by now is saved. Without a store it returns at
// once.
func (d *Download) AwaitSaved(ctx context.Context) error {
	d.mu.Lock()
	last := d.saves.begun + 1 // a save that begins from now on includes everything
	asked := d.into != nil && d.unsaved.any()
	if asked {
		d.saves.wanted = true
		d.notify()
	}
	d.mu.Unlock()
	if !asked {
		return nil
	}
	return d.await(ctx, func() (bool, error) {
		saved := d.saves.ended >= last || !d.unsaved.any()
		if !saved && d.finished {
			return true, d.missing(errUnsaved)
		}
		return saved, nil
	})
}

var errUnsaved = errors.New("downloaded blocks could not be saved")

// saves counts saves, so that a caller can wait for one.
type saves struct {
	begun, ended uint64
	wanted       bool // one should begin soon
}

// SaveWanted reports whether somebody waits for a save.
func (d *Download) SaveWanted() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.saves.wanted
}

// Save commits to the store what was verified since the last save. Without a store it does nothing.
func (d *Download) Save(ctx context.Context) error {
	d.mu.Lock()
	what, head := d.unsaved, d.head
	if d.into == nil || !what.any() {
		d.mu.Unlock()
		return nil
	}
	d.saves.begun++
	d.saves.wanted = false
	v := verifiedPart{key: d.key, manifest: d.auth.Manifest(), head: head, base: d.base, nodes: what.nodes, durable: d.sync}
	memory := make([]*lent.Memory, 0, len(what.blocks))
	for _, leaf := range what.blocks {
		h := d.blocks[leaf.Index/2]
		v.blocks = append(v.blocks, verifiedBlock{leaf.Index / 2, leaf.Hash, h.data})
		h.memory.Hold() // the block may come again meanwhile
		memory = append(memory, h.memory)
	}
	v.frames = slices.Clone(what.frames)
	d.saving, d.nodes = d.nodes, map[uint64]merkle.Node{}
	d.mu.Unlock()

	view, err := v.keep(ctx, d.into)
	for _, m := range memory {
		m.Release()
	}

	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		maps.Copy(d.saving, d.nodes)
		d.nodes, d.saving = d.saving, nil
		return fmt.Errorf("saving downloaded blocks: %w", err)
	}
	d.saves.ended = d.saves.begun
	maps.DeleteFunc(d.saving, func(_ uint64, node merkle.Node) bool { return node.Hint }) // the view may know better
	d.view, d.lately, d.saving, d.base = view, d.saving, nil, head
	clear(d.absent)
	d.unsaved.blocks = slices.Clone(d.unsaved.blocks[len(what.blocks):])
	for _, frame := range what.frames {
		frame.Memory.Release()
	}
	d.unsaved.frames = slices.Clone(d.unsaved.frames[len(what.frames):])
	d.unsaved.nodes = slices.Clone(d.unsaved.nodes[len(what.nodes):])
	d.unsaved.memory -= what.memory
	d.unsaved.framed -= what.framed
	d.unsaved.head = d.head.Length != head.Length
	d.saved(what.blocks)
	d.notify()
	return nil
}

// verifiedPart is verified data of a core on its way into a store.
type verifiedPart struct {
	replaces bool // replace blocks that the store claims to hold: they may be damaged there
	key      keys.Key
	manifest []byte
	head     store.Head
	base     store.Head // an older head of the same log that this was verified on top of; zero: none
	nodes    []merkle.Node
	blocks   []verifiedBlock
	frames   []Frame
	durable  bool
}

type verifiedBlock struct {
	index uint64
	leaf  hash.Digest
	data  []byte
}

// If there are at least shortBlocks blocks, of fewer than shortBlock bytes on average, they are kept like those of a
// log of lines: without an entry each in the store's index.
const (
	shortBlock  = 512
	shortBlocks = 64
)

func (v *verifiedPart) short() bool {
	bytes := 0
	for _, block := range v.blocks {
		bytes += len(block.data)
	}
	return len(v.blocks) >= shortBlocks && bytes < shortBlock*len(v.blocks)
}

// withoutCovered returns the nodes without those whose blocks are all here: these the store computes itself. For a
// log of short lines few nodes are left.
func (v *verifiedPart) withoutCovered(nodes []merkle.Node) []merkle.Node {
	slices.SortFunc(v.blocks, func(a, b verifiedBlock) int { return cmp.Compare(a.index, b.index) })
	v.blocks = slices.CompactFunc(v.blocks, func(a, b verifiedBlock) bool { return a.index == b.index })
	rest := make([]merkle.Node, 0, len(nodes))
	for _, node := range nodes {
		first, last := merkle.FirstBlock(node.Index), merkle.LastBlock(node.Index)
		at, found := slices.BinarySearchFunc(v.blocks, first, func(b verifiedBlock, first uint64) int { return cmp.Compare(b.index, first) })
		if end := uint64(at) + last - first; found && end < uint64(len(v.blocks)) && v.blocks[end].index == last {
			continue
		}
		rest = append(rest, node)
	}
	return rest
}

// keep commits the part, and returns the core as it then is.
func (v *verifiedPart) keep(ctx context.Context, into *store.Store) (*store.View, error) {
	if err := again(func() error { return v.commit(ctx, into) }); err != nil {
		return nil, err
	}
	return into.View(ctx, v.key, false)
}

func (v *verifiedPart) commit(ctx context.Context, into *store.Store) error {
	tx, err := into.Begin(ctx, v.key, store.TxOptions{Manifest: v.manifest, Durable: v.durable, Short: v.short(), Effort: store.Quick})
	if err != nil {
		return err
	}
	defer tx.Abort()
	stored := tx.View().Head()
	if err := v.sameLog(ctx, tx.View(), stored); err != nil {
		return err
	}
	if err := tx.Nodes(ctx, v.withoutCovered(v.nodes)); err != nil {
		return err
	}
	if err := v.put(ctx, tx); err != nil {
		return err
	}
	return tx.Commit(ctx, func() (store.Head, error) {
		if stored.Length > v.head.Length {
			return stored, nil // another process is ahead; the blocks are of its log, too
		}
		return v.head, nil
	})
}

// sameLog refuses to mix two histories that one key signed. A log that another process stored meanwhile must be of
// the same fork and have the nodes and blocks that were verified here, including those that need not be written. If
// its head is the one that this part was verified against, or on top of, the log is the same and nothing has to be
// looked up.
func (v *verifiedPart) sameLog(ctx context.Context, view *store.View, stored store.Head) error {
	if stored.Length == 0 || sameHead(stored, v.head) || sameHead(stored, v.base) {
		return nil
	}
	if stored.Fork != v.head.Fork || stored.Length == v.head.Length {
		return fmt.Errorf("%w: the store has core %v at fork %d with %d blocks and a tree that differs from the one a peer proved", ErrForked, v.key, stored.Fork, stored.Length)
	}
	if err := sameNodes(ctx, view, v.nodes); err != nil {
		return err
	}
	leaves := make([]merkle.Node, 0, len(v.blocks))
	for _, block := range v.blocks {
		leaves = append(leaves, merkle.LeafNodeHash(block.index, uint64(len(block.data)), block.leaf))
	}
	return sameNodes(ctx, view, leaves)
}

func sameHead(a, b store.Head) bool {
	return a.Fork == b.Fork && a.Length == b.Length && a.TreeHash == b.TreeHash
}

func sameNodes(ctx context.Context, view *store.View, nodes []merkle.Node) error {
	for _, node := range nodes {
		stored, err := view.Node(ctx, node.Index)
		if err == nil && stored.Hash != node.Hash {
			return fmt.Errorf("%w: node %d of core %v in the store differs from the one that a peer proved", ErrForked, node.Index, view.Key())
		}
	}
	return nil
}
