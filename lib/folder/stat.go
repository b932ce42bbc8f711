package folder

import "io/fs"

// A fileStat is what tells that a file was not touched, without reading it.
type fileStat struct {
	size          int64
	mtime, ctime  int64 // nanoseconds since 1970
	inode, device uint64
}

// sameStat reports whether a file is as it was, as far as can be told without reading it.
func sameStat(a, b fs.FileInfo) bool {
	if a.Size() != b.Size() || !a.ModTime().Equal(b.ModTime()) || a.Mode() != b.Mode() {
		return false
	}
	before, ok := statOf(a)
	after, ok2 := statOf(b)
	return ok == ok2 && before == after
}
