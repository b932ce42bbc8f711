//go:build unix

package cli

import (
	"errors"

	"golang.org/x/sys/unix"
)

// readerGone waits until nobody reads the pipe with this descriptor any more, as coreutils' tail does; false if that cannot be found
// out. It takes no *os.File: the process ends by closing that while a goroutine waits here.
func readerGone(descriptor uintptr) bool {
	for {
		watched := []unix.PollFd{{Fd: int32(descriptor)}}
		_, err := unix.Poll(watched, -1)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		return err == nil && watched[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0
	}
}
