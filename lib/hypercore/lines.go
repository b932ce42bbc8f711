package hypercore

import (
	"context"
	"errors"
	"io"
	"time"

	"hc/lib/store"
	"hc/lib/stream"
)

// Flush says when lines are signed and published: after Count of them, or Interval after the first that is not yet.
// The zero value is DefaultFlush.
type Flush struct {
	Count    uint64
	Interval time.Duration
}

// DefaultFlush is how long a line waits for others to share its signature and its sync.
const DefaultFlush = 200 * time.Millisecond

// AppendLines appends each line of a reader, with its LF, as one block (the last may lack the LF). Lines are
// published at every flush; a later error of the input, or the end of ctx, takes nothing back. The log is locked only
// during a flush, so an endless input lets others in. An hc-stream is refused with ErrFramed. committed, which may be nil, is called at each flush.
func AppendLines(ctx context.Context, in *store.Store, word string, from io.Reader, options AppendOptions, flush Flush, committed func(Result)) (Result, error) {
	if flush == (Flush{}) {
		flush.Interval = DefaultFlush
	}
	options.Short = true
	l := &lineAppend{store: in, word: word, options: options, flush: flush, committed: committed}
	return l.run(ctx, from)
}

type lineAppend struct {
	store     *store.Store
	word      string
	options   AppendOptions
	flush     Flush
	committed func(Result)

	begun  bool    // lines have come
	w      *Writer // nil between flushes
	before uint64
	added  uint64 // bytes since the last flush
	total  Result
}

func (l *lineAppend) run(ctx context.Context, from io.Reader) (Result, error) {
	reading, stop := context.WithCancel(ctx)
	defer stop()
	lines := readLines(reading, from)
	work, end := outlasting(ctx, grace)
	defer end()
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	defer func() {
		timer.Stop()
		if l.w != nil {
			l.w.Abort()
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return l.interrupted(ctx, work)
		case <-timer.C:
			if err := l.commit(work); err != nil {
				return l.total, err
			}
		case next, open := <-lines.full:
			if !open && ctx.Err() != nil {
				return l.interrupted(ctx, work)
			}
			if !open {
				return l.end(work, lines.err)
			}
			if !l.begun && stream.Begins(next.blocks[0]) {
				return l.total, ErrFramed
			}
			l.begun = true
			if l.w == nil && l.flush.Interval > 0 {
				timer.Reset(l.flush.Interval)
			}
			if err := l.append(work, next.blocks); err != nil {
				return l.total, err
			}
			lines.empty <- next
			if l.w == nil {
				timer.Stop()
			}
		}
	}
}

// grace is how long publishing the lines read so far may take after an interrupt.
const grace = 3 * time.Second

// outlasting returns a context that ends grace later than ctx.
func outlasting(ctx context.Context, grace time.Duration) (later context.Context, end func()) {
	later, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		time.AfterFunc(grace, func() { cancel(context.Cause(ctx)) })
	})
	return later, func() {
		stop()
		cancel(nil)
	}
}

// append adds lines and commits after every Count of them.
func (l *lineAppend) append(ctx context.Context, blocks [][]byte) error {
	for len(blocks) > 0 {
		if err := l.open(ctx); err != nil {
			return err
		}
		part := blocks
		if l.flush.Count > 0 {
			part = blocks[:min(uint64(len(blocks)), l.flush.Count-(l.w.Length()-l.before))]
		}
		if err := l.w.Append(ctx, part...); err != nil {
			return err
		}
		for _, line := range part {
			l.added += uint64(len(line))
		}
		blocks = blocks[len(part):]
		if l.flush.Count > 0 && l.w.Length()-l.before >= l.flush.Count {
			if err := l.commit(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *lineAppend) open(ctx context.Context) error {
	for l.w == nil {
		w, err := OpenWriter(ctx, l.store, l.word, l.options)
		if err != nil {
			return err
		}
		if w.name == "" || l.options.SecretFile != nil {
			secret := w.secret
			l.options.Secret = &secret // a passphrase is asked for once
		}
		if !w.isNew {
			l.w, l.before, l.added = w, w.Length(), 0
			l.word = w.Key().String()
			l.options.New, l.options.ExpectLength, l.options.Ask, l.options.begun = false, nil, nil, false // they applied to the first flush
			continue
		}
		// A new log begins empty: of two processes that have lines for it, the second one then continues after the
		// first.
		if _, err := w.Commit(ctx); err == nil {
			l.options.New, l.options.begun = false, w.sure
		} else if l.options.New || !errors.Is(err, errNameTaken) {
			return err
		}
	}
	return nil
}

func (l *lineAppend) commit(ctx context.Context) error {
	if l.w == nil {
		return nil
	}
	w := l.w
	l.w = nil
	result, err := w.result(ctx, l.before, l.added)
	if err != nil {
		return err
	}
	l.total.Key, l.total.Length, l.options.signed = result.Key, result.Length, result.Length
	l.total.Blocks += result.Blocks
	l.total.Bytes += result.Bytes
	if l.committed != nil {
		l.committed(result)
	}
	return nil
}

// end commits the rest. An input without lines creates an empty log, as an empty stream does; one that failed does
// not.
func (l *lineAppend) end(ctx context.Context, err error) (Result, error) {
	if l.total.Key == "" && err == nil {
		if openErr := l.open(ctx); openErr != nil {
			return l.total, openErr
		}
	}
	if commitErr := l.commit(ctx); commitErr != nil {
		return l.total, commitErr
	}
	return l.total, err
}

// interrupted commits the lines that came before ctx ended.
func (l *lineAppend) interrupted(ctx, work context.Context) (Result, error) {
	if err := l.commit(work); err != nil {
		return l.total, err
	}
	return l.total, context.Cause(ctx)
}
