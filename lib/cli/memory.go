package cli

import (
	"os"
	"runtime/debug"
)

// tuneCollector makes the garbage collector keep the heap small where much is live, and rest where little is. What the
// tools hold is mostly the bytes of blocks, which are cheap to collect and dear to hold, so the heap is not let double. But
// a part of the few MiB that are live in a pipe's step is one look at the heap for every few blocks, and pages that go back to
// the system and come again. So 64 MiB seem live that are nothing but the ballast that is returned: never touched, it costs
// addresses and no memory, and counts as live while the caller keeps it. With it a collection is due behind 9 MiB
// where 6 are live, behind 13 where 40 are. It once was 16 MiB, and a quarter: as much where 40 are live, but behind 5 MiB where 6 are, and
// hc-fetch of random bytes from the local store took a fifth more processor time.
func tuneCollector() (ballast []byte) {
	if os.Getenv("GOGC") != "" {
		return nil
	}
	debug.SetGCPercent(13)
	return make([]byte, 64<<20)
}

// CollectSooner is for what holds so much for as long as it runs that as much as is usual would be too much to leave lying about
// behind it: two fifths of that are. It takes little time where most of what is held is tables.
func CollectSooner() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(5)
	}
}
