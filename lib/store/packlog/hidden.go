package packlog

import (
	"context"
	"errors"
)

// errEarlier stands for the reason of damage that an earlier scan met.
var errEarlier = errors.New("an earlier scan found no records there")

// Hidden returns the damaged places that scans and recoveries have met, that still count, and in which any record may
// have been, even one that commits.
func (l *Log) Hidden() []*DamageError {
	c := l.known()
	if c == nil {
		return nil
	}
	var hidden []*DamageError
	for _, d := range l.Damage() {
		if !d.Known && c.hides(d.Position) {
			hidden = append(hidden, d)
		}
	}
	return hidden
}

// hides reports whether a damaged place is in a pack that counts.
func (c *chain) hides(at Position) bool {
	e := c.find(at.Pack)
	return e != nil && (e.bad != nil || e.info.id == at.ID && at.Offset < e.limit)
}

// Recall notes a hidden place that an earlier process met, for a caller that does not scan that part of the log.
func (l *Log) Recall(at Position) {
	if c := l.known(); c != nil && c.hides(at) {
		l.report(&DamageError{Position: at, Reason: errEarlier})
	}
}

// GiveUp puts an empty pack in the place of each one that is missing, or has no readable header: its contents are then
// gone for good, and not reported any more. It leaves packs alone that the disk just cannot read now. The caller holds
// the locks that rewriting packs requires.
func (l *Log) GiveUp(ctx context.Context) error {
	return l.asWriter(ctx, func() error { return l.giveUpTidied(ctx) })
}

func (l *Log) giveUpTidied(ctx context.Context) error {
	c, err := l.load(ctx)
	if err != nil {
		return err
	}
	sizes, err := l.packSizes(ctx)
	if err != nil {
		return err
	}
	var empty []*Rewrite
	defer func() {
		for _, r := range empty {
			r.Abort()
		}
	}()
	for i := range c.extents[:max(1, len(c.extents))-1] { // the last one grows: it is good
		if e := &c.extents[i]; e.bad != nil && !isBadSector(e.bad) {
			r, err := l.emptyPack(e.info.sequence, c.extents[i+1].info.sequence-1, sizes)
			if r != nil {
				empty = append(empty, r)
			}
			if err != nil {
				return err
			}
		}
	}
	if len(empty) == 0 {
		return nil
	}
	return l.publish(ctx, empty, func() error { return nil })
}

// emptyPack makes a pack without records that stands for some sequences.
func (l *Log) emptyPack(first, through uint64, sizes map[string]uint64) (*Rewrite, error) {
	r := &Rewrite{log: l, info: packInfo{sequence: first, through: through}}
	for name := range sizes {
		if sequence, generation, _ := parsePackName(name); sequence == first {
			r.info.generation = max(r.info.generation, generation+1)
		}
	}
	var err error
	if r.info.id, err = randomID(); err != nil {
		return nil, err
	}
	if err := r.create(); err != nil {
		return nil, err
	}
	r.w = r.log.newPackWriter(r.file, r.First(), nil)
	return r, r.Finish()
}
