package folder

import (
	"io"
	"os"
)

// CopyFile copies what src has, from its beginning, to dst. If dst is an empty *os.File on the same disk, and that can share
// blocks, it becomes a clone, which takes no time and no room; else the system copies it where it can. What is in dst then
// has still to be verified: src may have changed meanwhile.
func CopyFile(dst io.Writer, src *os.File) error {
	if file, ok := dst.(*os.File); ok && clone(file, src) == nil {
		return nil
	}
	if _, err := src.Seek(0, io.SeekStart); err != nil {
		return err
	}
	_, err := io.Copy(dst, src)
	return err
}
