package proof

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"
)

// pausedReader returns the first part, and then waits.
type pausedReader struct {
	now, later io.Reader
	resume     chan struct{}
}

var errHeldBack = errors.New("what has come whole was held back")

func (p *pausedReader) Read(b []byte) (int, error) {
	if n, err := p.now.Read(b); err == nil {
		return n, nil
	}
	select {
	case <-p.resume:
		return p.later.Read(b)
	case <-time.After(time.Minute):
		return 0, errHeldBack
	}
}

// awaitedReader is one that implements Awaiter.
type awaitedReader struct{ *pausedReader }

func (a awaitedReader) Await(time.Duration) bool { return a.now.(*bytes.Reader).Len() > 0 }

// resumer resumes once a number of bytes have come out.
type resumer struct {
	left   int
	resume chan struct{}
}

func (r *resumer) Write(b []byte) (int, error) {
	if r.left > 0 && len(b) >= r.left {
		close(r.resume)
	}
	r.left -= len(b)
	return len(b), nil
}

// A sender that is fast and then pauses does not delay the groups that have come in full.
func TestPauseHoldsNothingBack(t *testing.T) {
	l := newLog(t, largeBlocks()...)
	stream := l.stream(t, WriteOptions{}, nil)
	var ends []int // blocks before the ends of groups
	have := 0
	count := func(_, blocks uint64) {
		have += int(blocks)
		ends = append(ends, have)
	}
	if _, err := Verify(t.Context(), bytes.NewReader(stream), Options{Progress: count}, nil); err != nil {
		t.Fatal(err)
	}
	for _, end := range ends {
		if end < 2 || end == len(l.blocks) {
			continue
		}
		last := l.blocks[end-1]
		at := bytes.Index(stream, last) + len(last) + 1
		for _, awaits := range []bool{false, true} {
			resume := make(chan struct{})
			in := &pausedReader{bytes.NewReader(stream[:at]), bytes.NewReader(stream[at:]), resume}
			var from io.Reader = in
			if awaits {
				from = awaitedReader{in}
			}
			out := &resumer{len(bytes.Join(l.blocks[:end], nil)), resume}
			if _, err := Verify(t.Context(), from, Options{Out: out}, nil); err != nil {
				t.Errorf("a pause behind %d blocks: %v", end, err)
			}
		}
	}
}
