package packlog

import (
	"context"
	"errors"
	"fmt"
)

// errChanged says that bytes that were valid a moment ago are not: the pages were lost after a failed sync.
var errChanged = errors.New("the log changed while it was recovered")

const recoverTries = 3

// recover copies the whole appends after the synced position into a fresh pack that closes the log there. The append
// lock is held. A crash at any point leaves something that the next recovery can start from.
func (l *Log) recover(ctx context.Context) error {
	if err := l.fs.SyncDir(l.path(packsDir)); err != nil {
		return err
	}
	mark, err := l.readMark()
	trusted := &mark
	if errors.Is(err, errMark) {
		trusted = nil
		err = l.syncFolders() // the maker of the store may have died before syncing them
	}
	if err != nil {
		return err
	}
	c, err := l.load(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for range recoverTries {
		err := l.recoverFrom(ctx, c, trusted)
		if err == nil {
			return nil
		}
		errs = append(errs, err)
		if !errors.Is(err, errChanged) && !errors.Is(err, errSyncFailed) {
			break
		}
	}
	err = errors.Join(errs...)
	if IsFull(err) {
		return fmt.Errorf("an append was not finished, and closing the log after it takes a new pack: make some room on this disk, then 'hc gc' frees what the append took: %w", err)
	}
	return fmt.Errorf("recovering: %w", err)
}

func (l *Log) recoverFrom(ctx context.Context, c *chain, mark *Mark) error {
	s, err := l.surveyLog(ctx, c, mark, true)
	if err != nil {
		return err
	}
	for _, d := range s.damage {
		l.report(d)
	}
	if err := l.reportCut(c, mark); err != nil {
		return err
	}
	if err := unreadable(c, s); err != nil {
		return err
	}
	id, err := randomID()
	if err != nil {
		return err
	}
	sequence := l.nextSequence(c, mark)
	if sequence >= maxNumber {
		return fmt.Errorf("pack %d: %w", sequence-1, errPackHeader)
	}
	info := packInfo{id: id, sequence: sequence, through: sequence, closer: sequence, close: s.synced}
	file, err := l.copyWhole(ctx, c, s, &info)
	if err != nil {
		return err
	}
	if err := l.publishPack(info); err != nil {
		return errors.Join(err, file.Close())
	}
	old := l.tail
	l.tail = &tail{info: info, file: file, end: info.synced.Offset}
	if old != nil {
		_ = old.file.Close() // nothing of ours that counts is unwritten there
	}
	end := info.synced
	if err := l.raise(Mark{Boot: l.boot, Synced: end, Readable: end, End: end, Folder: id}); err != nil {
		return err
	}
	return l.loadLocked(ctx)
}

// reportCut reports bytes that the mark says are synced, but that are missing at the end of a pack, where no damaged
// record can be found. After this recovery the mark does not say so any more. Whether a head may have been there is for
// readers of that part to decide.
func (l *Log) reportCut(c *chain, mark *Mark) error {
	if mark == nil {
		return nil
	}
	at := mark.Synced
	e := c.find(at.Pack)
	if e == nil || e.bad != nil || e.info.id != at.ID {
		return nil
	}
	size, _, err := l.fs.Stat(e.path)
	if err != nil || uint64(size) >= at.Offset {
		return err
	}
	cut := at
	cut.Offset = uint64(size)
	l.report(&DamageError{Position: cut, Length: at.Offset - cut.Offset, Reason: errCut, Known: true})
	return nil
}

// unreadable returns an error for what the disk cannot read now, as opposed to a torn end: nothing is closed because of
// that.
func unreadable(c *chain, s *survey) error {
	if s.tear != nil && isBadSector(s.tear.Reason) {
		return s.tear
	}
	for _, e := range c.extents {
		if e.bad != nil && isBadSector(e.bad) {
			return fmt.Errorf("pack %s: %w", e.name, e.bad)
		}
	}
	return nil
}

// nextSequence returns a sequence above that of any pack that exists, or is said to exist.
func (l *Log) nextSequence(c *chain, mark *Mark) uint64 {
	last := max(c.last.info.through, l.applied().Pack)
	if mark != nil {
		last = max(last, mark.End.Pack)
	}
	return last + 1
}

var (
	errSyncFailed = errors.New("syncing the recovered pack")
	errCut        = errors.New("the file ends there, but the mark said that it goes on")
)

// copyWhole writes the fresh pack under its temporary name, syncs it, and sets info.synced to the end of the copies.
func (l *Log) copyWhole(ctx context.Context, c *chain, s *survey, info *packInfo) (File, error) {
	file, err := l.newPackFile()
	if err != nil {
		return nil, err
	}
	if err := l.copyTo(ctx, file, c, s, info); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

func (l *Log) copyTo(ctx context.Context, file File, c *chain, s *survey, info *packInfo) error {
	start := Position{Pack: info.sequence, Offset: packHeader, ID: info.id}
	w := l.newPackWriter(file, start, l.buffer)
	err := l.walk(ctx, c, s.synced, s.torn, true, func(it item) error {
		if it.damage != nil && it.damage.Position.Less(s.synced) {
			return nil // reported by the survey
		}
		if it.damage != nil {
			return fmt.Errorf("%w: %w", errChanged, it.damage)
		}
		if _, ok := s.whole[it.record.Append]; !ok || it.record.Kind == KindSeal {
			return nil
		}
		return w.add(&it.record, s.synced)
	})
	if err != nil {
		return err
	}
	if err := w.flush(); err != nil {
		return err
	}
	l.buffer = w.buf[:0]
	info.synced = w.at
	if _, err := file.WriteAt(encodePackHeader(*info), 0); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return fmt.Errorf("%w: %w", errSyncFailed, err)
	}
	return nil
}
