package cli

import (
	"os"

	"golang.org/x/sys/unix"
)

// pipeBytes is the capacity given to a pipe between two tools. At the usual 64 KiB they wake each other for each block.
const pipeBytes = 1 << 20

// widen lets a pipe hold more, if the system allows that.
func widen(f *os.File) {
	_, _ = unix.FcntlInt(f.Fd(), unix.F_SETPIPE_SZ, pipeBytes)
}
