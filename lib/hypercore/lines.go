package hypercore

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"hc/lib/store"
)

// Flush says when lines that came are signed and published: after Count of them, or Interval behind the first that is
// not yet. The zero value is DefaultFlush.
type Flush struct {
	Count    uint64
	Interval time.Duration
}

// DefaultFlush is how long a line waits for others to share its signature and its sync.
const DefaultFlush = 200 * time.Millisecond

// AppendLines appends each line of a reader, with its LF, as one block (the last may lack the LF). What came is
// published at every flush; an input that fails later takes nothing back. The log is locked during a flush only, so
// that an endless input lets others in. committed, which may be nil, is told of each flush.
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

	w      *Writer // nil between flushes
	before uint64
	added  uint64 // bytes since the last flush
	total  Result
}

func (l *lineAppend) run(ctx context.Context, from io.Reader) (Result, error) {
	lines := readLines(ctx, from)
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
			return l.total, ctx.Err()
		case <-timer.C:
			if err := l.commit(ctx); err != nil {
				return l.total, err
			}
		case next, open := <-lines.full:
			if !open {
				return l.end(ctx, lines.err)
			}
			if l.w == nil && l.flush.Interval > 0 {
				timer.Reset(l.flush.Interval)
			}
			if err := l.append(ctx, next.blocks); err != nil {
				return l.total, err
			}
			lines.empty <- next
			if l.w == nil {
				timer.Stop()
			}
		}
	}
}

// append adds lines, committing behind every Count of them.
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
	if l.w != nil {
		return nil
	}
	w, err := OpenWriter(ctx, l.store, l.word, l.options)
	if err != nil {
		return err
	}
	l.w, l.before, l.added = w, w.Length(), 0
	l.options.New, l.options.ExpectLength, l.options.Secret = false, nil, nil // they were about the first flush
	l.word = w.Key().String()
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
	l.total.Key, l.total.Length = result.Key, result.Length
	l.total.Blocks += result.Blocks
	l.total.Bytes += result.Bytes
	if l.committed != nil {
		l.committed(result)
	}
	return nil
}

// end commits what is left. An input without a line makes an empty log, as an empty stream does.
func (l *lineAppend) end(ctx context.Context, err error) (Result, error) {
	if openErr := l.openForEnd(ctx); openErr != nil {
		return l.total, openErr
	}
	if commitErr := l.commit(ctx); commitErr != nil {
		return l.total, commitErr
	}
	return l.total, err
}

func (l *lineAppend) openForEnd(ctx context.Context) error {
	if l.total.Key != "" {
		return nil
	}
	return l.open(ctx)
}

// lineReader hands out lines in batches: what has come by the time that somebody asks.
type lineReader struct {
	full, empty chan *batch
	err         error // valid when full is closed; nil at the end of the input
}

const maxLinesBatch = 16 << 10

// readLines starts reading. The goroutine ends with the input; when ctx ends first, it ends at its next line.
func readLines(ctx context.Context, from io.Reader) *lineReader {
	r := &lineReader{full: make(chan *batch), empty: make(chan *batch, 3)}
	r.empty <- newBatch()
	r.empty <- newBatch()
	go func() {
		defer close(r.full)
		in := bufio.NewReaderSize(from, 256<<10)
		for {
			var b *batch
			select {
			case b = <-r.empty:
			case <-ctx.Done():
				r.err = ctx.Err()
				return
			}
			err := fillLines(in, b)
			if len(b.blocks) > 0 {
				select {
				case r.full <- b:
				case <-ctx.Done():
					r.err = ctx.Err()
					return
				}
			}
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				r.err = fmt.Errorf("reading lines: %w", err)
				return
			}
		}
	}()
	return r
}

// fillLines reads one line, waiting for it, then as many more as are buffered already.
func fillLines(in *bufio.Reader, b *batch) error {
	b.blocks, b.buffer, b.bytes = b.blocks[:0], b.buffer[:0], 0
	for {
		line, err := appendLine(in, b)
		if len(line) > 0 {
			b.blocks = append(b.blocks, line)
			b.bytes += len(line)
		}
		if err != nil {
			return err
		}
		if b.bytes >= batchBytes || len(b.blocks) >= maxLinesBatch || !lineBuffered(in) {
			return nil
		}
	}
}

func lineBuffered(in *bufio.Reader) bool {
	waiting, _ := in.Peek(in.Buffered())
	return bytes.IndexByte(waiting, '\n') >= 0
}

// appendLine copies the next line into the batch's buffer, which bounds it by MaxBlock.
func appendLine(in *bufio.Reader, b *batch) ([]byte, error) {
	at := len(b.buffer)
	for {
		piece, err := in.ReadSlice('\n')
		b.buffer = append(b.buffer, piece...)
		if len(b.buffer)-at > MaxBlock {
			return nil, fmt.Errorf("%w: a line is over the limit of %d bytes for one block: cut the input with hc-chunk instead", ErrTooLarge, MaxBlock)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		return b.buffer[at:len(b.buffer):len(b.buffer)], err
	}
}
