package folder

import "os"

// Open opens a file of any size for reading: on 32-bit systems, root.Open refuses one of 2 GiB.
func Open(root *os.Root, name string) (*os.File, error) { return openWith(root, name, 0) }

func openWith(root *os.Root, name string, flag int) (*os.File, error) {
	return root.OpenFile(name, os.O_RDONLY|largeFile|flag, 0)
}
