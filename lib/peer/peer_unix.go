//go:build unix

package peer

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// isBrokenPipe reports whether a write failed because the reader is gone. A write to a broken stdout does not get this far:
// the Go runtime ends the program by SIGPIPE, as a pipeline expects.
func isBrokenPipe(err error) bool { return errors.Is(err, syscall.EPIPE) }

// shell returns a command line for sh. The command stays in our process group, so that ssh may ask for a password on
// the terminal, and Ctrl-C reaches it.
func shell(command string) *exec.Cmd { return exec.Command("sh", "-c", command) }

// terminate asks a process to end.
func terminate(p *os.Process) error { return p.Signal(syscall.SIGTERM) }

// isRefusedForNow reports whether an accept failed for a temporary lack, such as that of file descriptors.
func isRefusedForNow(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
