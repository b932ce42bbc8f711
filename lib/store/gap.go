package store

import (
	"context"

	"hc/lib/hash"
	"hc/lib/store/blockmap"
	"hc/lib/store/codec"
	"hc/lib/store/packlog"
	"hc/lib/store/records"
)

// Bounds of what is read to find out which blocks were in the place of new ones.
const (
	moreBases    = 4       // in addition to one for each new block
	baseBytes    = 8 << 20 // of blocks that are compared
	recordsAhead = 8       // of the log, after the run with the last block that was found
)

// gap is new blocks in a row, and where to look for the blocks that were there before.
type gap struct {
	blocks []*newBlock
	bytes  int
	behind *place   // where the block before them is stored
	before *place   // where the block after them is stored
	old    []uint64 // blocks of the core
	done   chan struct{}
	last   *place // the base of the last of them that has one; nil: none has
}

func (g *gap) add(b *newBlock) {
	g.blocks = append(g.blocks, b)
	g.bytes += len(b.data)
}

func (g *gap) full() bool {
	if g.behind == nil && len(g.old) == 0 {
		return len(g.blocks) >= leadingBlocks || g.bytes >= gapBytes
	}
	return len(g.blocks) >= gapBlocks || g.bytes >= gapBytes
}

func (g *gap) ready() bool {
	select {
	case <-g.done:
		return true
	default:
		return false
	}
}

// findBases finds bases for the blocks, and encodes them. It is only an optimization: what cannot be read is skipped.
func (g *gap) findBases(ctx context.Context, view *View) {
	c := baseSearch{ctx: ctx, view: view, most: len(g.blocks) + moreBases}
	for _, block := range g.old {
		c.addBlock(block)
	}
	if g.behind != nil {
		c.addBehind(*g.behind)
	}
	if g.before != nil {
		c.addBefore(*g.before)
	}
	for _, b := range g.blocks {
		if len(b.data) < codec.MinDelta {
			continue
		}
		i, ok := c.like.Best(b.data)
		if !ok {
			continue
		}
		base := &c.list[i]
		if b.frame = codec.EncodeDelta(b.data, base.data); b.frame != nil {
			b.base, g.last = base.leaf, &base.at
		}
	}
}

// baseSearch gathers blocks that may be bases.
type baseSearch struct {
	ctx   context.Context
	view  *View
	most  int // to be added by each of the ways to find them
	list  []possibleBase
	like  codec.Resembling
	bytes int
}

type possibleBase struct {
	leaf hash.Digest
	at   place
	data []byte
}

// add takes in the block with that leaf hash, if it can be a base.
func (c *baseSearch) add(leaf hash.Digest) {
	for i := range c.list {
		if c.list[i].leaf == leaf {
			return
		}
	}
	store := c.view.store
	at, err := c.view.state.locatePlain(c.ctx, store, leaf)
	if err != nil {
		return
	}
	e, err := store.reader.Meta(c.ctx, at.Run, packlog.KindRun)
	if err != nil || int(at.At) >= len(e.Run.Leaves) {
		return
	}
	if size := int(e.Run.Lengths[at.At]); size > codec.MaxDelta || size < codec.MinDelta/2 || c.bytes+size > baseBytes {
		return
	}
	data, err := store.reader.Block(c.ctx, at)
	if err != nil {
		return
	}
	c.list = append(c.list, possibleBase{leaf, at, data})
	c.like.Add(data)
	c.bytes += len(data)
}

// addPlaced takes in a block of a run, or its base.
func (c *baseSearch) addPlaced(run *records.Run, at uint32) {
	switch {
	case run.Codec == records.CodecDelta:
		c.add(run.Base)
	case int(at) < len(run.Leaves):
		c.add(run.Leaves[at])
	}
}

// addBlock takes in a block of the core.
func (c *baseSearch) addBlock(block uint64) {
	if block >= c.view.head.Length {
		return
	}
	r, err := c.view.row(c.ctx, block)
	if err != nil {
		return
	}
	at := r.Part(block, block+1).Place
	switch r.Kind {
	case blockmap.InPassage:
		if at, err = c.view.passagePlace(c.ctx, r.Place.Run, block); err != nil {
			return
		}
	case blockmap.ByLeaf:
		leaf, err := c.view.leafHash(c.ctx, r, block)
		if err != nil {
			return
		}
		if at, err = c.view.state.locate(c.ctx, c.view.store, leaf); err != nil {
			return
		}
	}
	if e := c.run(at.Run); e != nil {
		c.addPlaced(e.Run, at.At)
	}
}

func (c *baseSearch) run(at packlog.Position) *records.Entry {
	e, err := c.view.store.reader.Meta(c.ctx, at, packlog.KindRun)
	if err != nil {
		return nil
	}
	return e
}

// plain returns the place of a block among its neighbours when it was first stored: for one with a base, that of the
// base.
func (c *baseSearch) plain(at place) (place, *records.Entry) {
	e := c.run(at.Run)
	if e == nil || e.Run.Codec != records.CodecDelta {
		return at, e
	}
	base, err := c.view.state.locatePlain(c.ctx, c.view.store, e.Run.Base)
	if err != nil {
		return at, nil
	}
	return base, c.run(base.Run)
}

// addBehind takes in the blocks after a place: the rest of its run, and the first ones that follow in the log.
func (c *baseSearch) addBehind(at place) {
	at, e := c.plain(at)
	left := c.most
	for from := at.At + 1; e != nil && left > 0; from = 0 {
		for i := from; i < uint32(e.Run.Count) && left > 0; i++ {
			c.addPlaced(e.Run, i)
			left--
		}
		e = c.nextRun(e.At)
	}
}

// nextRun returns the next run after a record, nil if there is none nearby.
func (c *baseSearch) nextRun(at packlog.Position) *records.Entry {
	log, end := c.view.store.log, c.view.state.readable()
	for range recordsAhead {
		record, err := log.ReadMeta(c.ctx, at)
		if err != nil {
			return nil
		}
		at.Offset += packlog.RecordSize(&record)
		if !at.Less(end) {
			return nil
		}
		if record, err = log.ReadMeta(c.ctx, at); err != nil || record.Kind == packlog.KindSeal {
			return nil
		}
		if record.Kind == packlog.KindRun {
			return c.run(at)
		}
	}
	return nil
}

// addBefore takes in the blocks before a place in its run, the nearest first.
func (c *baseSearch) addBefore(at place) {
	at, e := c.plain(at)
	if e == nil {
		return
	}
	for left := c.most; at.At > 0 && left > 0; left-- {
		at.At--
		c.addPlaced(e.Run, at.At)
	}
}
