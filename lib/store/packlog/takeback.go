package packlog

import (
	"context"
	"errors"
	"fmt"
	"syscall"
)

// A disk that is full is full of what the append that failed on it has written. Nothing of that counts, nobody can have
// read it, and this process, which holds the append lock, knows where it begins: so the process gives the room back.

// stubSize is how many bytes of what is taken back stay until the rest is gone for good: fewer than any record has, and enough for
// whoever comes by then to see that the pack does not end where the mark says.
const stubSize = 8

// ownBatches is what one append has written last: from there up to the mark's end nothing is of anybody else.
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

// IsFull reports whether an error says that there is no room: on the disk, of a quota, or in one file.
func IsFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

// takeBack is told, under the append lock, how a write went. Where the disk was full it gives back the room of what is behind the mark's
// end, and of what one append, if it is named, has written before that: that append is over then. It returns what it was told.
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

// ownFrom returns where, in the last pack, what only an append has written begins; the mark's end where that is not its own.
func (l *Log) ownFrom(id AppendID) Position {
	end := l.marked.End
	if l.own.append != id || l.own.end != end {
		return end
	}
	from := l.own.from
	if from.Pack != end.Pack || from.ID != end.ID { // it has sealed the one before
		from = Position{Pack: end.Pack, Offset: packHeader, ID: end.ID}
	}
	if from.Less(l.marked.Readable) {
		return end
	}
	return from
}

// cutBack makes the last pack end at a position, from where on nothing counts, or ever did. It leaves a pack in which a record that
// commits may stand behind it, of which a sync has failed, or behind which another may have come, to who recovers.
//
// What was there must be gone for good before anything else is written in its place: else a power loss might leave some of both, and
// the one's commit with the other's records. So it is synced in between; until then the pack is longer than the mark says, as with
// every sync of a pack: if that fails, or the process dies in it, that is how others know.
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
		if err := l.raise(m); err != nil { // first: the mark's end is never behind that of the file
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
