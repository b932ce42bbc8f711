package packlog

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
)

// Append is one append: records that all count, or none. It belongs to one goroutine.
type Append struct {
	log    *Log
	id     AppendID
	view   View
	closer uint64 // as it was at Begin
	done   bool
}

var errDone = errors.New("append is done")

// Begin starts an append, after recovering if that is needed. Look things up after Begin, not before: Write and Commit
// return ErrOvertaken if somebody has recovered since. An append that is given up needs no call.
//
// It takes the append lock only if something must be recovered, or if it cannot tell without.
// Whatever it finds, writers look again, under the lock.
func (l *Log) Begin(ctx context.Context) (*Append, error) {
	if l.readOnly {
		return nil, fmt.Errorf("store %q: %w", l.dir, ErrReadOnly)
	}
	if err := l.Make(ctx); err != nil {
		return nil, err
	}
	a := &Append{log: l}
	if _, err := rand.Read(a.id[:]); err != nil {
		return nil, err
	}
	var ok bool
	if a.view, ok = l.viewTidy(ctx); ok {
		a.closer = a.view.chain.last.info.closer
		return a, nil
	}
	if err := a.beginLocked(ctx); err != nil {
		return nil, err
	}
	var err error
	a.view, err = l.View(ctx)
	return a, err
}

// ID returns the append's id, which is in all its records.
func (a *Append) ID() AppendID { return a.id }

// View returns what was readable when the append began.
func (a *Append) View() View { return a.view }

// viewTidy returns what is readable now if nothing must be recovered: the mark is of this boot, and nothing follows its
// end in the last pack's file, or this process is writing there just now.
func (l *Log) viewTidy(ctx context.Context) (View, bool) {
	m, err := l.readMark()
	if err != nil || m.Boot != l.boot {
		return View{}, false
	}
	l.mu.Lock()
	known, last := l.quiet == m, l.quietFile
	l.mu.Unlock()
	if !known {
		last = nil
	}
	v, ok, err := l.viewByMark(ctx, m, last)
	if err != nil || !ok || !v.final {
		return View{}, false
	}
	if v.end != m.End.Offset && !l.tidied.Load() {
		if !l.onlyAhead(v, m) {
			return View{}, false
		}
		known = false // see atEnd
	}
	if !known { // a recovery may have made the new pack, but not written the mark yet
		if there, err := l.isThere(v.chain.next); there || err != nil {
			return View{}, false
		}
	}
	return v.View, v.chain.counts(m.Readable)
}

// keepQuiet notes, under the append lock, a mark whose pack is the last one.
func (l *Log) keepQuiet(m Mark) {
	l.marked = m
	l.mu.Lock()
	defer l.mu.Unlock()
	l.quiet, l.quietFile = m, nil
	if t := l.tail; t != nil && t.info.id == m.End.ID {
		l.quietFile = t.file
		t.commit = 0 // what was after the mark's end is before it now
	}
}

// beginLocked recovers if that is needed.
func (a *Append) beginLocked(ctx context.Context) error {
	l := a.log
	return l.asWriter(ctx, func() error {
		a.closer = l.tail.info.closer
		return l.loadLocked(ctx)
	})
}

// loadLocked reads the folder under the append lock, unless it is unchanged since the last time.
func (l *Log) loadLocked(ctx context.Context) error {
	if l.folder == l.marked.Folder && l.known() != nil {
		return nil
	}
	c, err := l.load(ctx)
	if err != nil {
		return err
	}
	l.folder = l.marked.Folder
	l.sawFolder(c, l.folder)
	return nil
}
