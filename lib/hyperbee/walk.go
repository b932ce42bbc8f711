package hyperbee

import (
	"bytes"
	"context"
)

// Range is a part of the keys. A nil field sets no bound; the zero value is all keys.
type Range struct {
	GT, GTE []byte // keys after this one; or from it on
	LT, LTE []byte // keys before this one; or up to it
	Reverse bool   // the last key first
	Limit   int    // at most this many keys; 0: all
}

// low returns the lower bound, nil if there is none.
func (r Range) low() (key []byte, inclusive bool) {
	if r.GT == nil || r.GTE != nil && bytes.Compare(r.GTE, r.GT) > 0 {
		return r.GTE, true
	}
	return r.GT, false
}

// high returns the upper bound, nil if there is none.
func (r Range) high() (key []byte, inclusive bool) {
	if r.LT == nil || r.LTE != nil && bytes.Compare(r.LTE, r.LT) < 0 {
		return r.LTE, true
	}
	return r.LT, false
}

// holds reports whether key is within the bound at which a walk ends.
func (r Range) holds(key []byte) bool {
	bound, inclusive := r.high()
	if r.Reverse {
		bound, inclusive = r.low()
	}
	if bound == nil {
		return true
	}
	order := bytes.Compare(key, bound)
	return order == 0 && inclusive || order != 0 && (order > 0) == r.Reverse
}

// cursor returns a cursor at the range's first key.
func (t *Tree) cursor(ctx context.Context, r Range) (*cursor, error) {
	c := newCursor(t, r.Reverse)
	bound, inclusive := r.low()
	if r.Reverse {
		bound, inclusive = r.high()
	}
	if bound == nil {
		return c, c.first(ctx)
	}
	_, err := c.seek(ctx, bound, inclusive)
	return c, err
}

// Walk calls each for the keys of a range, in order. It returns the first error of each.
func (t *Tree) Walk(ctx context.Context, r Range, each func(Entry) error) error {
	c, err := t.cursor(ctx, r)
	if err != nil {
		return err
	}
	for count := 0; r.Limit == 0 || count < r.Limit; {
		next, ok := c.peek()
		if !ok {
			return nil
		}
		if next.isChild {
			if err := c.enter(ctx, next.child); err != nil {
				return err
			}
			continue
		}
		b, err := c.key(ctx, next.key)
		if err != nil {
			return err
		}
		if !r.holds(b.key) {
			return nil
		}
		c.pass(b)
		count++
		if err := each(b.entry()); err != nil {
			return err
		}
	}
	return nil
}
