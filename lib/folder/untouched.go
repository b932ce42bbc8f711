package folder

import (
	"io/fs"
	"os"
)

// Untouched reports whether a file or a link is as it was, as far as can be told without reading it. What has more than one name is
// touched, as its ctime tells, by whoever removes another one of them: of such a file only the rest is compared.
func Untouched(was, is fs.FileInfo) bool {
	if !os.SameFile(was, is) || was.Mode() != is.Mode() || was.Size() != is.Size() || !was.ModTime().Equal(is.ModTime()) {
		return false
	}
	changed, names := inodeOf(was)
	now, _ := inodeOf(is)
	return changed == now || names > 1
}
