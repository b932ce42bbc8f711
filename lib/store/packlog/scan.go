package packlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// Scan calls fn for each record from a position to the view's end, in order. A record's bytes are valid until fn
// returns; an error of fn ends the scan. A zero position means the beginning of the log, and one whose pack has been
// rewritten since means the beginning of that pack. Without payloads these are neither read nor checked.
//
// fn sees void records, too: those of appends without a record that has the commit flag (yet). The records of an append
// may begin before from. Damaged places are skipped, and reported to Options.OnDamage and Damage. The error is
// ErrOvertaken if a close voids from, and ErrMoved if a pack was rewritten since the view: take a new View.
func (l *Log) Scan(ctx context.Context, view View, from Position, payloads bool, fn func(Record) error) error {
	c := view.chain
	if c == nil {
		return nil
	}
	if from.Pack > 0 && from.Pack <= c.last.info.sequence && c.find(from.Pack) == nil {
		return fmt.Errorf("position %v: %w", from, ErrOvertaken)
	}
	return l.walk(ctx, c, from, view.Readable, payloads, func(it item) error {
		if it.damage != nil {
			if !c.voids(it.damage.Position) && l.isVoided(ctx, it.damage.Position) {
				return fmt.Errorf("position %v: %w", it.damage.Position, ErrMoved)
			}
			l.report(it.damage)
			return nil
		}
		if it.record.Kind == KindSeal {
			return nil
		}
		return fn(it.record)
	})
}

// walk goes through the packs of a chain. A zero to means the end of the last one's file.
func (l *Log) walk(ctx context.Context, c *chain, from, to Position, payloads bool, fn func(item) error) error {
	for i := range c.extents {
		e := &c.extents[i]
		if e.info.through < from.Pack {
			continue
		}
		if !to.IsZero() && !(Position{Pack: e.info.sequence}).Less(to) {
			break
		}
		x := extentWalk{extent: e, from: from, to: to, last: i == len(c.extents)-1}
		if err := l.walkExtent(ctx, x, payloads, fn); err != nil {
			return err
		}
	}
	return nil
}

type extentWalk struct {
	*extent
	from, to Position
	last     bool
}

// bounds returns where to begin, and what length the pack must have, or noLimit.
func (x extentWalk) bounds() (first, length uint64, err error) {
	first, length = packHeader, x.limit
	if x.to.Pack == x.info.sequence {
		length = min(length, x.to.Offset)
	}
	if x.from.Pack == x.info.sequence && x.from.ID == x.info.id {
		if x.from.Offset > x.limit {
			return 0, 0, fmt.Errorf("position %v: %w", x.from, ErrOvertaken)
		}
		first = max(first, x.from.Offset)
	}
	return first, length, nil
}

func (l *Log) walkExtent(ctx context.Context, x extentWalk, payloads bool, fn func(item) error) error {
	if x.bad != nil {
		return l.walkBad(x, fn)
	}
	if x.damage != nil {
		l.report(&DamageError{Position: Position{Pack: x.info.sequence, ID: x.info.id}, Length: packHeader, Reason: x.damage, Known: true})
	}
	pack, err := l.takeFile(x.name)
	if err != nil {
		return l.ifGone(err)
	}
	defer l.giveFile(pack)
	size, err := pack.file.Size()
	if err != nil {
		return err
	}
	first, length, err := x.bounds()
	if err != nil {
		return err
	}
	w := &walker{ctx: ctx, file: pack.file, at: x.start(), limit: min(uint64(size), length), payloads: payloads}
	w.at.Offset = first
	sealed, err := w.all(fn)
	if err != nil {
		return err
	}
	at := w.at
	switch {
	case sealed && at.Offset < w.limit:
		return fn(item{damage: &DamageError{Position: at, Length: w.limit - at.Offset, Reason: errSealed}})
	case length != noLimit && max(first, uint64(size)) < length:
		at.Offset = max(first, uint64(size))
		return fn(item{damage: &DamageError{Position: at, Length: length - at.Offset, Reason: errShort}})
	case length == noLimit && !sealed && !x.last:
		return fn(item{damage: &DamageError{Position: at, Reason: errNoSeal}})
	}
	return nil
}

// all walks up to the limit, or to a seal.
func (w *walker) all(fn func(item) error) (sealed bool, err error) {
	for {
		it, err := w.next()
		if err == io.EOF {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if err := fn(it); err != nil {
			return false, err
		}
		if it.damage == nil && it.record.Kind == KindSeal {
			return true, nil
		}
	}
}

// walkBad passes a whole pack without a valid header to fn, as one damaged place.
func (l *Log) walkBad(x extentWalk, fn func(item) error) error {
	size := int64(0)
	if x.name != "" {
		var err error
		if size, _, err = l.fs.Stat(l.path(packsDir, x.name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return fn(item{damage: &DamageError{Position: Position{Pack: x.info.sequence}, Length: uint64(size), Reason: x.bad}})
}
