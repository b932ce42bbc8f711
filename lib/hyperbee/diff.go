package hyperbee

import (
	"bytes"
	"context"
)

// Diff calls each for the keys of a range that are only in one of two versions of a tree, or in both with different
// blocks: old is nil for new keys, new for removed ones. Subtrees that the versions share are skipped unread, so the
// cost depends on the changes between them, not on the size of the tree.
func Diff(ctx context.Context, old, new *Tree, r Range, each func(old, new *Entry) error) error {
	if old.version == new.version {
		return nil
	}
	d := differ{each: each, r: r}
	for i, t := range []*Tree{old, new} {
		c, err := t.cursor(ctx, r)
		if err == nil {
			err = c.findHeight(ctx)
		}
		if err != nil {
			return err
		}
		d.sides[i] = side{cursor: c}
	}
	for d.count < r.Limit || r.Limit == 0 {
		more, err := d.step(ctx)
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// findHeight descends to a leaf, if none was met yet. Then a subtree's height is known before it is entered.
func (c *cursor) findHeight(ctx context.Context) error {
	if c.height != 0 || len(c.path) == 0 {
		return nil
	}
	down := newCursor(c.tree, c.reverse)
	down.path = append(down.path, c.path...)
	for down.height == 0 {
		child := down.top().pointers[0]
		if err := down.push(ctx, child); err != nil {
			return err
		}
	}
	c.height = down.height
	return nil
}

type differ struct {
	r     Range
	each  func(old, new *Entry) error
	sides [2]side // old, new
	count int
}

// side is the next item in one of the versions.
type side struct {
	*cursor
	next item
	ok   bool
	read *block // the next key, once it was read; nil: not yet
}

// level is the height of the next child; 0 if the next item is a key, or there is none.
func (s *side) level() int {
	if !s.ok || !s.next.isChild {
		return 0
	}
	return s.height - len(s.path)
}

// step takes the next items. The higher subtree is entered first, so that subtrees which both versions share come up
// side by side.
func (d *differ) step(ctx context.Context) (more bool, err error) {
	a, b := &d.sides[0], &d.sides[1]
	a.next, a.ok = a.peek()
	b.next, b.ok = b.peek()
	if !a.ok && !b.ok {
		return false, nil
	}
	levelA, levelB := a.level(), b.level()
	if levelA > 0 && levelB > 0 && a.next == b.next {
		a.advance()
		b.advance()
		return true, nil
	}
	if levelA == 0 && levelB == 0 {
		return true, d.keys(ctx)
	}
	if levelA >= levelB {
		if err := a.enter(ctx, a.next.child); err != nil {
			return false, err
		}
	}
	if levelB >= levelA {
		if err := b.enter(ctx, b.next.child); err != nil {
			return false, err
		}
	}
	return true, nil
}

// keys compares two keys, or takes one if the other side has ended. A key is read even if both sides have it: this
// checks that keys are in order, without which the walk of a crafted tree would have no end.
func (d *differ) keys(ctx context.Context) error {
	a, b := &d.sides[0], &d.sides[1]
	if err := d.load(ctx, a, b.read); err != nil {
		return err
	}
	if err := d.load(ctx, b, a.read); err != nil {
		return err
	}
	switch {
	case !a.ok && !b.ok:
		return nil
	case !b.ok:
		return d.emit(a, nil)
	case !a.ok:
		return d.emit(nil, b)
	}
	order := bytes.Compare(a.read.key, b.read.key)
	switch {
	case order == 0 && a.read.seq == b.read.seq:
		a.take()
		b.take()
		return nil
	case order == 0:
		return d.emit(a, b)
	case (order < 0) != d.r.Reverse:
		return d.emit(a, nil)
	}
	return d.emit(nil, b)
}

// load reads the next key, unless other is its block. A key beyond the range ends its side.
func (d *differ) load(ctx context.Context, s *side, other *block) (err error) {
	if !s.ok || s.read != nil {
		return nil
	}
	b := other
	if b != nil && b.seq == s.next.key {
		err = s.checkOrder(b)
	} else {
		b, err = s.key(ctx, s.next.key)
	}
	if err != nil {
		return err
	}
	if !d.r.holds(b.key) {
		s.path, s.ok = nil, false
		return nil
	}
	s.read = b
	return nil
}

// take moves past the next key and returns its entry.
func (s *side) take() *Entry {
	if s == nil {
		return nil
	}
	e := s.read.entry()
	s.pass(s.read)
	s.read = nil
	return &e
}

func (d *differ) emit(old, new *side) error {
	d.count++
	return d.each(old.take(), new.take())
}
