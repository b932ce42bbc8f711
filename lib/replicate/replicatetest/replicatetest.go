// Package replicatetest has what the tests of lib/replicate and the packages below it share: cores, and a connection whose
// peer says nothing.
package replicatetest

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"

	"hc/lib/hypercore"
	"hc/lib/protomux"
	"hc/lib/store"
)

// NewStore returns an empty store, which is closed when the test ends.
func NewStore(t testing.TB) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), t.TempDir()+"/.hc", store.Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// Blocks returns that many blocks, of so many random bytes each.
func Blocks(count, size int) (blocks [][]byte) {
	random := rand.NewChaCha8([32]byte{byte(count)})
	for range count {
		block := make([]byte, size)
		_, _ = random.Read(block)
		blocks = append(blocks, block)
	}
	return blocks
}

// Snapshot returns a core with these blocks, in a store of its own.
func Snapshot(t testing.TB, blocks [][]byte) *hypercore.Snapshot {
	t.Helper()
	in := NewStore(t)
	w, err := hypercore.OpenWriter(t.Context(), in, "log", hypercore.AppendOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Append(t.Context(), blocks...); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	snapshot, err := hypercore.OpenSnapshot(t.Context(), in, w.Key())
	if err != nil {
		t.Fatal(err)
	}
	return snapshot
}

// Frames is a connection that keeps the frames written, and on which none arrive.
type Frames struct {
	Written chan []byte
	closed  chan struct{}
}

// NewFrames returns one that keeps up to most frames: the next write waits until one is taken.
func NewFrames(most int) *Frames { return &Frames{make(chan []byte, most), make(chan struct{})} }

// ReadMessage waits for the end.
func (f *Frames) ReadMessage() ([]byte, error) {
	<-f.closed
	return nil, io.EOF
}

// WriteMessage keeps a frame.
func (f *Frames) WriteMessage(parts ...[]byte) error {
	f.Written <- bytes.Join(parts, nil)
	return nil
}

// Flush does nothing.
func (f *Frames) Flush() error { return nil }

// Close lets ReadMessage return.
func (f *Frames) Close() error {
	close(f.closed)
	return nil
}

// Unhearing is a handler whose peer says nothing.
type Unhearing struct{}

// OnOpen, OnMessage and OnClose do nothing.
func (Unhearing) OnOpen(*protomux.Channel, []byte) error            { return nil }
func (Unhearing) OnMessage(*protomux.Channel, uint64, []byte) error { return nil }
func (Unhearing) OnClose(*protomux.Channel, error)                  {}
