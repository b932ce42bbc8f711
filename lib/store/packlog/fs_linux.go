package packlog

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"hc/lib/gather"
)

const bootIDFile = "/proc/sys/kernel/random/boot_id"

func bootID() (BootID, error) {
	text, err := os.ReadFile(bootIDFile)
	if err != nil {
		return BootID{}, fmt.Errorf("%w: %w", errBoot, err)
	}
	return parseBootID(string(bytes.TrimSpace(text)))
}

// Sync is fdatasync: it syncs data, and the metadata that is needed to read it back, such as the length.
func (f osFile) Sync() error {
	if err := f.control(unix.Fdatasync); err != nil {
		return &fs.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
	}
	return nil
}

// StartWriteback does not wait, so it does not consume an error that a later fdatasync must return.
func (f osFile) StartWriteback(offset, length int64) {
	_ = f.control(func(fd int) error {
		return unix.SyncFileRange(fd, offset, length, unix.SYNC_FILE_RANGE_WRITE)
	})
}

// WritePiecesAt writes pieces one after another.
func (f osFile) WritePiecesAt(pieces [][]byte, offset int64) error {
	err := gather.WriteAll(slices.Clone(pieces), func(some [][]byte) (n int, err error) {
		err = f.control(func(fd int) (err error) {
			n, err = unix.Pwritev(fd, some, offset)
			return err
		})
		offset += int64(max(n, 0))
		return n, err
	})
	if err != nil {
		return &fs.PathError{Op: "write", Path: f.Name(), Err: err}
	}
	return nil
}
