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

// The limit leaves room for what lies about until it is collected, and no more than the least where that is enough.
func TestMemoryLimit(t *testing.T) {
	const mib = 1 << 20
	for name, c := range map[string]struct {
		pace               pace
		live, beside, want int64
	}{
		"next to nothing":      {usually, ballastBytes + mib, 4 * mib, ballastBytes + 46*mib},
		"a download":           {usually, ballastBytes + 29*mib, 4 * mib, ballastBytes + 46*mib},
		"a large store":        {usually, 100 * 10 * mib, 32 * mib, 1126*mib + 1126*mib/32 + 32*mib},
		"next to nothing soon": {sooner, ballastBytes + 4*mib, 4 * mib, ballastBytes + 14*mib},
		"a cold encoder":       {sooner, 100 * mib, 4 * mib, 100*mib + 5*mib - 5*mib/3 + (105*mib-5*mib/3)/32 + 4*mib},
		"all of it soon":       {sooner, 100 * 10 * mib, 32 * mib, 1046*mib + 1046*mib/32 + 32*mib},
	} {
		if limit := c.pace.memoryLimit(c.live, c.beside); limit != c.want {
			t.Errorf("%s: %d, want %d", name, limit, c.want)
		}
	}
}

// However much is live, and however it came to be, the limit has the collector come hardly more often than the percentage does: the
// runtime aims at 3 % less than a limit, and takes what it needs for itself off, too.
func TestMemoryLimitLeavesRoom(t *testing.T) {
	for _, p := range []pace{usually, sooner} {
		for _, growth := range []int64{7, 30, 300, 3000} {
			t.Run(fmt.Sprintf("percent=%d/growth=%d", p.percent, growth), func(t *testing.T) { limitLeavesRoom(t, p, growth) })
		}
	}
}

// limitLeavesRoom has a limiter follow what grows by so many parts of it each time, and then shrinks again.
func limitLeavesRoom(t *testing.T, p pace, growth int64) {
	const beside = 5 << 20
	l := &limiter{set: usually.least}
	check := func(live int64) {
		if limit := p.memoryLimit(live, beside); l.outdatedBy(limit, p.least) {
			l.set = limit
		}
		aimed := (l.set - beside) / 100 * 97
		if room, usual := aimed-live, live*int64(p.percent)/100; room < usual/2 {
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
	if l.set != p.least {
		t.Errorf("the limit stays at %d", l.set)
	}
}
