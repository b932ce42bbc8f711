package packlog

import (
	"bytes"
	"context"
	"sync"
)

// If a write makes a file longer, its sync must wait for the file system's journal, too, which notes the new length. So
// a process that makes many small commits has one of them followed by zeros, which are synced along with it, and the
// next commits overwrite these. On ext4 this makes a durable commit a fifth cheaper.

const (
	maxAhead    = 16<<10 - 1 // bytes of zeros that may follow the log's end
	aheadAfter  = 8          // durable commits in a row, each of at most
	shortCommit = 2 << 10    // bytes
)

// aheads holds buffers for everything that may follow the log's end.
var aheads = sync.Pool{New: func() any { return new([maxAhead]byte) }}

var noBytes [maxAhead]byte

// nothingBehind reports whether the file of the last pack, which has that size, ends at the mark's end, or has only
// zeros ahead after it.
//
// A sync that fails may leave zeros where it was to write data, before the end and after it, and its process may die
// before it can report that. So zeros count as zeros ahead only if everything before the end is synced, and each of
// them is checked. Then that sync was for bytes after the end, which are not on the disk and never will be. This does
// not hold for bytes that were cut off before that sync: they may come back after a power loss. But then the file ends
// where a record could end, as it does after everything that is written without zeros; a file with zeros ahead does
// not.
func nothingBehind(file File, m Mark, size uint64) (bool, error) {
	end := m.End.Offset
	if size <= end || size-end > maxAhead || size%8 == 0 || m.Synced != m.End {
		return size == end, nil
	}
	room := aheads.Get().(*[maxAhead]byte)
	defer aheads.Put(room)
	b := room[:size-end]
	if err := readFull(file, b, end); err != nil {
		if isInvalid(err) { // it was cut in the meantime, or cannot be read
			return false, nil
		}
		return false, err
	}
	return bytes.Equal(b, noBytes[:len(b)]), nil
}

// endsAt sets the end of a pack's records to the mark's end, and reports whether nothing comes after that.
func (t *tail) endsAt(m Mark) (bool, error) {
	size, err := t.file.Size()
	if err != nil {
		return false, err
	}
	t.end, t.size = m.End.Offset, uint64(size)
	return nothingBehind(t.file, m, t.size)
}

// onlyAhead is nothingBehind for the pack of a mark's end, for a caller that does not hold the append lock.
func (l *Log) onlyAhead(v candidate, m Mark) bool {
	e := v.chain.find(m.End.Pack)
	if e == nil {
		return false
	}
	pack, err := l.takeFile(e.name)
	if err != nil {
		return false
	}
	defer l.giveFile(pack)
	ok, err := nothingBehind(pack.file, m, v.end)
	return ok && err == nil
}

// writeAhead adds zeros after commits that began at start and are about to be synced, if these make the file longer,
// the sync is for nothing else, and the previous ones were like that, too.
func (l *Log) writeAhead(start Position) {
	t := l.tail
	if start != l.marked.Synced || start.ID != t.info.id || t.end-start.Offset > shortCommit {
		t.short = 0
		return
	}
	t.short++
	if t.short <= l.aheadAfter || t.end <= t.size || t.end >= l.packSize {
		return
	}
	n := min(maxAhead, l.packSize-t.end)
	if n%8 == 0 { // a record could end there
		n--
	}
	t.size, t.ahead = t.end+n, true
	if _, err := t.file.WriteAt(noBytes[:n], int64(t.end)); err != nil { // they are optional, but may not be there in part
		t.short = 0
		_ = t.cutAhead()
	}
}

// cutAhead makes the file end where its records do: there must be no zeros after records that are not synced at once.
func (t *tail) cutAhead() error {
	if t.size <= t.end {
		return nil
	}
	t.size = t.end
	return t.file.Truncate(int64(t.end))
}

// giveBackAhead cuts off the zeros that this process has written and nobody has used, if nobody else is writing just
// now. The caller has passed the gate of the append lock.
func (l *Log) giveBackAhead() {
	t := l.tail
	if t == nil || !t.ahead || l.append.file.File == nil {
		return
	}
	if ok, err := l.append.file.TryLock(false); !ok || err != nil {
		return
	}
	defer l.append.file.Unlock() // closing the file unlocks it, too
	m, err := l.readMark()
	if err != nil || m != l.marked || m.End.ID != t.info.id {
		return
	}
	if ok, err := l.atEnd(context.Background(), m); ok && err == nil {
		_ = t.cutAhead() // zeros that are left do no harm
	}
}
