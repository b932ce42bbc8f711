package replicate

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"testing"

	"hc/lib/hypercore"
	"hc/lib/keys"
	"hc/lib/peer"
	"hc/lib/store"
)

// BenchmarkFetch takes a core over loopback TCP, encrypted and verified, into a store or not, and writes it as a proof stream.
func BenchmarkFetch(b *testing.B) {
	for _, c := range []struct {
		name          string
		blocks, bytes int
		store         bool
	}{{"block=64KiB/store", 4096, 64 << 10, true}, {"block=64KiB/memory", 4096, 64 << 10, false}, {"block=10B/store", 200_000, 10, true}, {"block=10B/memory", 200_000, 10, false}} {
		b.Run(c.name, func(b *testing.B) { benchmarkFetch(b, c.blocks, c.bytes, c.store) })
	}
}

func benchmarkFetch(b *testing.B, blocks, bytes int, kept bool) {
	key, server := serveLog(b, blocks, bytes)
	b.SetBytes(int64(blocks * bytes))
	for b.Loop() {
		err := WriteProof(b.Context(), io.Discard, keys.Ref{Key: key}, PipeOptions{Store: into(b, kept), Peers: []Dialer{server}})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// serveLog makes a log of blocks of random bytes, and serves it until the benchmark ends.
func serveLog(b *testing.B, blocks, bytes int) (keys.Key, Dialer) {
	from := openStore(b)
	w, err := hypercore.OpenWriter(b.Context(), from, "log", hypercore.AppendOptions{Short: bytes < 1000})
	if err != nil {
		b.Fatal(err)
	}
	random, data := rand.NewChaCha8([32]byte{1}), make([]byte, bytes)
	for range blocks {
		_, _ = random.Read(data)
		if err := w.Append(b.Context(), data); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := w.Commit(b.Context()); err != nil {
		b.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	server := NewServer(from, ServerOptions{})
	go func() {
		done <- peer.Serve(ctx, l, 4, func(ctx context.Context, conn peer.Conn, _ net.Addr) { _ = server.Serve(ctx, "reader", conn) })
	}()
	b.Cleanup(func() {
		stop()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			b.Error(err)
		}
	})
	return w.Key(), Dialer{Name: "server", Dial: func(ctx context.Context) (peer.Conn, error) { return peer.Dial(ctx, l.Addr().String()) }}
}

func into(b *testing.B, kept bool) *store.Store {
	if !kept {
		return nil
	}
	return openStore(b)
}

func openStore(b *testing.B) *store.Store {
	b.Helper()
	s, err := store.Open(b.Context(), b.TempDir()+"/.hc", store.Options{Create: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	return s
}
