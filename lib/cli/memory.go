package cli

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
)

// tuneCollector makes the garbage collector keep the heap small where much is live, and rest where little is. What the
// tools hold is mostly the bytes of blocks, which are cheap to collect and dear to hold, so the heap is not let double. But
// a part of the few MiB that are live in a pipe's step is one look at the heap for every few blocks, and pages that go back to
// the system and come again. So 64 MiB seem live that are nothing but the ballast that is returned: never touched, it costs
// addresses and no memory, and counts as live while the caller keeps it. With it a collection is due behind 9 MiB
// where 6 are live, behind 13 where 40 are. It once was 16 MiB, and a quarter: as much where 40 are live, but behind 5 MiB where 6 are, and
// hc-fetch of random bytes from the local store took a fifth more processor time.
//
// What was collected goes back to the system a little at a time, and that may lie behind by as much as is live. So there is a
// limit, too, which makes the runtime give back what is free before it takes more: see memoryLimit.
func tuneCollector() (ballast []byte) {
	if os.Getenv("GOGC") != "" {
		return nil
	}
	debug.SetGCPercent(usually.percent)
	if os.Getenv("GOMEMLIMIT") == "" {
		l := &limiter{set: usually.least}
		debug.SetMemoryLimit(usually.least)
		l.awaitCollection()
	} else if limit := debug.SetMemoryLimit(-1); limit < math.MaxInt64-ballastBytes {
		debug.SetMemoryLimit(limit + ballastBytes) // the user's is of memory, of which the ballast takes none
	}
	return make([]byte, ballastBytes)
}

const (
	ballastBytes = 64 << 20

	// The runtime aims at 3 % less than a limit. Where more is live than a pace's least leaves room for, the limit has that much on top of
	// what the percentage lets lie about, but for closeBytes, or a third of that where it is less: so much more often it may collect there.
	aimPart    = 32
	closeBytes = 4 << 20
	closePart  = 3
)

// A pace says how much may lie about.
type pace struct {
	percent int   // of what is live, and of the ballast, until it is collected
	least   int64 // bytes that the runtime may have of the system before it gives back what is free, and collects sooner than by the percentage
}

var (
	usually = pace{13, ballastBytes + 46<<20} // with the program's own pages, some 12 MiB, it makes 58 MiB resident
	sooner  = pace{5, ballastBytes + 14<<20}

	collectsSooner atomic.Bool
)

// CollectSooner is for what holds so much for as long as it runs that as much as is usual would be too much to leave lying about
// behind it, or so little that this would be most of its memory: two fifths of that are, and little of what is free is kept, which would be more
// the longer it runs. It takes little time where most of what is held is tables, or next to nothing is made anew.
func CollectSooner() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(sooner.percent)
		collectsSooner.Store(true)
	}
}

func currentPace() pace {
	if collectsSooner.Load() {
		return sooner
	}
	return usually
}

// memoryLimit returns how much the runtime should have of the system at most, all told: the least, and more only where so much is live that it
// would collect again and again to keep to that. beside is what the runtime needs for itself, and what lies between objects.
func (p pace) memoryLimit(live, beside int64) int64 {
	lying := live * int64(p.percent) / 100
	goal := live + lying - min(closeBytes, lying/closePart)
	return max(p.least, goal+goal/aimPart+beside)
}

// A limiter has the limit follow what is live, from one collection to the next.
type limiter struct{ set int64 }

// awaitCollection looks at the limit behind each collection from now on.
func (l *limiter) awaitCollection() {
	const size = 32 // bytes: what is smaller shares its memory with others, and may live as long as they do
	runtime.SetFinalizer(new([size]byte), func(*[size]byte) {
		l.follow()
		l.awaitCollection()
	})
}

// follow sets the limit by what the last collection has left.
func (l *limiter) follow() {
	samples := [...]metrics.Sample{
		{Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
	}
	metrics.Read(samples[:])
	bytes := func(i int) int64 { return int64(samples[i].Value.Uint64()) }
	beside := bytes(1) - bytes(2) - bytes(3) - bytes(4)
	p := currentPace()
	limit := p.memoryLimit(bytes(0), beside)
	if l.outdatedBy(limit, p.least) {
		debug.SetMemoryLimit(limit)
		l.set = limit
	}
}

// outdatedBy reports whether another limit is to be set, which stops all goroutines for a moment: not where it is lower by a little. One that
// is higher by a little is: under one that is too low the collector comes again and again.
func (l *limiter) outdatedBy(limit, least int64) bool {
	return limit > l.set || limit < l.set && (limit == least || l.set-limit >= least/64)
}
