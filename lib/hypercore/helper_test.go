package hypercore

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"hc/lib/keys"
	"hc/lib/proof"
	"hc/lib/store"
)

func openAt(t testing.TB, dir string) *store.Store {
	t.Helper()
	s, err := store.Open(context.Background(), dir, store.Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func newStore(t testing.TB) *store.Store { return openAt(t, t.TempDir()+"/.hc") }

// appended opens a log, appends blocks and commits.
func appended(t testing.TB, in *store.Store, word string, options AppendOptions, blocks ...[]byte) (keys.Key, store.Head) {
	t.Helper()
	w, err := OpenWriter(t.Context(), in, word, options)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	if err := w.Append(t.Context(), blocks...); err != nil {
		t.Fatal(err)
	}
	head, err := w.Commit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return w.Key(), head
}

// someBlocks returns blocks of several sizes, empty ones included.
func someBlocks(count int) [][]byte {
	blocks := make([][]byte, count)
	for i := range blocks {
		blocks[i] = bytes.Repeat(fmt.Appendf(nil, "block %d;", i), i%5)
	}
	return blocks
}

// readBlocks returns all blocks of a log in a store.
func readBlocks(t testing.TB, in *store.Store, key keys.Key) [][]byte {
	t.Helper()
	snapshot, err := OpenSnapshot(t.Context(), in, key)
	if err != nil {
		t.Fatal(err)
	}
	blocks := make([][]byte, snapshot.Head().Length)
	for i := range blocks {
		if blocks[i], err = snapshot.Block(t.Context(), uint64(i)); err != nil {
			t.Fatal(err)
		}
	}
	return blocks
}

func sameBlocks(a, b [][]byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !bytes.Equal(a[i], b[i]) {
			return false
		}
	}
	return true
}

// stockCore is one of the cores that stock made; tests/vectors/README.md names the packages.
type stockCore struct {
	Kind, Seed, Key string
	ManifestEncoded string
	Heads           []struct {
		Length, ByteLength, Fork uint64
		TreeHash                 string
		SignatureField           string
	}
}

func stockCores(t testing.TB) []stockCore {
	t.Helper()
	text, err := os.ReadFile("../../tests/vectors/cores.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Cores []stockCore }
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Cores) < 3 {
		t.Fatalf("only %d cores in the vectors", len(file.Cores))
	}
	return file.Cores
}

// stockBlock is block i of the cores that stock made.
func stockBlock(i uint64) []byte { return bytes.Repeat(fmt.Appendf(nil, "block-%d;", i), int(i%4)) }

func (c stockCore) secret(t testing.TB) *keys.Secret {
	t.Helper()
	seed, err := hex.DecodeString(c.Seed)
	if err != nil || len(seed) != 32 {
		t.Fatalf("seed %q", c.Seed)
	}
	secret := keys.SecretFromSeed([32]byte(seed))
	return &secret
}

// noLeaks fails the test if a goroutine of this project is left when it ends.
func noLeaks(t *testing.T) {
	t.Helper()
	before := ownGoroutines()
	t.Cleanup(func() {
		var left int
		for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
			if left = ownGoroutines(); left <= before {
				return
			}
		}
		stacks := make([]byte, 1<<20)
		t.Errorf("%d goroutines, %d before:\n%s", left, before, stacks[:runtime.Stack(stacks, true)])
	})
}

func ownGoroutines() (count int) {
	stacks := make([]byte, 1<<20)
	for _, stack := range strings.Split(string(stacks[:runtime.Stack(stacks, true)]), "\n\n") {
		if strings.Contains(stack, "hc/lib/") && !strings.Contains(stack, "testing.") {
			count++
		}
	}
	return count
}

// verified writes a proof stream from a source and returns the bytes that it proves.
func verified(t testing.TB, source proof.Source, claim proof.Claim) ([]byte, error) {
	t.Helper()
	var stream bytes.Buffer
	if err := proof.Write(t.Context(), &stream, source, proof.WriteOptions{Claim: claim}); err != nil {
		return nil, err
	}
	key := source.Key()
	var out bytes.Buffer
	_, err := proof.Verify(t.Context(), &stream, proof.Options{Key: &key, Claim: &claim, Out: &out}, nil)
	return out.Bytes(), err
}

// pipe returns the input of an append, and the writer that feeds it from the test.
func pipe(t testing.TB) (io.Reader, *io.PipeWriter) {
	t.Helper()
	in, out := io.Pipe()
	t.Cleanup(func() { out.Close() })
	return in, out
}
