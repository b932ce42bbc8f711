package peer

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

const (
	errNoData        = syscall.Errno(232)   // ERROR_NO_DATA: the pipe is being closed
	errManyFiles     = syscall.Errno(10024) // WSAEMFILE
	errNoBufferSpace = syscall.Errno(10055) // WSAENOBUFS
)

// isBrokenPipe reports whether a write failed because the reader is gone.
func isBrokenPipe(err error) bool {
	return errors.Is(err, syscall.ERROR_BROKEN_PIPE) || errors.Is(err, errNoData)
}

// shell returns a command line for the system's shell.
func shell(command string) *exec.Cmd { return exec.Command("cmd", "/C", command) }

// terminate ends a process: there is no way to ask.
func terminate(p *os.Process) error { return p.Kill() }

// isRefusedForNow reports whether an accept failed for a temporary lack.
func isRefusedForNow(err error) bool {
	return errors.Is(err, errManyFiles) || errors.Is(err, errNoBufferSpace) || errors.Is(err, syscall.WSAECONNRESET)
}
