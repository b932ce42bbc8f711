package main

import (
	"os"
	"syscall"
)

// peak returns the most memory, in KiB, that the process has had at once. A few MiB of this program are the least that
// it can be: they are counted until the process runs its own.
func peak(state *os.ProcessState) int64 {
	return state.SysUsage().(*syscall.Rusage).Maxrss
}
