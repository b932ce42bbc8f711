//go:build unix

package cli

import "golang.org/x/sys/unix"

// inherited reports whether a descriptor was open when this process began. One that Go opened is closed on exec, one
// that came through an exec is not: so no user can make us read, and close, a descriptor of the runtime.
func inherited(n int) bool {
	flags, err := unix.FcntlInt(uintptr(n), unix.F_GETFD, 0)
	return err == nil && flags&unix.FD_CLOEXEC == 0
}
