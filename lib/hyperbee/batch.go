package hyperbee

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Batch makes the blocks of one append: one for each operation that changes something, in order. It holds them, and
// the nodes that the operations visited, in memory until [Batch.Flush]. After an error other than ErrNotFound or
// ErrTooLarge it does nothing more. It is not safe for concurrent use.
type Batch struct {
	tree    *Tree // before the batch
	root    *draft
	way     way // memory for the next search
	pending []change
	err     error
}

// change is an unfinished block.
type change struct {
	nodes      []*edge // that were changed, the root first; they are encoded at the end
	key, value []byte
}

// maxChange is the largest size in bytes of a key with its value: the rest of a block is for the nodes, which take a
// few hundred bytes for each level of the tree.
const maxChange = maxBlock - 64<<10

var errFlushed = errors.New("the batch has been flushed")

// NewBatch begins a batch on the tree whose core has length blocks. An empty core counts as one with its header. The
// header must be an append of its own, before the batch's, as stock does it; [Header] returns it.
func NewBatch(blocks Blocks, length uint64) *Batch {
	return &Batch{tree: Open(blocks, max(length, 1))}
}

// Get returns the entry of a key as the batch has made it.
func (b *Batch) Get(ctx context.Context, key []byte) (Entry, error) {
	if err := b.begin(ctx); err != nil {
		return Entry{}, err
	}
	w, i, hit, err := b.search(ctx, key)
	if err != nil {
		return Entry{}, b.fail(err)
	}
	if !hit {
		return Entry{}, fmt.Errorf("%.300q: %w", key, ErrNotFound)
	}
	seq := w.end().keys[i].seq
	if seq >= b.tree.version {
		change := b.pending[seq-b.tree.version]
		return Entry{Seq: seq, Key: change.key, Value: change.value}, nil
	}
	block, err := b.tree.read(ctx, seq)
	if err != nil {
		return Entry{}, b.fail(err)
	}
	return block.entry(), nil
}

// Put sets a key, and makes a block even if the key had that value. The batch keeps both slices.
func (b *Batch) Put(ctx context.Context, key, value []byte) error {
	if len(key)+len(value) > maxChange {
		return fmt.Errorf("key %.300q: %w: with its value it has %d bytes, and %d are the limit", key, ErrTooLarge, len(key)+len(value), maxChange)
	}
	if err := b.begin(ctx); err != nil {
		return err
	}
	return b.fail(b.put(ctx, slices.Clip(key), value))
}

func (b *Batch) put(ctx context.Context, key, value []byte) error {
	if key == nil {
		key = []byte{}
	}
	w, i, hit, err := b.search(ctx, key)
	if err != nil {
		return err
	}
	for _, n := range w {
		n.changed = true
	}
	set := draftKey{seq: b.next(), bytes: key}
	if hit {
		w.end().keys[i] = set
	} else {
		w.end().keys = slices.Insert(w.end().keys, i, set)
		if err := b.split(ctx, w); err != nil {
			return err
		}
	}
	b.finish(key, value)
	return nil
}

// split divides the nodes at the end of a way that have become too large, from the last one up.
func (b *Batch) split(ctx context.Context, w way) error {
	const half = maxKeys / 2
	for len(w.end().keys) > maxKeys {
		n := w.end()
		w = w[:len(w)-1]
		median := n.keys[half]
		right := &draft{changed: true, keys: slices.Clone(n.keys[half+1:])}
		if !n.leaf() {
			right.children = slices.Clone(n.children[half+1:])
			n.children = cut(n.children, half+1)
		}
		n.keys = cut(n.keys, half)
		if len(w) == 0 {
			b.root = &draft{changed: true, keys: []draftKey{median}, children: []*edge{{node: n}, {node: right}}}
			return nil
		}
		key, err := b.bytes(ctx, &median)
		if err != nil {
			return err
		}
		i, _, err := b.find(ctx, w.end(), key)
		if err != nil {
			return err
		}
		w.end().keys = slices.Insert(w.end().keys, i, median)
		w.end().children = slices.Insert(w.end().children, i+1, &edge{node: right})
	}
	return nil
}

// cut keeps the first n elements and clears the others.
func cut[T any](s []T, n int) []T {
	clear(s[n:])
	return s[:n]
}

// begin loads the root when the first operation needs it.
func (b *Batch) begin(ctx context.Context) error {
	if b.err == nil {
		b.err = ctx.Err()
	}
	if b.err != nil || b.root != nil {
		return b.err
	}
	at, ok := b.tree.root()
	if !ok {
		b.root = &draft{}
		return nil
	}
	root, err := b.load(ctx, at, true)
	b.root = root
	return b.fail(err)
}

// fail keeps an error: an operation may have been left half done.
func (b *Batch) fail(err error) error {
	if err != nil {
		b.err = err
	}
	return err
}

// next returns the number of the next block.
func (b *Batch) next() uint64 { return b.tree.version + uint64(len(b.pending)) }
