package proof

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"hc/lib/merkle"
)

// withGroups makes groups small, so that a small log has many.
func withGroups(t testing.TB, bytes, count int) {
	oldBytes, oldCount := maxGroup, maxCount
	maxGroup, maxCount = bytes, count
	t.Cleanup(func() { maxGroup, maxCount = oldBytes, oldCount })
}

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
		if sum.Head.Length != l.length() || sum.Blocks != l.length() || sum.Bytes != uint64(len(out)) || sum.Heads != 1 {
			t.Errorf("%d blocks: summary %+v", n+1, sum)
		}
	}
}

// Every range of every small log, at every length, in groups that are cut by bytes, by count, or by nothing.
func TestEveryRange(t *testing.T) {
	for _, g := range []struct{ bytes, count int }{{1 << 20, 4096}, {20, 4096}, {1 << 20, 3}, {12, 4}, {1, 1}} {
		t.Run(fmt.Sprintf("bytes=%d,count=%d", g.bytes, g.count), func(t *testing.T) {
			withGroups(t, g.bytes, g.count)
			lengths := []uint64{1, 2, 3, 7, 8, 13}
			if testing.Short() {
				lengths = lengths[:5] // the last one takes as long as they do
			}
			for _, n := range lengths {
				l := newLog(t, smallBlocks(int(n))...)
				tryRanges(t, l, nil, n)
				for at := uint64(1); at <= n; at += 1 + at/2 {
					tryRanges(t, l, &at, at)
				}
			}
		})
	}
}

// smallBlocks returns blocks of 0 to 8 bytes, lines and others.
func smallBlocks(n int) [][]byte {
	r := rand.New(rand.NewPCG(uint64(n), 1))
	blocks := make([][]byte, n)
	for i := range blocks {
		blocks[i] = []byte("a line.\n")[r.IntN(9):]
		if r.IntN(4) == 0 {
			blocks[i] = []byte("bytes-and")[:r.IntN(9)]
		}
	}
	return blocks
}

func tryRanges(t *testing.T, l *testLog, at *uint64, limit uint64) {
	t.Helper()
	for a := uint64(0); a < limit; a++ {
		for b := a; b < limit; b++ {
			c := Claim{Kind: KindBlocks, From: a, To: b, At: at}
			tryClaim(t, l, c, span(l.blocks, a, b+1))
		}
		tryClaim(t, l, Claim{Kind: KindBlocks, From: a, To: Open, At: at}, span(l.blocks, a, limit))
	}
	tryClaim(t, l, Claim{At: at}, span(l.blocks, 0, limit))
	tryClaim(t, l, Claim{Kind: KindHead, At: at}, nil)
	all := span(l.blocks, 0, limit)
	for a := 0; a < len(all); a += 3 {
		for b := a; b < len(all); b += 1 + b/2 {
			tryClaim(t, l, Claim{Kind: KindBytes, From: uint64(a), To: uint64(b), At: at}, all[a:b+1])
		}
		tryClaim(t, l, Claim{Kind: KindBytes, From: uint64(a), To: Open, At: at}, all[a:])
	}
}

func tryClaim(t *testing.T, l *testLog, c Claim, want []byte) {
	t.Helper()
	opt := Options{Claim: &c, Key: ptr(l.Key())}
	if c.At != nil {
		opt.TreeHash = ptr(merkle.TreeHash(l.rootsAt[*c.At]))
	}
	out, _ := l.verify(t, l.stream(t, WriteOptions{Claim: c}, nil), opt, nil)
	if !bytes.Equal(out, want) {
		t.Fatalf("%d blocks, %v: got %q, want %q", l.length(), c, out, want)
	}
}

