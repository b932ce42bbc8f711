package folder

import "golang.org/x/sys/unix"

// largeFile makes the system open a file whose size is beyond 31 bits. Package os sets it, but not for an os.Root.
const largeFile = unix.O_LARGEFILE
