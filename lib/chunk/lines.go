package chunk

import (
	"bytes"
	"fmt"
)

// lines cuts after each LF.
type lines struct {
	max int
}

// NewLines returns the cutter whose chunks are lines: each includes its LF, the last may lack one. A line of more
// than max bytes (0 stands for Largest) is not cut but refused: a line is one block, or an error.
func NewLines(max int) (Cutter, error) {
	if max == 0 {
		max = Largest
	}
	if max < 1 || max > Largest {
		return nil, fmt.Errorf("%w: line of %d bytes: must be from 1 to %d", ErrLimits, max, Largest)
	}
	return lines{max}, nil
}

func (l lines) Max() int { return l.max }

func (l lines) Cut(buf []byte, eof bool) int { return l.cutFrom(buf, 0, eof) }

// worth is one byte: any byte may be the LF.
func (l lines) worth() int { return 1 }

func (l lines) cutFrom(buf []byte, from int, eof bool) int {
	window := buf[:min(len(buf), l.max)]
	if i := bytes.IndexByte(window[min(from, len(window)):], '\n'); i >= 0 {
		return from + i + 1
	}
	switch {
	case len(buf) > l.max:
		return -1
	case eof:
		return len(buf)
	}
	return 0
}
