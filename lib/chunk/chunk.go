// Package chunk decides where content is cut into chunks, so that two versions of a data set share all chunks but those
// that changed.
//
// A Cutter is a pure decision over bytes in memory; a Chunker drives it over an io.Reader:
//
//	cutter, err := chunk.NewRabin(chunk.Limits{})
//	c := chunk.New(r, cutter, 0)
//	for {
//		data, err := c.Next()
//		if err == io.EOF {
//			break
//		}
//		…
//	}
//
// The chunks of an input, concatenated, are the input, byte for byte. Where they are cut depends only on their
// content, not on how the reader delivers it, and memory is bounded by the largest chunk. A Cutter may be used by
// many goroutines at once; a Chunker may not.
package chunk

import (
	"errors"
	"fmt"
	"math/bits"
)

const (
	// Window is the number of bytes that a rolling fingerprint covers, and the smallest value of Limits.Min.
	Window = 64
	// Largest is the largest size of a chunk in bytes: a chunk becomes a block, and stock Hypercore accepts none
	// larger.
	Largest = 15 << 20
	// DefaultAverage, DefaultMin and DefaultMax are the values in bytes that replace zero Limits.
	DefaultAverage = 64 << 10
	DefaultMin     = DefaultAverage / 4
	DefaultMax     = DefaultAverage * 4
)

// ErrLimits is wrapped by errors about limits that no cutter can work with.
var ErrLimits = errors.New("impossible chunk limits")

// ErrTooLong is wrapped by the error for content that may not be cut (a line) and is longer than a chunk may be.
var ErrTooLong = errors.New("longer than a block may be")

// Limits bound the chunks of a content-defined cutter, in bytes. A zero Average is DefaultAverage; a zero Min is a
// quarter of the average (at least Window), a zero Max four times the average (at most Largest).
//
// Average is a power of two, Window ≤ Average ≤ 8 MiB; Window ≤ Min ≤ Max ≤ Largest. Average is what the fingerprint
// alone aims at after Min: it need not be between the two others.
type Limits struct {
	Average, Min, Max int
}

// IsAverage reports whether n can be an Average.
func IsAverage(n int) bool {
	return n == 0 || n >= Window && n <= 8<<20 && bits.OnesCount(uint(n)) == 1
}

// Resolved returns l with its zeros replaced, or an error that wraps ErrLimits and names the wrong limit.
func (l Limits) Resolved() (Limits, error) {
	if l.Average == 0 {
		l.Average = DefaultAverage
	}
	if !IsAverage(l.Average) {
		return l, fmt.Errorf("%w: average %d: must be a power of two from %d to %d", ErrLimits, l.Average, Window, 8<<20)
	}
	if l.Min == 0 {
		l.Min = max(l.Average/4, Window)
		if l.Max > 0 {
			l.Min = min(l.Min, l.Max)
		}
	}
	if l.Max == 0 {
		l.Max = max(min(l.Average*4, Largest), l.Min)
	}
	switch {
	case l.Min < Window:
		return l, fmt.Errorf("%w: min %d: must be at least %d", ErrLimits, l.Min, Window)
	case l.Max > Largest:
		return l, fmt.Errorf("%w: max %d: must be at most %d", ErrLimits, l.Max, Largest)
	case l.Min > l.Max:
		return l, fmt.Errorf("%w: min %d is over max %d", ErrLimits, l.Min, l.Max)
	}
	return l, nil
}

// A Cutter decides where the next chunk ends. It is a pure function of its arguments.
type Cutter interface {
	// Cut returns the length of the chunk that begins at buf[0]: 1 … len(buf), and at most Max. buf is what is known
	// of the content from there on; eof says that nothing follows it. Cut returns 0 when it needs more content to
	// decide (never when eof, nor when len(buf) > Max; always for an empty buf), and a negative number when the
	// content may not be cut within Max.
	Cut(buf []byte, eof bool) int
	// Max returns the largest size of a chunk in bytes.
	Max() int
}
