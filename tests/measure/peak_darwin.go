package main

import (
	"os"
	"syscall"
)

// peak returns the most memory, in KiB, that the process has had at once.
func peak(state *os.ProcessState) int64 {
	return state.SysUsage().(*syscall.Rusage).Maxrss >> 10
}
