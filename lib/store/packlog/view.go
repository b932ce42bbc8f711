package packlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"
)

// View is a bound for scans: the log up to Readable, as it was at one moment.
type View struct {
	Synced   Position // everything before it survives power loss, and may be announced
	Readable Position // nothing at or after it is seen; not before Synced
	Unmarked bool     // the mark is not valid, so more may be synced than is known
	Closer   uint64   // changes with every recovery; then what was read after Synced may not count any more

	chain *chain
}

// markPauses are the pauses between attempts to read an invalid mark: a write to it may be half done.
var markPauses = []time.Duration{0, 0, 0, 100 * time.Microsecond, time.Millisecond, 5 * time.Millisecond}

// readMark reads the mark once. The error wraps errMark if its content is not valid.
func (l *Log) readMark() (Mark, error) {
	file, err := l.openMark()
	if errors.Is(err, fs.ErrNotExist) {
		return Mark{}, fmt.Errorf("%w: there is none", errMark)
	}
	if err != nil {
		return Mark{}, err
	}
	b := marks.Get().(*[markSize]byte)
	defer marks.Put(b)
	n, err := file.ReadAt(b[:], 0)
	if err != nil && err != io.EOF && !isBadSector(err) {
		return Mark{}, err
	}
	return decodeMark(b[:n])
}

var marks = sync.Pool{New: func() any { return new([markSize]byte) }}

// openMark returns the mark's file, which stays open. A reader may find it only some time after it opened the log.
func (l *Log) openMark() (File, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, ErrClosed
	}
	if l.mark != nil {
		return l.mark, nil
	}
	flag := os.O_RDWR | os.O_CREATE
	if l.readOnly {
		flag = os.O_RDONLY
	}
	file, err := l.fs.OpenFile(l.path(markFile), flag, filePerm)
	if err == nil {
		l.mark = file
	}
	return file, err
}

// Mark reads the mark. It takes no lock.
func (l *Log) Mark(ctx context.Context) (Mark, error) {
	m, err := l.readMark()
	for _, pause := range markPauses {
		if err == nil || !errors.Is(err, errMark) {
			break
		}
		if err := sleep(ctx, pause); err != nil {
			return Mark{}, err
		}
		m, err = l.readMark()
	}
	return m, err
}

// View returns what is readable now. It takes no lock. After a restart of the machine, or if the mark is not valid, it
// finds in memory what a recovery would, unless somebody has recovered.
func (l *Log) View(ctx context.Context) (View, error) {
	if l.notYet() {
		return View{}, nil
	}
	if err := l.Make(ctx); err != nil {
		return View{}, err
	}
	for {
		mark, markErr := l.Mark(ctx)
		if markErr != nil && !errors.Is(markErr, errMark) {
			return View{}, markErr
		}
		view, err := l.view(ctx, mark, markErr == nil)
		if errors.Is(err, ErrMoved) && ctx.Err() == nil {
			continue
		}
		if err != nil {
			return View{}, err
		}
		if view.final {
			return view.View, nil
		}
		again, err := l.Mark(ctx)
		if err != nil && !errors.Is(err, errMark) {
			return View{}, err
		}
		if again == mark && (err == nil) == (markErr == nil) {
			return view.View, nil
		}
	}
}

type candidate struct {
	View
	final bool   // no need to read the mark again
	end   uint64 // size of the pack that the mark's end is in
}

func (l *Log) view(ctx context.Context, mark Mark, valid bool) (candidate, error) {
	if valid && mark.Boot == l.boot {
		v, ok, err := l.viewByMark(ctx, mark, nil)
		if ok || err != nil {
			return v, err
		}
	}
	c, err := l.load(ctx)
	if err != nil {
		return candidate{}, err
	}
	s, err := l.surveyForView(ctx, c, mark, valid)
	if err != nil {
		return candidate{}, err
	}
	return candidate{View: View{Synced: s.synced, Readable: s.torn, Unmarked: !valid, Closer: c.closer, chain: c}}, nil
}

