package folder

import (
	"io"
	"os"
)

// CopyFile copies src, from its beginning, to dst. If dst is an empty *os.File on the same disk, and the disk can share blocks,
// dst becomes a clone, which takes no time and no space; else the system copies the bytes if it can. The caller has to verify
// dst: src may have changed meanwhile.
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
