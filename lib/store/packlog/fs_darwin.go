package packlog

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// bootID uses the boot session's UUID, and not kern.boottime, which moves when the clock is set.
func bootID() (BootID, error) {
	text, err := unix.Sysctl("kern.bootsessionuuid")
	if err != nil {
		return BootID{}, fmt.Errorf("%w: kern.bootsessionuuid: %w", ErrBoot, err)
	}
	return parseBootID(text)
}

// datasync is F_FULLFSYNC, which is what os.File.Sync does here: fsync alone leaves data in the drive's cache.
func datasync(f osFile) error { return f.File.Sync() }

func startWriteback(osFile, int64, int64) {}
