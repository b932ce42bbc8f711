package packlog

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// bootID uses the boot session's UUID rather than kern.boottime, which moves when the clock is set.
func bootID() (BootID, error) {
	text, err := unix.Sysctl("kern.bootsessionuuid")
	if err != nil {
		return BootID{}, fmt.Errorf("%w: kern.bootsessionuuid: %w", errBoot, err)
	}
	return parseBootID(text)
}

// Sync is F_FULLFSYNC, as os.File.Sync is on this system: fsync alone leaves data in the drive's cache.
func (f osFile) Sync() error { return f.File.Sync() }

// StartWriteback has no system call here.
func (osFile) StartWriteback(offset, length int64) {}
