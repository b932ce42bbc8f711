package census

import (
	"errors"
	"fmt"

	"hc/lib/merkle"
	"hc/lib/store/derived"
	"hc/lib/store/packlog"
	"hc/lib/store/positions"
	"hc/lib/store/records"
)

var errCensusEnd = errors.New("end of the census")

// findDead goes through the log again and writes down what nothing needs.
func (c *Census) findDead() error {
	live, err := positions.NewReader(c.ctx, c.live, packlog.Position{})
	if err != nil {
		return err
	}
	defer live.Stop()
	w, err := c.source.Scratch.CreateSet()
	if err != nil {
		return err
	}
	defer w.Abort()
	kept := make(map[packlog.AppendID]bool) // whether a record of an append stays, until its head comes
	err = c.source.Log.Scan(c.ctx, c.View, packlog.Position{}, false, func(r packlog.Record) error {
		if !r.Position.Less(c.At) {
			return errCensusEnd
		}
		dead, err := c.isDead(r, live, kept)
		if err != nil || !dead {
			return err
		}
		c.pack(r.Position.Pack).Dead += packlog.RecordSize(&r)
		return w.Add(r.Position)
	})
	if err != nil && !errors.Is(err, errCensusEnd) {
		return err
	}
	if _, err := live.Has(c.At, c.lost); err != nil {
		return err
	}
	damage := c.source.Log.Damage()
	if len(damage) >= packlog.MaxDamage {
		return fmt.Errorf("%w: too much of it to be told apart: check the store first", packlog.ErrDamaged)
	}
	for _, d := range damage {
		c.lost(d.Position.Pack)
	}
	c.countDrops()
	c.Dead, err = w.Finish()
	return err
}

// countDrops counts the drops that nothing needs any more.
func (c *Census) countDrops() {
	for at, f := range c.Drops {
		if at == f.Drop && !f.Pinned && len(f.Older) == 0 {
			c.pack(f.Drop.Pack).Dead += f.sizes[0]
			c.pack(f.Dropped.Pack).Dead += f.sizes[1]
		}
	}
}

// lost is called for packs that do not have what they should have: they are left as they are.
func (c *Census) lost(pack uint64) { c.pack(pack).Damaged = true }

func (c *Census) isDead(r packlog.Record, live *positions.Reader, kept map[packlog.AppendID]bool) (dead bool, err error) {
	switch {
	case r.Kind == packlog.KindRun:
		used, err := live.Has(r.Position, c.lost)
		if err != nil {
			return false, err
		}
		if used && c.void[r.Append] {
			return false, fmt.Errorf("%w: the run at %v is used, but void", derived.ErrDamaged, r.Position)
		}
		dead = !used && !c.Late[r.Append]
	case c.Late[r.Append]:
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
	if _, drop := c.Drops[r.Position]; !dead && !drop {
		kept[r.Append] = true
	}
	return dead, nil
}

// isDeadHead reports whether a head is dead: a core's last one is not, nor one that makes something count.
func (c *Census) isDeadHead(r packlog.Record, kept map[packlog.AppendID]bool) (bool, error) {
	stays := kept[r.Append]
	delete(kept, r.Append)
	key, _, err := records.DecodeHead(r.Meta)
	if err != nil {
		return false, nil
	}
	f := c.Core(key)
	switch {
	case r.Position == f.Dropped:
		if stays {
			f.Pinned = true // a run in the append of the drop that others use
		}
		c.Drops[r.Position], f.sizes[1] = f, packlog.RecordSize(&r)
		return false, nil
	case f.Gone(r.Position):
		f.leave(r.Position)
		f.Pinned = f.Pinned || stays
		return !stays, nil
	}
	return !stays && r.Position != f.head && !f.Seen, nil
}

// isDeadEntry reports whether a record before a head, other than a run, is dead.
func (c *Census) isDeadEntry(r packlog.Record) (bool, error) {
	e, err := records.Decode(r)
	if err != nil {
		return false, nil // damaged, or of a newer program
	}
	f := c.Core(e.Key)
	switch {
	case r.Position == f.Drop:
		c.Drops[r.Position], f.sizes[0] = f, packlog.RecordSize(&r)
		return false, nil
	case f.Gone(r.Position):
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
func (c *Census) isDeadSpan(e *records.Entry, f *Fate, core *derived.Core) (bool, error) {
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
func (c *Census) areDeadNodes(e *records.Entry, f *Fate, core *derived.Core) (bool, error) {
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
