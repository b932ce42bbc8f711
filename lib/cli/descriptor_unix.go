//go:build unix

package cli

import "golang.org/x/sys/unix"

// inherited reports whether a descriptor was open when this process began. One that Go opened is closed on exec, one
// that came through an exec is not: so nobody makes us read, and close, what the runtime works with.
func inherited(n int) bool {
	flags, err := unix.FcntlInt(uintptr(n), unix.F_GETFD, 0)
	return err == nil && flags&unix.FD_CLOEXEC == 0
}
