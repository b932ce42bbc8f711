package cli

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
)

// tuneCollector makes the garbage collector keep the heap small if much is live, and rest if little is. The tools hold mostly the
// bytes of blocks, which are cheap to collect and expensive to hold, so the heap must not double. But with only a percentage of the
// few MiB that are live in a step of a pipe, there would be a collection every few blocks, and pages would go back to the system and
// come again. So the returned ballast makes 64 MiB more seem live: never touched, it costs addresses and no memory, and counts as
// live while the caller keeps it. With it a collection is due after 9 MiB if 6 are live, after 13 if 40 are. It once was 16 MiB, and
// a quarter: as much if 40 are live, but after 5 MiB if 6 are, and hc-fetch of random bytes from the local store took a fifth more
// processor time.
//
// Collected memory goes back to the system a little at a time, which may lag by as much as is live. So there is a limit, too,
// which makes the runtime give back free memory before it takes more: see memoryLimit.
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
		debug.SetMemoryLimit(limit + ballastBytes) // the user's limit is of memory, of which the ballast takes none
	}
	return make([]byte, ballastBytes)
}

const (
	ballastBytes = 64 << 20

	// The runtime aims at 3 % less than a limit. If more is live than a pace's least leaves room for, the limit has that much on top of the
	// garbage that the percentage allows, less closeBytes, or less a third of that garbage if this is smaller: it may collect that much
	// more often there.
	aimPart    = 32
	closeBytes = 4 << 20
	closePart  = 3
)

// A pace says how much garbage there may be.
type pace struct {
	percent int   // of the live memory, and of the ballast, until a collection
	least   int64 // bytes that the runtime may have of the system before it gives back free memory, and collects sooner than by the percentage
}

var (
	usually = pace{13, ballastBytes + 46<<20} // with the program's own pages, about 12 MiB, it makes 58 MiB resident
	sooner  = pace{5, ballastBytes + 14<<20}

	collectsSooner atomic.Bool
)

// CollectSooner is for tools that hold so much for as long as they run that the usual amount of garbage would be too much on top of
// it, or so little that garbage would be most of their memory. It allows two fifths of the usual amount, and keeps little free memory,
// which would otherwise grow the longer they run. It takes little time if most of the memory held is tables, or hardly anything is
// allocated again.
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

// memoryLimit returns how much the runtime should have of the system at most, in all: the least, and more only if so much is live that
// it would collect again and again to keep to that. beside is what the runtime needs for itself, and the gaps between objects.
func (p pace) memoryLimit(live, beside int64) int64 {
	lying := live * int64(p.percent) / 100
	goal := live + lying - min(closeBytes, lying/closePart)
	return max(p.least, goal+goal/aimPart+beside)
}

// A limiter makes the limit follow the live memory, from one collection to the next.
type limiter struct{ set int64 }

// awaitCollection adjusts the limit after each collection from now on.
func (l *limiter) awaitCollection() {
	const size = 32 // bytes: a smaller object shares its memory with others, and may live as long as they do
	runtime.SetFinalizer(new([size]byte), func(*[size]byte) {
		l.follow()
		l.awaitCollection()
	})
}

// follow sets the limit by what the last collection left.
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

// outdatedBy reports whether another limit is to be set, which stops all goroutines for a moment: not if it is only a little lower. One
// that is a little higher is set: under a limit that is too low the collector runs again and again.
func (l *limiter) outdatedBy(limit, least int64) bool {
	return limit > l.set || limit < l.set && (limit == least || l.set-limit >= least/64)
}
