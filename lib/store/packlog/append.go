package packlog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// headRoom is kept free in a pack before a commit's record is asked for, so that a pack is rarely sealed after
// something was signed.
const headRoom = 2 << 10 // bytes

// tail is the last pack, open for writing.
type tail struct {
	info packInfo
	file File
	end  uint64 // offset of the next record

	size  uint64 // of the file when the append lock was taken, plus zeros ahead written since
	short int    // short durable commits of this process in a row
	ahead bool   // this process has written zeros ahead
	begun uint64 // offset up to which writeback has been started; 0: unknown
	next  string // path of the pack that would follow; "" until it is needed

	commit   uint64 // end of the first commit record after the mark's end; 0: there is none
	doubtful bool   // a sync of it has failed
	followed bool   // the next pack may be there
}

func (t *tail) position() Position {
	return Position{Pack: t.info.sequence, Offset: t.end, ID: t.info.id}
}

// Write writes one batch, and returns where the records are. They do not count before Commit. Big payloads are not
// copied. After an error other than ErrLocked part of the batch may be there, which is void and harmless.
func (a *Append) Write(ctx context.Context, records ...Record) ([]Position, error) {
	if err := a.check(records); err != nil {
		return nil, err
	}
	var positions []Position
	err := a.log.asWriter(ctx, func() (err error) {
		positions, err = a.writeTidied(ctx, records)
		return a.log.takeBack(ctx, a, err)
	})
	return positions, err
}

func (a *Append) writeTidied(ctx context.Context, records []Record) ([]Position, error) {
	l := a.log
	if a.closer != l.tail.info.closer {
		return nil, ErrOvertaken
	}
	l.claim(a.id)
	b := l.newBatch()
	positions, err := b.addAll(ctx, a.id, records)
	if err != nil {
		return nil, err
	}
	if err := b.flush(); err != nil {
		return nil, err
	}
	if err := l.tail.cutAhead(); err != nil {
		return nil, err
	}
	m := l.marked
	m.End = l.tail.position()
	l.own.end = m.End
	return positions, l.raise(m)
}

// check refuses records that must not be written.
func (a *Append) check(records []Record) error {
	if a.done {
		return errDone
	}
	for i := range records {
		if err := checkRecord(&records[i]); err != nil {
			return err
		}
		if records[i].Commit {
			return fmt.Errorf("record %d of a batch commits: %w", i, errFields)
		}
	}
	return nil
}

// batch writes records at the log's end, under the append lock. When a pack is full it continues in a new one.
type batch struct {
	l *Log
	w *packWriter
}

func (l *Log) newBatch() *batch {
	w := l.newPackWriter(l.tail.file, l.tail.position(), l.buffer)
	if begun := l.tail.begun; begun > 0 && begun < w.begun { // a batch alone is too small for writeback to be started
		w.begun = begun
	}
	return &batch{l: l, w: w}
}

// add returns where the record will be once the batch is flushed; until then its bytes stay as they are.
func (b *batch) add(ctx context.Context, r *Record) (Position, error) {
	if err := b.makeRoom(ctx, recordSize(r)); err != nil {
		return Position{}, err
	}
	at := b.w.at
	if t := b.l.tail; r.Commit && t.commit == 0 {
		t.commit = at.Offset + recordSize(r)
	}
	return at, b.w.put(r, b.l.marked.Synced)
}

// addAll adds the records of one append, and leaves room for one more position.
func (b *batch) addAll(ctx context.Context, id AppendID, records []Record) ([]Position, error) {
	positions := make([]Position, 0, len(records)+1)
	for _, r := range records {
		r.Append = id
		at, err := b.add(ctx, &r)
		if err != nil {
			return nil, err
		}
		positions = append(positions, at)
	}
	return positions, nil
}

// makeRoom seals the pack if a record of that size does not fit. A pack without records has room for any record.
func (b *batch) makeRoom(ctx context.Context, size uint64) error {
	if b.w.at.Offset == packHeader || b.w.at.Offset+size+recordHeader <= b.l.packSize {
		return nil
	}
	return b.seal(ctx)
}

// seal ends the pack and continues in a new one.
func (b *batch) seal(ctx context.Context) error {
	if err := b.w.add(&Record{Kind: KindSeal}, b.l.marked.Synced); err != nil {
		return err
	}
	if err := b.flush(); err != nil {
		return err
	}
	if err := b.l.sealed(ctx); err != nil {
		return err
	}
	b.w = b.l.newPackWriter(b.l.tail.file, b.l.tail.position(), b.w.buf)
	return nil
}

func (b *batch) flush() error {
	err := b.w.flush()
	b.l.buffer = b.w.buf[:0]
	b.l.tail.end, b.l.tail.begun = b.w.at.Offset, b.w.begun
	return err
}

