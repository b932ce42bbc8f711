package folder

import (
	"io/fs"
	"os"
	"time"
)

// A fileStat is what can be seen of a file, a folder or a link without reading it, never of a link's target.
type fileStat struct {
	mode          fs.FileMode // type and permission bits
	far           bool        // its time does not fit, and mtime is the last or the first one that does
	size          int64
	mtime, ctime  int64 // nanoseconds since 1970
	inode, device uint64
	info          fs.FileInfo // if the system gives neither ctime nor inode, else nil
}

// telling reports whether the stat can show that a file has not been touched since another stat was taken.
func (s fileStat) telling() bool { return s.info == nil && !s.far }

// sameAs reports whether two stats are of one file.
func (s fileStat) sameAs(other fileStat) bool {
	if s.info != nil || other.info != nil {
		return os.SameFile(s.info, other.info)
	}
	return s.inode == other.inode && s.device == other.device
}

// as reports whether a file is unchanged, as far as can be told without reading it.
func (s fileStat) as(before fileStat) bool {
	return s.mode == before.mode && s.size == before.size && s.mtime == before.mtime && s.ctime == before.ctime && s.sameAs(before)
}

// youngest returns the later of its times.
func (s fileStat) youngest() time.Time { return time.Unix(0, max(s.mtime, s.ctime)) }