// viewByMark is for a valid mark of this boot; it returns false if the folder contradicts the mark. last is the pack of
// the mark's end, if it is open.
func (l *Log) viewByMark(ctx context.Context, mark Mark, last File) (candidate, bool, error) {
	c, fresh, err := l.loadFor(ctx, mark.Folder)
	if err != nil {
		return candidate{}, false, err
	}
	end, ok, err := l.agrees(c, mark, last)
	if err != nil {
		return candidate{}, false, err
	}
	if !ok {
		if !fresh {
			l.forget()
			return candidate{}, false, ErrMoved
		}
		return candidate{}, false, nil
	}
	v := View{Synced: mark.Synced, Readable: mark.Readable, Closer: c.closer, chain: c}
	if e := c.find(v.Readable.Pack); v.Readable.Offset > e.limit {
		v.Readable.Offset = e.limit // a recovery is under way
	}
	return candidate{v, c.last.info.sequence == mark.End.Pack, end}, true, nil
}

// agrees reports whether the mark's positions are in packs that exist, and within their files. end is the size of the
// file that the mark's end is in; last is that file, if it is open.
func (l *Log) agrees(c *chain, mark Mark, last File) (end uint64, ok bool, err error) {
	behind := Position{} // a position that its file is known to reach
	for _, p := range []Position{mark.End, mark.Readable, mark.Synced} {
		if p.Pack == behind.Pack && p.ID == behind.ID {
			continue // not after the mark's end
		}
		e := c.find(p.Pack)
		if e == nil || e.bad != nil || e.info.id != p.ID {
			return 0, false, nil
		}
		size, err := int64(0), error(nil)
		if last != nil && p == mark.End {
			size, err = last.Size()
		} else {
			size, _, err = l.fs.Stat(e.path)
		}
		if err != nil {
			return 0, false, l.ifGone(err)
		}
		if uint64(size) < p.Offset {
			return 0, false, nil
		}
		if behind = p; p == mark.End {
			end = uint64(size)
		}
	}
	return end, c.counts(mark.Synced), nil
}

// cachedSurvey saves a reader after a restart, or without a valid mark, from reading the unsynced end again and again.
type cachedSurvey struct {
	mark    Mark
	valid   bool
	applied Position
	last    string // name and size of the last pack
	result  *survey
}

func (l *Log) surveyForView(ctx context.Context, c *chain, mark Mark, valid bool) (*survey, error) {
	key := cachedSurvey{mark: mark, valid: valid, applied: l.applied()}
	if c.last.name != "" {
		size, _, err := l.fs.Stat(l.path(packsDir, c.last.name))
		if err != nil {
			return nil, l.ifGone(err)
		}
		key.last = fmt.Sprintf("%s %d %x", c.last.name, size, c.last.info.id)
	}
	l.mu.Lock()
	known := l.survey
	l.mu.Unlock()
	if known != nil {
		if key.result = known.result; key == *known {
			return known.result, nil
		}
	}
	var trusted *Mark
	if valid {
		trusted = &mark
	}
	s, err := l.surveyLog(ctx, c, trusted, false)
	if err != nil {
		return nil, err
	}
	key.result = s
	l.mu.Lock()
	l.survey = &key
	l.mu.Unlock()
	return s, nil
}

// watchMark watches the mark or, while there is none, the folder that it will be in.
func (l *Log) watchMark() (Watcher, error) {
	watcher, err := l.fs.Watch(l.path(markFile))
	if !errors.Is(err, fs.ErrNotExist) {
		return watcher, err
	}
	return l.fs.Watch(l.dir)
}

// Watch returns a channel that signals, coalesced, whenever the mark moves: somebody has written, committed or
// recovered. The first signal comes at once, for earlier moves. The channel is closed when ctx ends.
func (l *Log) Watch(ctx context.Context) (<-chan struct{}, error) {
	if err := l.Make(ctx); err != nil {
		return nil, err
	}
	watcher, err := l.watchMark()
	if err != nil {
		return nil, fmt.Errorf("watching %q: %w", l.dir, err)
	}
	out := make(chan struct{}, 1)
	out <- struct{}{}
	go func() {
		defer close(out)
		defer watcher.Close()
		for {
			select {
			case <-ctx.Done():
				return
			case <-watcher.Events():
			}
			select {
			case out <- struct{}{}:
			default:
			}
		}
	}()
	return out, nil
}
