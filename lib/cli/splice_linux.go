package cli

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// splice makes a pipe take bytes of a file from the page cache, and returns how many it took: fewer if that cannot be done, or the file
// has become shorter. Each page is lent to the pipe, so that only the pipe's reader copies it.
func splice(pipe *os.File, file syscall.Conn, offset int64, bytes int) (taken int) {
	to, err := pipe.SyscallConn()
	if err != nil {
		return 0
	}
	from, err := file.SyscallConn()
	if err != nil {
		return 0
	}
	_ = from.Control(func(source uintptr) {
		_ = to.Write(func(fd uintptr) bool {
			for taken < bytes {
				n, err := unix.Splice(int(source), &offset, int(fd), nil, bytes-taken, 0)
				switch {
				case err == unix.EINTR:
				case err == unix.EAGAIN:
					return false // once more, when there is room
				case err != nil || n <= 0:
					return true
				default:
					taken += int(n)
				}
			}
			return true
		})
	})
	return taken
}
