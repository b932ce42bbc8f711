package proof

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"testing"

	"hc/lib/hash"
	"hc/lib/keys"
	"hc/lib/merkle"
)

// A log of short lines costs at most 1.1 times its bytes as a proof stream.
func TestCostOfLines(t *testing.T) {
	lines := 200_000
	if testing.Short() {
		lines = 20_000
	}
	blocks := make([][]byte, lines)
	size := 0
	for i := range blocks {
		blocks[i] = fmt.Appendf(nil, `{"event":%d,"kind":"measure","x":%d}`+"\n", i, i%97)
		size += len(blocks[i])
	}
	l := newLog(t, blocks...)
	s := l.stream(t, WriteOptions{}, nil)
	if ratio := float64(len(s)) / float64(size); ratio > 1.1 {
		t.Errorf("%d lines with %d bytes cost %d bytes, %.3f times as much", lines, size, len(s), ratio)
	} else {
		t.Logf("%d lines with %d bytes cost %d bytes, %.4f times as much", lines, size, len(s), ratio)
	}
	out, _ := l.verify(t, s, Options{}, nil)
	if !bytes.Equal(out, bytes.Join(blocks, nil)) {
		t.Error("other bytes came out")
	}
}

// The same for a million lines.
func TestCostOfAMillionLines(t *testing.T) {
	if testing.Short() {
		t.Skip("writes a million lines")
	}
	u := newUniform(t, []byte("a line of a log, short as they mostly a\n"), 1_000_000)
	var c counter
	if err := Write(t.Context(), &c, u, WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	if ratio := float64(c) / float64(u.head.ByteLength); ratio > 1.1 {
		t.Errorf("%d bytes cost %d, %.3f times as much", u.head.ByteLength, c, ratio)
	}
}

type counter uint64

func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}

// uniform is a log of equal blocks, of any length at no cost: all nodes of a depth have the same hash.
type uniform struct {
	auth   *keys.Auth
	block  []byte
	length uint64
	head   Head
	depths []merkle.Node
}

func newUniform(t testing.TB, block []byte, length uint64) *uniform {
	secret := keys.SecretFromSeed([32]byte{3})
	m := keys.DefaultManifest(secret.Public())
	auth, err := keys.NewAuth(m.Key(), m.Encode())
	if err != nil {
		t.Fatal(err)
	}
	u := &uniform{auth: auth, block: block, length: length}
	for n := merkle.LeafNode(0, block); len(u.depths) < 50; {
		u.depths = append(u.depths, n)
		n.Hash, n.Size = hash.Parent(2*n.Size, n.Hash, n.Hash), 2*n.Size
	}
	var roots []merkle.Node
	for _, index := range merkle.FullRoots(length) {
		n, _ := u.Node(t.Context(), index)
		roots = append(roots, n)
	}
	field, err := auth.Sign(secret, keys.Head{Length: length, TreeHash: merkle.TreeHash(roots)})
	if err != nil {
		t.Fatal(err)
	}
	u.head = Head{Length: length, ByteLength: merkle.ByteLength(roots), Signature: field}
	return u
}

func (u *uniform) Key() keys.Key                                 { return u.auth.Key() }
func (u *uniform) Manifest() []byte                              { return u.auth.Manifest() }
func (u *uniform) Head(context.Context) (Head, error)            { return u.head, nil }
func (u *uniform) Next(context.Context, Head) (Head, error)      { return Head{}, io.EOF }
func (u *uniform) Block(context.Context, uint64) ([]byte, error) { return u.block, nil }

func (u *uniform) Node(_ context.Context, index uint64) (merkle.Node, error) {
	n := u.depths[merkle.Depth(index)]
	n.Index = index
	return n, nil
}

// pipe writes a stream and verifies it at the other end of a pipe.
func (u *uniform) pipe(t testing.TB, opt Options) Summary {
	t.Helper()
	r, w := io.Pipe()
	written := make(chan error, 1)
	go func() {
		err := Write(t.Context(), w, u, WriteOptions{})
		w.CloseWithError(err)
		written <- err
	}()
	sum, err := Verify(t.Context(), r, opt, nil)
	if err := errors.Join(err, <-written); err != nil {
		t.Fatal(err)
	}
	return sum
}

// Memory does not grow with the log: a group and a few nodes at either end.
func TestMemory(t *testing.T) {
	for _, test := range []struct {
		name   string
		block  []byte
		length uint64
	}{
		{"chunks", make([]byte, 64<<10), 2047},
		{"lines", []byte("a line of a log, short as they are\n"), 300_000},
		{"large blocks", make([]byte, 5<<20), 17},
		{"empty blocks", nil, 100_000},
	} {
		t.Run(test.name, func(t *testing.T) {
			u := newUniform(t, test.block, test.length)
			var peak, base uint64
			sample := func(uint64, uint64) {
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				peak = max(peak, m.HeapAlloc)
			}
			defer debug.SetGCPercent(debug.SetGCPercent(20)) // little of the heap is garbage
			runtime.GC()
			sample(0, 0)
			base, peak = peak, 0
			sum := u.pipe(t, Options{Progress: sample})
			if sum.Blocks != test.length || sum.Bytes != test.length*uint64(len(test.block)) {
				t.Errorf("%d blocks with %d bytes came", sum.Blocks, sum.Bytes)
			}
			if limit := base + 32<<20; peak > limit {
				t.Errorf("%d bytes of heap, want at most %d", peak, limit)
			}
			t.Logf("%d MiB of heap for a log of %d MiB", peak>>20, sum.Bytes>>20)
		})
	}
}

func BenchmarkPipe(b *testing.B) {
	for _, bench := range []struct {
		name   string
		block  []byte
		length uint64
	}{
		{"block=64KiB", make([]byte, 64<<10), 4096},
		{"block=40B", []byte("a line of a log, short as they mostly a\n"), 1 << 20},
	} {
		u := newUniform(b, bench.block, bench.length)
		b.Run(bench.name, func(b *testing.B) {
			b.SetBytes(int64(u.head.ByteLength))
			b.ReportAllocs()
			for b.Loop() {
				u.pipe(b, Options{Out: io.Discard})
			}
		})
	}
}
