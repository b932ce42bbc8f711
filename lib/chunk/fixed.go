package chunk

import "fmt"

// fixed cuts at multiples of its own value, in bytes.
type fixed int

// NewFixed returns the cutter whose chunks all have size bytes (from 1 to Largest; 0 stands for DefaultAverage),
// except the last one, which may be shorter.
func NewFixed(size int) (Cutter, error) {
	if size == 0 {
		size = DefaultAverage
	}
	if size < 1 || size > Largest {
		return nil, fmt.Errorf("%w: size %d: must be from 1 to %d", ErrLimits, size, Largest)
	}
	return fixed(size), nil
}

func (f fixed) Max() int { return int(f) }

func (f fixed) Cut(buf []byte, eof bool) int {
	switch {
	case len(buf) >= int(f):
		return int(f)
	case eof:
		return len(buf)
	}
	return 0
}
