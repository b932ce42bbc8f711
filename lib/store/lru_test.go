package store

import (
	"errors"
	"slices"
	"testing"
)

// A value is let go of once: when it is neither held nor used any more. What could not be loaded is none.
func TestLRULetsGo(t *testing.T) {
	var gone []string
	l := newLRU[string](1, 100, func(string) int { return 1 })
	l.letGo = func(value string) { gone = append(gone, value) }
	load := func(value string) func() (string, error) { return func() (string, error) { return value, nil } }
	err := l.use("a", load("A"), func(value string) {
		for _, other := range []string{"b", "c"} {
			if got, err := l.get(other, load(other)); got != other || err != nil {
				t.Errorf("%q, %v", got, err)
			}
		}
		if want := []string{"b"}; value != "A" || !slices.Equal(gone, want) {
			t.Errorf("while %q is used, gone: %q, want %q", value, gone, want)
		}
	})
	if want := []string{"b", "A"}; err != nil || !slices.Equal(gone, want) {
		t.Errorf("behind that, gone: %q, want %q; %v", gone, want, err)
	}
	fault := errors.New("a fault")
	if err := l.use("d", func() (string, error) { return "D", fault }, func(string) { t.Error("what failed is used") }); err != fault {
		t.Errorf("%v, want %v", err, fault)
	}
	if got, err := l.get("d", load("d")); got != "d" || err != nil {
		t.Errorf("after a failure: %q, %v", got, err)
	}
	if want := []string{"b", "A", "c"}; !slices.Equal(gone, want) {
		t.Errorf("gone: %q, want %q", gone, want)
	}
}
