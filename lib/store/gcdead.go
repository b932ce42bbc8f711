package store

import (
	"errors"
	"fmt"

	"hc/lib/merkle"
	"hc/lib/store/derived"
	"hc/lib/store/packlog"
	"hc/lib/store/records"
)

var errCensusEnd = errors.New("end of the census")

// findDead goes through the log again and writes down what nothing needs.
func (c *census) findDead() error {
	live, err := readPositions(c.ctx, c.live, packlog.Position{})
	if live != nil {
		defer live.stop()
	}
	if err != nil {
		return err
	}
	w, err := c.scratch.create(setSchema)
	if err != nil {
		return err
	}
	defer w.Abort()
	kept := make(map[packlog.AppendID]bool) // whether a record of an append stays, until its head comes
	err = c.store.log.Scan(c.ctx, c.view, packlog.Position{}, false, func(r packlog.Record) error {
		if !r.Position.Less(c.at) {
			return errCensusEnd
		}
		dead, err := c.isDead(r, live, kept)
		if err != nil || !dead {
			return err
		}
		c.pack(r.Position.Pack).dead += packlog.RecordSize(&r)
		return w.Add(positionKey(r.Position), []byte{1})
	})
	if err != nil && !errors.Is(err, errCensusEnd) {
		return err
	}
	if _, err := live.has(c.at, c.lost); err != nil {
		return err
	}
	damage := c.store.log.Damage()
	if len(damage) >= packlog.MaxDamage {
		return fmt.Errorf("%w: more than can be told apart: check the store first", ErrDamaged)
	}
	for _, d := range damage {
		c.lost(d.Position.Pack)
	}
	c.countDrops()
	c.dead, err = w.finish()
	return err
}

// countDrops counts the drops that stand for nothing any more.
func (c *census) countDrops() {
	for at, f := range c.drops {
		if at == f.drop && !f.pinned && len(f.older) == 0 {
			c.pack(f.drop.Pack).dead += f.sizes[0]
			c.pack(f.dropped.Pack).dead += f.sizes[1]
		}
	}
}

// lost is called for packs that do not have what they should: they are left as they are.
func (c *census) lost(pack uint64) { c.pack(pack).damaged = true }

func (c *census) isDead(r packlog.Record, live *positionReader, kept map[packlog.AppendID]bool) (dead bool, err error) {
	switch {
	case r.Kind == packlog.KindRun:
		used, err := live.has(r.Position, c.lost)
		if err != nil {
			return false, err
		}
		if used && c.void[r.Append] {
			return false, fmt.Errorf("%w: the run at %v is used, and void", derived.ErrDamaged, r.Position)
		}
		dead = !used && !c.late[r.Append]
	case c.late[r.Append]:
		return false, nil
	case c.void[r.Append]:
		return true, nil
	case r.Commit:
		return c.isDeadHead(r, kept)
	default:
		if dead, err = c.isDeadEntry(r); err != nil {
			return false, err
		}
	}
	if _, drop := c.drops[r.Position]; !dead && !drop {
		kept[r.Append] = true
	}
	return dead, nil
}

// isDeadHead reports on a head: that of a core stays, and one that makes something count.
func (c *census) isDeadHead(r packlog.Record, kept map[packlog.AppendID]bool) (bool, error) {
	stays := kept[r.Append]
	delete(kept, r.Append)
	key, _, err := records.DecodeHead(r.Meta)
	if err != nil {
		return false, nil
	}
	f := c.core(key)
	switch {
	case r.Position == f.dropped:
		if stays {
			f.pinned = true // a run of another's use in the append of the drop
		}
		c.drops[r.Position], f.sizes[1] = f, packlog.RecordSize(&r)
		return false, nil
	case f.gone(r.Position):
		f.leave(r.Position)
		f.pinned = f.pinned || stays
		return !stays, nil
	}
	return !stays && r.Position != f.head && !f.seen, nil
}

// isDeadEntry reports on what stands before a head, but for runs.
func (c *census) isDeadEntry(r packlog.Record) (bool, error) {
	e, err := records.Decode(r)
	if err != nil {
		return false, nil // damaged, or of a newer program
	}
	f := c.core(e.Key)
	switch {
	case r.Position == f.drop:
		c.drops[r.Position], f.sizes[0] = f, packlog.RecordSize(&r)
		return false, nil
	case f.gone(r.Position):
		f.leave(r.Position)
		return true, nil
	case e.Kind != packlog.KindSpan && e.Kind != packlog.KindNodes:
		return false, nil
	}
	core, err := c.files.Core(e.Key)
	if core == nil || err != nil {
		return false, err
	}
	if e.Kind == packlog.KindSpan {
		return c.isDeadSpan(e, f, core)
	}
	return c.areDeadNodes(e, f, core)
}

// isDeadSpan reports whether no block of a span is held any more.
func (c *census) isDeadSpan(e *records.Entry, f *coreFate, core *derived.Core) (bool, error) {
	left := f.left(e.At)
	for _, p := range e.Span.Parts {
		if p.First >= left {
			break
		}
		r, ok, err := core.RangeAt(c.ctx, p.First)
		if err != nil || ok && r.First < min(p.End(), left) {
			return false, err
		}
	}
	return true, nil
}

// areDeadNodes reports whether all nodes of a record were cut off, or follow from the blocks that are held.
func (c *census) areDeadNodes(e *records.Entry, f *coreFate, core *derived.Core) (bool, error) {
	left := f.left(e.At)
	for _, n := range e.Nodes {
		first, last := merkle.FirstBlock(n.Index), merkle.LastBlock(n.Index)
		if last >= left {
			continue
		}
		r, ok, err := core.RangeAt(c.ctx, first)
		if err != nil || !ok || r.First > first || r.End <= last {
			return false, err
		}
	}
	return true, nil
}
