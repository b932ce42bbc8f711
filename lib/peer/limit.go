package peer

import (
	"context"
	"io"

	"golang.org/x/time/rate"
)

// MinRate is the lowest rate of a [Limiter], in bytes a second: at a lower one peers would take each other for dead.
const MinRate = 8 << 10

// How many bytes pass at once: those of 1/limitTurns second, so that connections that share a rate take turns.
const (
	limitTurns = 64
	minPiece   = 4 << 10
	maxPiece   = 256 << 10
)

// Limiter is a rate, in bytes a second, that connections share. Safe for concurrent use.
type Limiter struct {
	limiter *rate.Limiter
	piece   int
}

// NewLimiter returns a limiter of so many bytes a second, but not less than [MinRate].
func NewLimiter(bytesPerSecond int64) *Limiter {
	bytesPerSecond = max(bytesPerSecond, MinRate)
	piece := int(min(max(bytesPerSecond/limitTurns, minPiece), maxPiece))
	return &Limiter{rate.NewLimiter(rate.Limit(bytesPerSecond), piece), piece}
}

// Writing returns c with its writes limited to the rate. A nil limiter returns c.
func (l *Limiter) Writing(c Conn) Conn {
	if l == nil {
		return c
	}
	return limitedWriter{limited: newLimited(c, l)}
}

// Reading returns c with its reads limited to the rate. As the system's buffers are small, this limits the peer's writes, too.
// A nil limiter returns c.
func (l *Limiter) Reading(c Conn) Conn {
	if l == nil {
		return c
	}
	return limitedReader{limited: newLimited(c, l)}
}

// limited is a connection whose Close ends waiting for the limiter.
type limited struct {
	Conn
	limiter *Limiter
	ctx     context.Context
	stop    context.CancelFunc
}

func newLimited(c Conn, l *Limiter) limited {
	ctx, stop := context.WithCancel(context.Background())
	return limited{c, l, ctx, stop}
}

func (l limited) Close() error {
	l.stop()
	return l.Conn.Close()
}

// wait waits until n bytes, at most a piece, may pass.
func (l limited) wait(n int) error {
	if err := l.limiter.limiter.WaitN(l.ctx, n); err != nil {
		return io.ErrClosedPipe // only a Close ends it
	}
	return nil
}

type limitedWriter struct{ limited }

func (l limitedWriter) Write(p []byte) (written int, err error) {
	for len(p) > 0 {
		piece := p[:min(len(p), l.limiter.piece)]
		if err := l.wait(len(piece)); err != nil {
			return written, err
		}
		n, err := l.Conn.Write(piece)
		written += n
		if err != nil {
			return written, err
		}
		p = p[len(piece):]
	}
	return written, nil
}

type limitedReader struct{ limited }

func (l limitedReader) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p[:min(len(p), l.limiter.piece)])
	if n > 0 {
		if waitErr := l.wait(n); waitErr != nil && err == nil {
			err = waitErr
		}
	}
	return n, err
}
