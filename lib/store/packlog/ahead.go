package packlog

import (
	"bytes"
	"context"
	"sync"
)

// Where a write makes a file longer its sync has to wait for the file system's journal, too, in which that is noted. So a process that commits
// little, again and again, has one of its commits followed by zeros, which are synced along with it, and the next ones take
// their place. On ext4 a durable commit takes a fifth less by that.

const (
	maxAhead    = 16<<10 - 1 // bytes of zeros that may follow the log's end
	aheadAfter  = 8          // durable commits in a row, each of at most
	shortCommit = 2 << 10    // bytes
)

// aheads holds room for all that may follow the log's end.
var aheads = sync.Pool{New: func() any { return new([maxAhead]byte) }}

var noBytes [maxAhead]byte

// nothingBehind reports whether the file of the last pack, of that size, ends at the mark's end, or goes on with zeros ahead only.
//
// A sync that fails may leave zeros of what it was to bring to the disk, behind the end and before it, and its process may die before it can tell.
// So zeros count as such only where all that is before the end is synced, and they are looked at, each of them: then whatever that sync
// was for stood behind the end, and is not on the disk, nor will be. Of what was cut off before that sync this is not so: it may come back with a
// power loss. But there the file ends where a record could, as it does behind all that is written without zeros, and zeros ahead do not.
func nothingBehind(file File, m Mark, size uint64) (bool, error) {
	end := m.End.Offset
	if size <= end || size-end > maxAhead || size%8 == 0 || m.Synced != m.End {
		return size == end, nil
	}
	room := aheads.Get().(*[maxAhead]byte)
	defer aheads.Put(room)
	b := room[:size-end]
	if err := readFull(file, b, end); err != nil {
		if isInvalid(err) { // it was cut meanwhile, or cannot be read
			return false, nil
		}
		return false, err
	}
	return bytes.Equal(b, noBytes[:len(b)]), nil
}

// endsAt has a pack's records end at the mark's end, and reports whether nothing stands behind that.
func (t *tail) endsAt(m Mark) (bool, error) {
	size, err := t.file.Size()
	if err != nil {
		return false, err
	}
	t.end, t.size = m.End.Offset, uint64(size)
	return nothingBehind(t.file, m, t.size)
}

// onlyAhead is nothingBehind for the pack that a mark's end lies in, by who does not hold the append lock.
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

// writeAhead has commits that began at a position, and are about to be synced, followed by zeros, where they make the file longer, and are all that the
// sync is for, and were so the last times.
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
	if _, err := t.file.WriteAt(noBytes[:n], int64(t.end)); err != nil { // they need not be there, but may not be there in part
		t.short = 0
		_ = t.cutAhead()
	}
}

// cutAhead makes the file end where its records do: behind what is not synced at once there must be no zeros.
func (t *tail) cutAhead() error {
	if t.size <= t.end {
		return nil
	}
	t.size = t.end
	return t.file.Truncate(int64(t.end))
}

// giveBackAhead cuts off the zeros that this process has written, and that nobody has used, if nobody else is writing just now. The caller has
// passed the gate of the append lock.
func (l *Log) giveBackAhead() {
	t := l.tail
	if t == nil || !t.ahead || l.append.file.File == nil {
		return
	}
	if ok, err := l.append.file.TryLock(false); !ok || err != nil {
		return
	}
	defer l.append.file.Unlock() // closing the file does it, too
	m, err := l.readMark()
	if err != nil || m != l.marked || m.End.ID != t.info.id {
		return
	}
	if ok, err := l.atEnd(context.Background(), m); ok && err == nil {
		_ = t.cutAhead() // what is left does no harm
	}
}
