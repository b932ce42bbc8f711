package packlog

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

const bootIDFile = "/proc/sys/kernel/random/boot_id"

func bootID() (BootID, error) {
	text, err := os.ReadFile(bootIDFile)
	if err != nil {
		return BootID{}, fmt.Errorf("%w: %w", ErrBoot, err)
	}
	return parseBootID(string(bytes.TrimSpace(text)))
}

// Sync is fdatasync: data, and what of the metadata is needed to read it back, such as the length.
func (f osFile) Sync() error {
	if err := f.control(unix.Fdatasync); err != nil {
		return &fs.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
	}
	return nil
}

// StartWriteback does not wait, so it does not take an error away from the fdatasync that comes later.
func (f osFile) StartWriteback(offset, length int64) {
	_ = f.control(func(fd int) error {
		return unix.SyncFileRange(fd, offset, length, unix.SYNC_FILE_RANGE_WRITE)
	})
}

// mostPieces is how many the system takes at once.
const mostPieces = 1024

// WritePiecesAt writes pieces one behind the other.
func (f osFile) WritePiecesAt(pieces [][]byte, offset int64) error {
	err := writeAll(pieces, offset, func(some [][]byte, offset int64) (n int, err error) {
		err = f.control(func(fd int) (err error) {
			n, err = unix.Pwritev(fd, some, offset)
			return err
		})
		return n, err
	})
	if err != nil {
		return &fs.PathError{Op: "write", Path: f.Name(), Err: err}
	}
	return nil
}

// writeAll writes pieces by way of write, which takes no more of them than the system does at once, and may write less. Where that
// was not all, it goes on where it stopped.
func writeAll(pieces [][]byte, offset int64, write func(some [][]byte, offset int64) (int, error)) error {
	for left := slices.Clone(pieces); len(left) > 0; {
		n, err := write(left[:min(len(left), mostPieces)], offset)
		if err == nil && n <= 0 {
			err = io.ErrShortWrite
		}
		if err != nil {
			return err
		}
		offset += int64(n)
		left = behind(left, n)
	}
	return nil
}

// behind returns what stands behind the first n bytes of pieces, which it changes.
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
