package packlog

import (
	"slices"
	"testing"
)

// TestRememberHidden has more damage than a Log remembers: a place that may have held a head is remembered
// nevertheless.
func TestRememberHidden(t *testing.T) {
	l, at := &Log{}, func(i int) Position { return Position{Pack: 1, Offset: uint64(packHeader + 8*i), ID: 1} }
	for i := range MaxDamage + 1 {
		l.report(&DamageError{Position: at(i), Known: true})
	}
	hidden := at(MaxDamage + 2)
	l.report(&DamageError{Position: hidden})
	l.report(&DamageError{Position: hidden, Known: true})
	damage := l.Damage()
	if len(damage) != MaxDamage {
		t.Errorf("%d places are remembered", len(damage))
	}
	if !slices.ContainsFunc(damage, func(d *DamageError) bool { return d.Position == hidden && !d.Known }) {
		t.Error("the place where a head may have stood is forgotten")
	}
	if n := len(slices.DeleteFunc(damage, func(d *DamageError) bool { return d.Known })); n != 1 {
		t.Errorf("%d places where a head may have stood", n)
	}
}
