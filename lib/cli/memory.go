package cli

import (
	"os"
	"runtime/debug"
)

// tuneCollector makes the garbage collector keep the heap small where much is live, and rest where little is. What the
// tools hold is mostly the bytes of blocks, which are cheap to collect and dear to hold: a collection is due when the
// heap has grown by a quarter, not doubled. But a quarter of the few MiB that are live in a pipe's step is one look at the heap
// for every few blocks, and pages that go back to the system and come again: with 16 MiB that seem live, a fetch of
// 1 GiB takes two thirds of the processor time that it took without, for 8 MiB of memory. They are nothing but the ballast
// that is returned: never touched, it costs addresses and no memory, and counts as live while the caller keeps it.
func tuneCollector() (ballast []byte) {
	if os.Getenv("GOGC") != "" {
		return nil
	}
	debug.SetGCPercent(25)
	return make([]byte, 16<<20)
}

// CollectSooner is for what holds so much for as long as it runs that half of it again would be too much to leave lying about: a
// collection is due when the heap has grown by a tenth. It takes little time where most of what is held is tables.
func CollectSooner() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(10)
	}
}