// sealed syncs the last pack, which ends with its seal, and continues in a new one.
func (l *Log) sealed(ctx context.Context) error {
	if err := l.tail.cutAhead(); err != nil {
		return err
	}
	if err := l.syncTail(ctx); err != nil {
		return err
	}
	id, err := randomID()
	if err != nil {
		return err
	}
	old := l.tail
	sequence := old.info.through + 1
	start := Position{Pack: sequence, Offset: packHeader, ID: id}
	info := packInfo{id: id, sequence: sequence, through: sequence, closer: old.info.closer, synced: start}
	file, err := l.makePack(info)
	if err != nil {
		return err
	}
	old.followed = true
	if err := l.publishPack(info); err != nil {
		return errors.Join(err, file.Close())
	}
	l.tail = &tail{info: info, file: file, end: packHeader}
	err = l.raise(Mark{Boot: l.boot, Synced: start, Readable: start, End: start, Folder: id})
	return errors.Join(err, old.file.Close())
}

// syncTail makes the last pack durable. If that fails, the file is not synced again: the log is recovered into another
// one.
func (l *Log) syncTail(ctx context.Context) error {
	err := l.tail.file.Sync()
	if err == nil {
		return nil
	}
	l.tail.doubtful = true
	if recoverErr := l.recover(context.WithoutCancel(ctx)); recoverErr != nil {
		return fmt.Errorf("%w (then recovering: %w)", err, recoverErr)
	}
	return err
}

// raise overwrites the mark.
func (l *Log) raise(m Mark) error {
	l.markDirty = true
	b := marks.Get().(*[markSize]byte)
	defer marks.Put(b)
	clear(b[:])
	if _, err := l.mark.WriteAt(appendMark(b[:0], m), 0); err != nil {
		return err
	}
	l.keepQuiet(m)
	return nil
}

// asWriter calls do under the append lock, after a recovery if that is needed.
func (l *Log) asWriter(ctx context.Context, do func() error) error {
	if l.readOnly {
		return fmt.Errorf("store %q: %w", l.dir, ErrReadOnly)
	}
	if err := l.Make(ctx); err != nil {
		return err
	}
	if err := l.lockAppend(ctx); err != nil {
		return err
	}
	defer l.unlockAppend()
	if err := l.tidy(ctx); err != nil {
		return err
	}
	return do()
}

// tidy is the first step after getting the append lock: it recovers, unless the mark says that all is well.
func (l *Log) tidy(ctx context.Context) error {
	m, err := l.readMark()
	if err != nil && !errors.Is(err, errMark) {
		return err
	}
	if err == nil && m.Boot == l.boot {
		ok, err := l.atEnd(ctx, m)
		if err != nil {
			return err
		}
		if ok {
			l.keepQuiet(m)
			l.tidied.Store(true)
			return nil
		}
	}
	return l.recover(ctx)
}

// atEnd reports whether nothing follows the mark's end in the last pack's file, and opens that pack. If the mark is the
// one that this process left, and the file ends there, no later pack can exist. A pack is made after a seal, which
// makes the one before it longer, or by a recovery; and a process that dies in a recovery before it writes the mark
// leaves behind what made it recover. Only a disk fault that no other process met, and that went away before it died,
// remains unnoticed. If zeros follow the end, there may have been such a fault.
func (l *Log) atEnd(ctx context.Context, m Mark) (bool, error) {
	if t := l.tail; t == nil || t.info.sequence != m.End.Pack || t.info.id != m.End.ID {
		c, err := l.load(ctx)
		if err != nil {
			return false, err
		}
		if c.last.bad != nil || c.last.info.sequence != m.End.Pack || c.last.info.id != m.End.ID {
			return false, nil
		}
		if !c.counts(m.Synced) || !c.counts(m.Readable) {
			return false, nil
		}
		if err := l.openTail(c.last); err != nil {
			return false, err
		}
	} else if m != l.marked {
		if there, err := l.isFollowed(t); there || err != nil {
			return false, err
		}
	}
	t := l.tail
	ok, err := t.endsAt(m)
	if err != nil || !ok || t.size == t.end {
		return ok, err
	}
	there, err := l.isFollowed(t)
	return !there, err
}

// isFollowed reports whether there is a pack after t.
func (l *Log) isFollowed(t *tail) (bool, error) {
	if t.next == "" {
		t.next = l.pathBehind(t.info)
	}
	return l.isThere(t.next)
}

// pathBehind returns the path that the next pack would have.
func (l *Log) pathBehind(info packInfo) string {
	next := packInfo{sequence: info.through + 1}
	return l.path(packsDir, next.name())
}

func (l *Log) isThere(path string) (bool, error) {
	_, _, err := l.fs.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

func (l *Log) openTail(head packHead) error {
	file, err := l.fs.OpenFile(l.path(packsDir, head.name), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	old := l.tail
	l.tail = &tail{info: head.info, file: file}
	if old != nil {
		return old.file.Close()
	}
	return nil
}
