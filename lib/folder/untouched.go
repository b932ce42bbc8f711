package folder

import (
	"io/fs"
	"os"
)

// Untouched reports whether a file or a link is as it was, as far as can be told without reading it. Removing another name of a
// file changes its ctime. So the ctime is not compared if the file had more than one name.
func Untouched(was, is fs.FileInfo) bool {
	if !os.SameFile(was, is) || was.Mode() != is.Mode() || was.Size() != is.Size() || !was.ModTime().Equal(is.ModTime()) {
		return false
	}
	changed, names := inodeOf(was)
	now, _ := inodeOf(is)
	return changed == now || names > 1
}
