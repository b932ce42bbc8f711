//go:build unix

package cli

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// readerGone waits until nobody reads the pipe f any more; false if that cannot be told. As coreutils' tail does.
func readerGone(f *os.File) bool {
	for {
		watched := []unix.PollFd{{Fd: int32(f.Fd())}}
		_, err := unix.Poll(watched, -1)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		return err == nil && watched[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0
	}
}
