package copies

import (
	"fmt"
	"slices"
	"testing"

	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/objects"
)

// Of a long log only a part is looked through for one question, first what is most likely to be of use.
func TestHeldPages(t *testing.T) {
	held := []objects.Span{{First: 10, Count: 1}, {First: 3 * indexPage, Count: 3 * indexPage}, {First: 10 * indexPage, Count: 2*indexPage + 1}, {First: 20 * indexPage, Count: indexPage}}
	for _, c := range []struct {
		asked uint64
		want  string
	}{
		{15 * indexPage, "[10 12 11 3 5 4 0 20]"},
		{5, "[0 3 5 4 10 12 11 20]"},
		{30 * indexPage, "[20 10 12 11 3 5 4 0]"},
	} {
		if got := fmt.Sprint(slices.Collect(heldPages(held, c.asked))); got != c.want {
			t.Errorf("for block %d: %s, want %s", c.asked, got, c.want)
		}
	}
	for page := range heldPages([]objects.Span{{First: 0, Count: merkle.MaxLength}}, 5) { // does not take for ever
		if page > 0 {
			break
		}
	}
}

// All indexes together have a limit. One that nobody has used for long makes room, and so does one that is forgotten.
func TestIndexesHaveALimit(t *testing.T) {
	var all Indexes
	one, two := keys.Key{1}, keys.Key{2}
	a, b := all.Of(one, 0), all.Of(two, 0)
	if !all.room(a, maxIndexed) || all.room(b, 1) || all.room(a, 1) {
		t.Fatal("the limit does not hold")
	}
	a.used = a.used.Add(-2 * indexIdle)
	if !all.room(b, 1) || all.of[one] != nil || all.leaves != 1 {
		t.Errorf("%d leaves, where one has made room for another", all.leaves)
	}
	if all.room(a, 1) {
		t.Error("one that is forgotten grows")
	}
	if c := all.Of(two, 1); c == b || all.leaves != 0 {
		t.Errorf("%d leaves, where the fork is another one", all.leaves)
	}
	if all.room(all.Of(two, 1), 5); all.leaves != 5 {
		t.Errorf("%d leaves, want 5", all.leaves)
	}
	if all.Forget(two); all.leaves != 0 {
		t.Errorf("%d leaves, where none is left", all.leaves)
	}
	var none Index
	if none.all.room(&none, 1) {
		t.Error("there is room in one that is of none")
	}
}
