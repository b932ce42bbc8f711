package peer

import (
	"context"
	"io"

	"golang.org/x/time/rate"
)

// MinRate is the lowest rate of a [Limiter], in bytes a second: below it peers would take each other for dead.
const MinRate = 8 << 10

// How many bytes pass at once, so that connections that share a rate take turns: what passes in 1/limitTurns second.
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

// NewLimiter returns a limiter of so many bytes a second, at least [MinRate].
func NewLimiter(bytesPerSecond int64) *Limiter {
	bytesPerSecond = max(bytesPerSecond, MinRate)
	piece := int(min(max(bytesPerSecond/limitTurns, minPiece), maxPiece))
	return &Limiter{rate.NewLimiter(rate.Limit(bytesPerSecond), piece), piece}
}

// Writing returns c with its writing held to the rate. A nil limiter returns c.
func (l *Limiter) Writing(c Conn) Conn {
	if l == nil {
		return c
	}
	return limitedWriter{limited: newLimited(c, l)}
}

// Reading returns c with its reading held to the rate, and so, as the system's buffers are small, the peer's writing. A nil
// limiter returns c.
func (l *Limiter) Reading(c Conn) Conn {
	if l == nil {
		return c
	}
	return limitedReader{limited: newLimited(c, l)}
}

// limited is a connection whose Close ends the waiting.
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

// wait waits for the right to pass n bytes, at most a piece.
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
