//go:build darwin || linux

package cli

import (
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// mostPieces is how many the system takes at once.
const mostPieces = 1024

// writePieces writes pieces, which it changes, one behind the other into f. A write that is not whole goes on where it stopped.
func writePieces(f *os.File, pieces [][]byte) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	for len(pieces) > 0 {
		n, failure := 0, error(nil)
		err := conn.Write(func(fd uintptr) bool {
			n, failure = unix.Writev(int(fd), pieces[:min(len(pieces), mostPieces)])
			return failure != unix.EAGAIN
		})
		if err == nil && failure != unix.EINTR {
			err = failure
		}
		if err == nil && failure == nil && n <= 0 {
			err = io.ErrShortWrite
		}
		if err != nil {
			return &fs.PathError{Op: "write", Path: f.Name(), Err: err}
		}
		pieces = behind(pieces, n)
	}
	return nil
}

// behind returns what stands behind the first n bytes of pieces.
func behind(pieces [][]byte, n int) [][]byte {
	for len(pieces) > 0 && n >= len(pieces[0]) {
		n -= len(pieces[0])
		pieces = pieces[1:]
	}
	if n > 0 {
		pieces[0] = pieces[0][n:]
	}
	return pieces
}
