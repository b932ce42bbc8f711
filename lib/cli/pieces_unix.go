//go:build darwin || linux

package cli

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"hc/lib/gather"
)

// mostAtOnce is how many pieces one system call gets: for more its list would be allocated each time, which would be all the garbage of
// a tool like hc-chunk, 350 kB for each GiB.
const mostAtOnce = 8

// writePieces writes pieces, which it changes, one after the other into f.
func writePieces(f *os.File, pieces [][]byte) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	err = gather.WriteAll(pieces, func(some [][]byte) (n int, err error) {
		failure := conn.Write(func(fd uintptr) bool {
			for {
				n, err = unix.Writev(int(fd), some[:min(len(some), mostAtOnce)])
				if err != unix.EINTR {
					return err != unix.EAGAIN
				}
			}
		})
		return n, errors.Join(failure, err)
	})
	if err != nil {
		return &fs.PathError{Op: "write", Path: f.Name(), Err: err}
	}
	return nil
}
