package secretstream

import (
	"bytes"
	"testing"

	"hc/lib/lent"
)

// watchedReader notes which buffers it is read into, by where they end.
type watchedReader struct {
	*bytes.Reader
	ends map[*byte]bool
}

func (r *watchedReader) Read(p []byte) (int, error) {
	r.ends[&p[:cap(p)][cap(p)-1]] = true
	return r.Reader.Read(p[:min(len(p), 10_000)])
}

// A frame that is not much longer than those before is read into one buffer, but for what came along with them; one that claims to be far
// longer gets a larger one when its bytes have come.
func TestFrameIsReadIntoOneBuffer(t *testing.T) {
	frame := func(n int) []byte {
		b := make([]byte, lengthSize+n)
		putLength(b, n)
		return b
	}
	const first, second, third = 300_000, 440_000, 6_000_000
	src := &watchedReader{Reader: bytes.NewReader(bytes.Join([][]byte{frame(first), frame(second), frame(third)}, nil))}
	r := newFrameReader(src, lent.NewPool(64<<20))
	for _, c := range []struct{ size, least, most int }{{first, 3, 4}, {second, 1, 2}, {third, 3, 6}} {
		src.ends = map[*byte]bool{}
		got, err := r.next(0, maxFrame)
		if err != nil || len(got) != scratch+c.size {
			t.Fatalf("%d bytes, %v; want %d", len(got)-scratch, err, c.size)
		}
		if n := len(src.ends); n < c.least || n > c.most {
			t.Errorf("%d bytes are read into %d buffers, want %d to %d", c.size, n, c.least, c.most)
		}
		if r.own() == nil { // so that the next one has to be read to elsewhere
			t.Errorf("%d bytes are not handed on", c.size)
		}
	}
}
