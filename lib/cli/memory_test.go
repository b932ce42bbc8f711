package cli

import "testing"

// The limit leaves room for what lies about until it is collected, and no more than leastLimit where that is enough.
func TestMemoryLimit(t *testing.T) {
	const mib = 1 << 20
	for name, c := range map[string]struct{ live, beside, percent, want int64 }{
		"next to nothing": {ballastBytes + mib, 4 * mib, usualPercent, leastLimit},
		"a download":      {ballastBytes + 29*mib, 4 * mib, usualPercent, leastLimit},
		"collected soon":  {ballastBytes + 34*mib, 4 * mib, soonPercent, leastLimit},
		"a large store":   {100 * 10 * mib, 32 * mib, usualPercent, 1130*mib + 1130*mib/32 + 28*mib},
		"all of it soon":  {100 * 10 * mib, 32 * mib, soonPercent, 1050*mib + 1050*mib/32 + 28*mib},
	} {
		if limit := memoryLimit(c.live, c.beside, c.percent); limit != c.want {
			t.Errorf("%s: %d, want %d", name, limit, c.want)
		}
	}
}

// However much is live, the limit has the collector come hardly more often than the percentage does: the runtime aims at 3 % less than
// a limit, and takes what it needs for itself off, too.
func TestMemoryLimitLeavesRoom(t *testing.T) {
	for live := int64(ballastBytes); live < 64<<30; live += live / 7 {
		const beside = 5 << 20
		aimed := (memoryLimit(live, beside, usualPercent) - beside) / 100 * 97
		if room, usual := aimed-live, live*usualPercent/100; room < usual/2 {
			t.Errorf("%d live: a collection behind %d, where the percentage has %d", live, room, usual)
		}
	}
}
