package store

import (
	"context"
	"runtime"
	"slices"
	"sync"

	"hc/lib/checksum"
	"hc/lib/hash"
	"hc/lib/merkle"
	"hc/lib/store/codec"
)

// Bounds of what waits until it is decided how it is stored.
const (
	gapBlocks     = 32
	gapBytes      = 2 << 20
	leadingBlocks = 4       // at the beginning of a log, where nothing says yet whether it is another version of anything
	queuedBytes   = 8 << 20 // of new blocks
	queuedBlocks  = 16 << 10
)

// deltas finds, for new blocks, the earlier blocks in their place: those after the last block that the store has, or
// before the next such block, or those that Stood named. It examines new blocks in a row together, beside the append,
// and settles blocks in their order.
type deltas struct {
	tx      *Tx
	anchor  place    // where the store has the last known block, or the base of the last new one; zero: there was none
	old     []uint64 // as Stood said
	leading bool     // no block was found yet
	gap     *gap     // new blocks in a row, up to the newest block; nil: none

	waiting []appended // in order
	bytes   int        // of new blocks in waiting
	slots   chan struct{}
	workers sync.WaitGroup
}

// appended is a block on its way into the span.
type appended struct {
	node  merkle.Node
	block *newBlock // nil: the store has it
	at    known     // where the store has it
	gap   *gap      // which the block is in
}

// newBlock is a block that the store does not have.
type newBlock struct {
	leaf  hash.Digest
	data  []byte
	sum   checksum.Sum // of data, if it is known
	base  hash.Digest
	frame []byte // nil: it is stored without a base
}

func newDeltas(tx *Tx) deltas { return deltas{tx: tx, leading: true} }

// Stood says roughly which blocks of the core, as seen by View, were in the place of those that are appended next; nil:
// unknown.
func (tx *Tx) Stood(ctx context.Context, old []uint64) error {
	if err := tx.check(); err != nil {
		return err
	}
	d := &tx.deltas
	if err := d.endGap(ctx, nil); err != nil {
		return tx.failed("appending to", err)
	}
	d.old, d.anchor, d.leading = old, place{}, false
	return nil
}

// found takes note of each block that the store has.
func (d *deltas) found(ctx context.Context, at place) error {
	d.leading = false
	err := d.endGap(ctx, &at)
	d.anchor = at
	return err
}

// takes reports whether a new block of that size is worth examining.
func (d *deltas) takes(size int) bool {
	return size <= codec.MaxDelta && (d.anchor != place{} || len(d.old) > 0 || d.leading)
}

// waits reports whether a block must wait for others before it.
func (d *deltas) waits() bool { return len(d.waiting) > 0 }

// queue adds a block that has to wait: a new one, or one after new ones.
func (d *deltas) queue(ctx context.Context, b appended) error {
	if b.block != nil {
		if d.gap == nil {
			d.gap = &gap{old: d.old, done: make(chan struct{})}
			if at := d.anchor; at != (place{}) {
				d.gap.behind = &at
			}
		}
		b.gap = d.gap
		d.gap.add(b.block)
		d.bytes += len(b.block.data)
	}
	d.waiting = append(d.waiting, b)
	if d.gap != nil && (d.gap.full() || len(d.waiting) > queuedBlocks) {
		if err := d.endFull(ctx); err != nil {
			return err
		}
	}
	return d.settle(ctx, queuedBytes)
}

// endFull ends a gap that has reached its limit. The blocks that follow are examined only if it was another version of
// something.
func (d *deltas) endFull(ctx context.Context) error {
	g := d.gap
	if err := d.endGap(ctx, nil); err != nil {
		return err
	}
	select {
	case <-g.done:
	case <-ctx.Done():
		return ctx.Err()
	}
	d.anchor, d.leading = place{}, false
	if g.last == nil {
		d.old = nil
		return nil
	}
	d.anchor = *g.last
	return nil
}

// endGap has the new blocks of the current gap examined. before is where the next block is stored, if it is known.
func (d *deltas) endGap(ctx context.Context, before *place) error {
	g := d.gap
	if g == nil {
		return nil
	}
	d.gap, g.before = nil, before
	if g.behind == nil && before == nil && len(g.old) == 0 {
		close(g.done)
		return nil
	}
	if d.slots == nil {
		d.slots = make(chan struct{}, runtime.GOMAXPROCS(0))
	}
	select {
	case d.slots <- struct{}{}:
	case <-ctx.Done():
		close(g.done)
		return ctx.Err()
	}
	d.workers.Go(func() {
		g.findBases(context.WithoutCancel(ctx), d.tx.view) // a short task, which may outlive the call and its context
		<-d.slots
		close(g.done)
	})
	return nil
}

// settle puts blocks into the span, in their order: those that are ready, and others until at most `most` bytes wait.
func (d *deltas) settle(ctx context.Context, most int) error {
	done := 0
	defer func() {
		if done > 0 {
			d.waiting = slices.Delete(d.waiting, 0, done)
		}
	}()
	for ; done < len(d.waiting); done++ {
		b := d.waiting[done]
		if b.block == nil {
			if err := d.tx.settleKnown(ctx, b.node, b.at); err != nil {
				return err
			}
			continue
		}
		must := d.bytes > most || len(d.waiting)-done > queuedBlocks || most == 0
		if b.gap == d.gap || !must && !b.gap.ready() {
			return nil
		}
		select {
		case <-b.gap.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := d.settleNew(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

func (d *deltas) settleNew(ctx context.Context, b appended) error {
	d.bytes -= len(b.block.data)
	if b.block.frame == nil {
		return d.tx.settleNew(ctx, b.node, b.block.data, b.block.sum)
	}
	return d.tx.settleDelta(ctx, b.node, b.block)
}
