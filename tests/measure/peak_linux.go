package main

import (
	"os"
	"syscall"
)

// peak returns the most memory, in KiB, that the process has had at once. A few MiB of this program are the least that
// it can be: they are counted until the process runs its own.
func peak(state *os.ProcessState) int64 {
	return int64(state.SysUsage().(*syscall.Rusage).Maxrss) // 32 bits on processors of 32 bits
}
