package proof

import (
	"bytes"
	"testing"
)

func TestAllOfEveryLength(t *testing.T) {
	for n := range 40 {
		l := newLog(t, numbered(n+1)...)
		s := l.stream(t, WriteOptions{}, nil)
		out, sum := l.verify(t, s, Options{Key: ptr(l.Key())}, nil)
		if want := span(l.blocks, 0, l.length()); !bytes.Equal(out, want) {
			t.Errorf("%d blocks: got %q, want %q", n+1, out, want)
		}
		if sum.Nodes != 0 {
			t.Errorf("%d blocks: %d nodes in a stream that is one group", n+1, sum.Nodes)
		}
	}
}

func TestEveryRange(t *testing.T) {
	for n := uint64(1); n <= 20; n++ {
		l := newLog(t, numbered(int(n))...)
		for a := uint64(0); a < n; a++ {
			for b := a; b < n; b++ {
				c := Claim{Kind: KindBlocks, From: a, To: b}
				out, _ := l.verify(t, l.stream(t, WriteOptions{Claim: c}, nil), Options{Claim: &c}, nil)
				if want := span(l.blocks, a, b+1); !bytes.Equal(out, want) {
					t.Errorf("%d blocks, %v: got %q, want %q", n, c, out, want)
				}
			}
		}
	}
}