func TestBeyondTheEnd(t *testing.T) {
	l := newLog(t, numbered(5)...)
	bytesIn := uint64(len(span(l.blocks, 0, 5)))
	for _, test := range []struct {
		claim Claim
		want  []byte
		err   error
	}{
		{Claim{Kind: KindBlocks, From: 3, To: 5}, span(l.blocks, 3, 5), ErrPartial},
		{Claim{Kind: KindBlocks, From: 5, To: 5}, nil, ErrPartial},
		{Claim{Kind: KindBlocks, From: 5, To: Open}, nil, nil},
		{Claim{Kind: KindBlocks, From: 6, To: Open}, nil, ErrPartial},
		{Claim{Kind: KindBytes, From: 0, To: bytesIn}, span(l.blocks, 0, 5), ErrPartial},
		{Claim{Kind: KindBytes, From: bytesIn, To: bytesIn}, nil, ErrPartial},
		{Claim{Kind: KindBytes, From: bytesIn, To: Open}, nil, nil},
		{Claim{Kind: KindBytes, From: bytesIn + 1, To: Open}, nil, ErrPartial},
		{Claim{At: ptr(uint64(6))}, nil, ErrPartial},
		{Claim{Kind: KindBlocks, From: 1, To: 3, At: ptr(uint64(3))}, span(l.blocks, 1, 3), ErrPartial},
		{Claim{Kind: KindBlocks, From: 3, To: 3, At: ptr(uint64(3))}, nil, ErrPartial},
		{Claim{Kind: KindBytes, From: 0, To: 8, At: ptr(uint64(1))}, l.blocks[0], ErrPartial},
		{Claim{Kind: KindBytes, From: 100, To: Open, At: ptr(uint64(6))}, nil, ErrPartial},
		{Claim{Kind: KindHead, At: ptr(uint64(6))}, nil, ErrPartial},
		{Claim{At: ptr(uint64(0))}, nil, nil},
	} {
		s := l.stream(t, WriteOptions{Claim: test.claim}, test.err)
		out, sum := l.verify(t, s, Options{Claim: &test.claim}, test.err)
		if !bytes.Equal(out, test.want) {
			t.Errorf("%v: got %q, want %q", test.claim, out, test.want)
		}
		if sum.Heads != 1 {
			t.Errorf("%v: %d heads", test.claim, sum.Heads)
		}
	}
}

func TestNoHead(t *testing.T) {
	l := newLog(t)
	s := l.stream(t, WriteOptions{}, ErrPartial)
	_, sum := l.verify(t, s, Options{}, ErrPartial)
	if sum.Heads != 0 || sum.Key != l.Key() {
		t.Errorf("summary %+v", sum)
	}
}

func TestMissingBlock(t *testing.T) {
	withGroups(t, 20, 4096)
	l := newLog(t, numbered(16)...)
	l.missing = map[uint64]bool{9: true}
	s := l.stream(t, WriteOptions{}, ErrPartial)
	out, _ := l.verify(t, s, Options{}, ErrPartial)
	if want := span(l.blocks, 0, 8); !bytes.Equal(out, want) {
		t.Errorf("got %q, want %q", out, want)
	}
	if err := Write(t.Context(), &bytes.Buffer{}, l, WriteOptions{}); !errors.Is(err, ErrBlockMissing) {
		t.Errorf("Write = %v, want ErrBlockMissing, too", err)
	}
}

func TestLive(t *testing.T) {
	for _, g := range []struct{ bytes, count int }{{1 << 20, 4096}, {20, 4096}, {1 << 20, 2}} {
		withGroups(t, g.bytes, g.count)
		l := newLog(t, smallBlocks(23)...)
		all := span(l.blocks, 0, 23)
		seeds := uint64(40)
		if testing.Short() {
			seeds = 10
		}
		for seed := range seeds {
			r := rand.New(rand.NewPCG(seed, 9))
			heads := []uint64{}
			for n := uint64(r.IntN(3)); n <= 23; n += 1 + uint64(r.IntN(5)) {
				heads = append(heads, n)
			}
			last := heads[len(heads)-1]
			ends := uint64(len(span(l.blocks, 0, last)))
			a, b := uint64(r.IntN(len(all))), uint64(r.IntN(len(all)))
			for _, c := range []Claim{
				{}, {Kind: KindHead},
				{Kind: KindBlocks, From: min(a, last), To: Open},
				{Kind: KindBlocks, From: min(a, b, last-1), To: min(max(a, b), last-1)},
				{Kind: KindBytes, From: min(a, ends), To: Open},
				{Kind: KindBytes, From: min(a, b, ends-1), To: min(max(a, b), ends-1)},
				{At: ptr(1 + min(a, last-1))},
				{Kind: KindHead, At: ptr(1 + min(a, last-1))},
			} {
				l.heads = append([]uint64{}, heads...)
				want := all[:ends]
				switch c.Kind {
				case KindHead:
					want = nil
				case KindBlocks:
					want = span(l.blocks, c.From, min(c.To, last-1)+1)
				case KindBytes:
					want = all[c.From : min(c.To, ends-1)+1]
				case KindAll:
					if c.At != nil {
						want = span(l.blocks, 0, *c.At)
					}
				}
				out, _ := l.verify(t, l.stream(t, WriteOptions{Claim: c, Live: true}, nil), Options{Claim: &c}, nil)
				if !bytes.Equal(out, want) {
					t.Fatalf("heads %v, %v: got %q, want %q", heads, c, out, want)
				}
			}
		}
	}
}
