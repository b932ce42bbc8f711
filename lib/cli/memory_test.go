package cli

import (
	"fmt"
	"math"
	"runtime/debug"
	"testing"
)

// A limit that the user sets is one of memory: the ballast, which takes none, comes on top.
func TestLimitOfUser(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(-1))
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "1GiB") // which the runtime has looked at when it began
	for limit, want := range map[int64]int64{1 << 30: 1<<30 + ballastBytes, math.MaxInt64: math.MaxInt64} {
		debug.SetMemoryLimit(limit)
		tuneCollector()
		if got := debug.SetMemoryLimit(-1); got != want {
			t.Errorf("a limit of %d became %d, want %d", limit, got, want)
		}
	}
}

// The limit leaves room for what lies about until it is collected, and no more than leastLimit where that is enough.
func TestMemoryLimit(t *testing.T) {
	const mib = 1 << 20
	for name, c := range map[string]struct{ live, beside, percent, want int64 }{
		"next to nothing": {ballastBytes + mib, 4 * mib, usualPercent, leastLimit},
		"a download":      {ballastBytes + 29*mib, 4 * mib, usualPercent, leastLimit},
		"collected soon":  {ballastBytes + 34*mib, 4 * mib, soonPercent, leastLimit},
		"a large store":   {100 * 10 * mib, 32 * mib, usualPercent, 1126*mib + 1126*mib/32 + 32*mib},
		"all of it soon":  {100 * 10 * mib, 32 * mib, soonPercent, 1046*mib + 1046*mib/32 + 32*mib},
	} {
		if limit := memoryLimit(c.live, c.beside, c.percent); limit != c.want {
			t.Errorf("%s: %d, want %d", name, limit, c.want)
		}
	}
}

// However much is live, and however it came to be, the limit has the collector come hardly more often than the percentage does: the
// runtime aims at 3 % less than a limit, and takes what it needs for itself off, too.
func TestMemoryLimitLeavesRoom(t *testing.T) {
	for _, percent := range []int64{usualPercent, soonPercent} {
		for _, growth := range []int64{7, 30, 300, 3000} {
			t.Run(fmt.Sprintf("percent=%d/growth=%d", percent, growth), func(t *testing.T) { limitLeavesRoom(t, percent, growth) })
		}
	}
}

// limitLeavesRoom has a limiter follow what grows by so many parts of it each time, and then shrinks again.
func limitLeavesRoom(t *testing.T, percent, growth int64) {
	const beside = 5 << 20
	l := &limiter{set: leastLimit}
	check := func(live int64) {
		if limit := memoryLimit(live, beside, percent); l.outdatedBy(limit) {
			l.set = limit
		}
		aimed := (l.set - beside) / 100 * 97
		if room, usual := aimed-live, live*percent/100; room < usual/2 {
			t.Fatalf("%d live, a limit of %d: a collection behind %d, where the percentage has %d", live, l.set, room, usual)
		}
	}
	live := int64(ballastBytes)
	for ; live < 64<<30; live += live / growth {
		check(live)
	}
	for ; live > ballastBytes; live -= live / growth {
		check(live)
	}
	if l.set != leastLimit {
		t.Errorf("the limit stays at %d", l.set)
	}
}
