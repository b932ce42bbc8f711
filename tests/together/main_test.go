package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"hc/lib/chunk"
	"hc/lib/hypercore"
	"hc/lib/store"
	"hc/lib/stream"
)

// It appends the same blocks as a stream of the same file, so the tree is the same.
func TestTogether(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	random := rand.NewChaCha8([32]byte{1})
	for _, size := range []int{0, 1, batchBytes, 3*batchBytes + 12345} {
		data := make([]byte, size)
		_, _ = random.Read(data)
		file := filepath.Join(dir, "data")
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		storeDir := filepath.Join(t.TempDir(), "store")
		if err := run(ctx, storeDir, "together", file); err != nil {
			t.Fatal(err)
		}
		in, err := store.Open(ctx, storeDir, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		if _, err := hypercore.Receive(ctx, streamOf(t, data)).AppendTo(ctx, in, "stream", hypercore.AppendOptions{}, nil); err != nil {
			t.Fatal(err)
		}
		if one, two := head(ctx, t, in, "together"), head(ctx, t, in, "stream"); one.TreeHash != two.TreeHash || one.ByteLength != uint64(size) {
			t.Errorf("%d bytes: %+v in one process, %+v of a stream", size, one, two)
		}
	}
	if err := run(ctx, filepath.Join(dir, "none"), "name", filepath.Join(dir, "nothing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}

func streamOf(t *testing.T, data []byte) io.Reader {
	t.Helper()
	var out bytes.Buffer
	cutter, err := chunk.NewRabin(chunk.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	chunker, w := chunk.New(bytes.NewReader(data), cutter, hypercore.MaxBlock), stream.NewWriter(&out)
	for {
		block, err := chunker.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err = errors.Join(err, w.Chunk(block)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &out
}

func head(ctx context.Context, t *testing.T, in *store.Store, name string) store.Head {
	t.Helper()
	key, err := in.Resolve(name)
	if err != nil {
		t.Fatal(err)
	}
	view, err := in.View(ctx, key, false)
	if err != nil {
		t.Fatal(err)
	}
	return view.Head()
}
