package replicate

import (
	"fmt"
	"slices"
	"testing"

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

// All indexes together have a limit. One that nobody has used for long makes room, and so does a core that nobody reads any more.
func TestIndexesHaveALimit(t *testing.T) {
	core, _ := versions(t, noise(1, 10), noise(1, 10))
	server := NewServer(core.store, ServerOptions{})
	one, two := &servedCore{users: 1}, &servedCore{users: 1, key: core.key}
	server.cores[one.key], server.cores[two.key] = one, two
	a, b := server.leafIndex(one, 0), server.leafIndex(two, 0)
	if !server.roomForLeaves(one, a, maxIndexed) || server.roomForLeaves(two, b, 1) || server.roomForLeaves(one, a, 1) {
		t.Fatal("the limit does not hold")
	}
	a.used = a.used.Add(-2 * indexIdle)
	if !server.roomForLeaves(two, b, 1) || one.leaves != nil || server.leaves != 1 {
		t.Errorf("%d leaves, where one has made room for another", server.leaves)
	}
	if server.roomForLeaves(one, a, 1) {
		t.Error("one that is forgotten grows")
	}
	if c := server.leafIndex(two, 1); c == b || server.leaves != 0 {
		t.Errorf("%d leaves, where the fork is another one", server.leaves)
	}
	server.roomForLeaves(two, server.leafIndex(two, 1), 5)
	server.leave(two)
	if server.leaves != 0 || server.roomForLeaves(two, server.leafIndex(two, 1), 1) {
		t.Errorf("%d leaves, where nobody reads", server.leaves)
	}
}
