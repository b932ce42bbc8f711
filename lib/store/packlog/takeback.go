package packlog

import (
	"context"
	"errors"
	"fmt"
	"syscall"
)

// When a disk is full, that may be due to the append that failed on it. Nothing that it wrote counts, nobody can have
// read it, and this process, which holds the append lock, knows where it begins: so the process gives the room back.

// stubSize is how many of the bytes taken back stay until the rest is gone for good: fewer than any record has, but
// enough for another process to see that the pack does not end at the mark's end.
const stubSize = 8

// ownBatches is what one append has written last: from there up to the mark's end everything is its own.
type ownBatches struct {
	append    AppendID
	from, end Position
}

// claim notes that an append writes at the mark's end.
func (l *Log) claim(id AppendID) {
	if end := l.marked.End; l.own.append != id || l.own.end != end {
		l.own = ownBatches{append: id, from: end, end: end}
	}
}

// IsFull reports whether an error means that there is no room: on the disk, in a quota, or in one file.
func IsFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

// takeBack is called under the append lock with the result of a write. If the disk was full, it gives back the room of
// what follows the mark's end, and of what append a, unless nil, has written before that: a is then over. It returns
// err.
func (l *Log) takeBack(ctx context.Context, a *Append, err error) error {
	if !IsFull(err) {
		return err
	}
	to := l.marked.End
	if a != nil {
		a.done = true
		to = l.ownFrom(a.id)
	}
	if cutErr := l.cutBack(context.WithoutCancel(ctx), to); cutErr != nil {
		return fmt.Errorf("%w (then giving back what was written: %w)", err, cutErr)
	}
	return err
}

// ownFrom returns where, in the last pack, the records begin that only this append has written; the mark's end if there
// are none.
func (l *Log) ownFrom(id AppendID) Position {
	end := l.marked.End
	if l.own.append != id || l.own.end != end {
		return end
	}
	from := l.own.from
	if from.Pack != end.Pack || from.ID != end.ID { // it has sealed the pack before
		from = Position{Pack: end.Pack, Offset: packHeader, ID: end.ID}
	}
	if from.Less(l.marked.Readable) {
		return end
	}
	return from
}

// cutBack cuts the last pack at a position from which on nothing counts, or ever did. It leaves the pack to a recovery
// if a record that commits may be after it, if a sync of the pack has failed, or if another pack may have come after
// it.
//
// What was there must be gone for good before anything else is written in its place: otherwise a power loss could leave
// some of both, and the commit of one with the records of the other. So the pack is synced in between. Until then it is
// longer than the mark says, as with every sync of a pack: if the sync fails, or the process dies, others know from
// that.
func (l *Log) cutBack(ctx context.Context, to Position) error {
	t, m := l.tail, l.marked
	if t == nil || t.doubtful || t.followed || t.info.id != to.ID {
		return nil
	}
	length, err := t.file.Size()
	if err != nil {
		return err
	}
	size := uint64(length)
	if size <= to.Offset || t.commit != 0 && size >= t.commit {
		return nil
	}
	if m.End != to {
		m.End = to
		if err := l.raise(m); err != nil { // first: the mark's end never exceeds the file's
			return err
		}
	}
	if size > to.Offset+stubSize {
		if err := t.file.Truncate(int64(to.Offset + stubSize)); err != nil {
			return err
		}
	}
	if err := l.syncTail(ctx); err != nil {
		return err
	}
	if err := t.file.Truncate(int64(to.Offset)); err != nil {
		return err
	}
	t.end, t.begun = to.Offset, 0
	return nil
}
