package store

import (
	"bytes"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hc/lib/hash"
	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/store/packlog"
	"hc/lib/store/packlog/memfs"
	"hc/lib/store/records"
)

// signed is a log, signed by its owner, as the store sees it.
type signed struct {
	secret keys.Secret
	auth   *keys.Auth
	roots  *merkle.Roots
	blocks [][]byte
	fork   uint64
}

func newSigned(t testing.TB, seed byte) *signed {
	t.Helper()
	secret := keys.SecretFromSeed([32]byte{seed})
	manifest := keys.DefaultManifest(secret.Public())
	auth, err := keys.NewAuth(manifest.Key(), manifest.Encode())
	if err != nil {
		t.Fatal(err)
	}
	roots, err := merkle.NewRoots(0, nil)
	if err != nil {
		t.Fatal(err)
	}
	return &signed{secret: secret, auth: auth, roots: roots}
}

func (l *signed) key() keys.Key { return l.auth.Key() }

// grow appends blocks, and returns the head, signed.
func (l *signed) grow(t testing.TB, blocks ...[]byte) Head {
	t.Helper()
	for _, b := range blocks {
		l.roots.Append(merkle.LeafNode(l.roots.Length(), b), nil)
		l.blocks = append(l.blocks, b)
	}
	head := Head{Fork: l.fork, Length: l.roots.Length(), ByteLength: l.roots.ByteLength(), TreeHash: l.roots.TreeHash()}
	var err error
	head.Signature, err = l.auth.Sign(l.secret, keys.Head{Fork: head.Fork, Length: head.Length, TreeHash: head.TreeHash})
	if err != nil {
		t.Fatal(err)
	}
	return head
}

// append appends blocks to the log in a store.
func (l *signed) append(t testing.TB, s *Store, short bool, blocks ...[]byte) {
	t.Helper()
	ctx := t.Context()
	tx, err := s.Begin(ctx, l.key(), TxOptions{Manifest: l.auth.Manifest(), Durable: true, Short: short})
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Abort()
	for _, b := range blocks {
		if err := tx.Append(ctx, hash.Leaf(b), b); err != nil {
			t.Fatal(err)
		}
	}
	head := l.grow(t, blocks...)
	if err := tx.Commit(ctx, func() (Head, error) { return head, nil }); err != nil {
		t.Fatal(err)
	}
}

// download puts some blocks of a log, with the nodes that tie them to its head, into a store.
func (l *signed) download(t testing.TB, s *Store, blocks ...uint64) {
	t.Helper()
	ctx := t.Context()
	head := l.grow(t)
	tx, err := s.Begin(ctx, l.key(), TxOptions{Manifest: l.auth.Manifest()})
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Abort()
	var nodes []merkle.Node
	roots, err := merkle.NewRoots(0, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, b := range l.blocks {
		leaf := merkle.LeafNode(uint64(i), b)
		nodes = append(nodes, leaf)
		roots.Append(leaf, func(n merkle.Node) { nodes = append(nodes, n) })
	}
	if err := tx.Nodes(ctx, nodes); err != nil {
		t.Fatal(err)
	}
	for _, i := range blocks {
		if err := tx.Put(ctx, i, hash.Leaf(l.blocks[i]), l.blocks[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(ctx, func() (Head, error) { return head, nil }); err != nil {
		t.Fatal(err)
	}
}

// checkWorld is a store of all kinds of data on a disk of its own.
type checkWorld struct {
	machine *memfs.Machine
	logs    []*signed
	held    []map[uint64]bool // by log; nil: all
}

var checkTuning = tuning{bufferRows: 8, fanOut: 2, spanBlocks: 16, never: true}

func (w *checkWorld) open(t testing.TB, options Options) *Store {
	t.Helper()
	options.fs, options.tuning = w.machine.Process(), checkTuning
	s, err := Open(t.Context(), "/store", options)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// newCheckWorld makes three logs (blocks, lines, a sparse download) with deduplicated blocks and deltas, full packs,
// several tables, a tail after them, a name, a secret key, and a grant.
func newCheckWorld(t testing.TB) *checkWorld {
	t.Helper()
	ctx := t.Context()
	w := &checkWorld{machine: memfs.New(1), logs: []*signed{newSigned(t, 1), newSigned(t, 2), newSigned(t, 3)}, held: make([]map[uint64]bool, 3)}
	s := w.open(t, Options{Create: true, packSize: 3 << 10})
	r := mathrand.New(mathrand.NewPCG(5, 5))
	for i, l := range w.logs[:2] {
		if err := s.PutSecret(ctx, l.key(), l.secret); err != nil {
			t.Fatal(err)
		}
		if err := s.SetName(ctx, []string{"table", "lines"}[i], l.key()); err != nil {
			t.Fatal(err)
		}
	}
	shared := []byte(strings.Repeat("in two logs ", 9))
	w.logs[0].append(t, s, false, randomBlocks(r, 5, 300)...)
	base := randomBytes(mathrand.New(mathrand.NewPCG(6, 6)), 1100)
	w.logs[0].append(t, s, false, shared, base, []byte{}, []byte("a"))
	w.logs[1].append(t, s, true, lineBlocks(r, 40)...)
	w.logs[2].grow(t, append(randomBlocks(r, 11, 120), shared)...)
	w.logs[2].download(t, s, 2, 3, 11)
	w.held[2] = map[uint64]bool{2: true, 3: true, 11: true}
	published, err := s.published(ctx, w.logs[2].key())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Reserve(ctx, w.logs[2].key(), published, keys.Head{Fork: published.Fork + 1, Length: 99}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Checkpoint(ctx); err != nil {
			t.Fatal(err)
		}
		delta := edited(r, base)
		again := append([][]byte{shared, delta}, w.logs[0].blocks[1:4]...)
		w.logs[0].append(t, s, false, append(randomBlocks(r, 9, 60), again...)...)
		w.logs[1].append(t, s, true, lineBlocks(r, 9)...)
	}
	if codecs, _ := codecsOf(t, s); codecs[records.CodecDelta] != 2 {
		t.Fatalf("the world has runs of the codecs %v", codecs)
	}
	if n, _ := passagesOf(t, s); n != 2 {
		t.Fatalf("the world has %d passages", n)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return w
}

// check runs a checker over the world.
func (w *checkWorld) check(t testing.TB) ([]Finding, *Checker) {
	t.Helper()
	var found []Finding
	c, err := NewChecker(t.Context(), "/store", CheckOptions{
		Found: func(f Finding) { found = append(found, f) }, fs: w.machine.Process(), scratchFS: memfs.New(1).Process(), tuning: checkTuning,
	})
	if errors.Is(err, errFormatDamaged) {
		return found, nil
	}
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	return found, c
}

func TestCheckClean(t *testing.T) {
	w := newCheckWorld(t)
	if found, _ := w.check(t); len(found) > 0 {
		t.Fatalf("a good store: %+v", found)
	}
}

// files returns the paths of all files below a folder of the machine.
func (w *checkWorld) files(t testing.TB) []string {
	t.Helper()
	process := w.machine.Process()
	var files []string
	var walk func(dir string)
	walk = func(dir string) {
		names, err := process.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			path := filepath.Join(dir, name)
			if _, isDir, err := process.Stat(path); err != nil {
				t.Fatal(err)
			} else if isDir {
				walk(path)
				continue
			}
			files = append(files, path)
		}
	}
	walk("/store")
	return files
}

// readable returns an error if a reader gets bytes that are not those that were stored.
func (w *checkWorld) readable(t testing.TB) error {
	ctx := t.Context()
	s, err := Open(ctx, "/store", Options{ReadOnly: true, fs: w.machine.Process(), tuning: checkTuning})
	if err != nil {
		return nil // nothing can be read
	}
	defer s.Close()
	for i, l := range w.logs {
		v, err := s.View(ctx, l.key(), false)
		if err != nil {
			continue
		}
		for b := range min(v.Head().Length, uint64(len(l.blocks))) {
			data, err := v.Block(ctx, b)
			if err == nil && !bytes.Equal(data, l.blocks[b]) {
				return fmt.Errorf("log %d: block %d is another one", i, b)
			}
		}
	}
	return nil
}

// TestCheckFindsEveryBit flips the bits of a store, one at a time: all bits of packs and small files, one bit in each
// byte of tables. Each flip must be found in its file, and no reader may get a wrong byte meanwhile.
func TestCheckFindsEveryBit(t *testing.T) {
	w := newCheckWorld(t)
	bits, tables := 0, 0
	for _, path := range w.files(t) {
		name := strings.TrimPrefix(path, "/store/")
		if strings.HasPrefix(name, "locks/") {
			continue
		}
		isTable := !strings.HasSuffix(name, ".core") && (strings.HasPrefix(name, "cores/") || strings.HasPrefix(name, "index/"))
		size := len(w.machine.Read(path))
		for at := 0; at < size; at++ {
			for bit := range 8 {
				if isTable && bit != at%8 || !flipThis(isTable, at*8+bit) {
					continue
				}
				bits++
				if isTable {
					tables++
				}
				w.flip(t, path, at, bit)
				found, _ := w.check(t)
				if !slices.ContainsFunc(found, func(f Finding) bool { return f.File == name && f.Offset <= uint64(at) && f.What != "" }) {
					t.Errorf("%s: byte %d bit %d: %+v", name, at, bit, found)
				}
				if err := w.readable(t); err != nil {
					t.Errorf("%s: byte %d bit %d: %v", name, at, bit, err)
				}
				w.flip(t, path, at, bit)
			}
			if t.Failed() {
				t.FailNow()
			}
		}
	}
	least := 250
	if testing.Short() {
		least = 50
	}
	if bits < least || tables < least/5 {
		t.Fatalf("only %d bits were flipped, %d of them in tables", bits, tables)
	}
	t.Logf("%d bits", bits)
}

// flipThis chooses the bits: all with HC_EVERY_BIT, else a sample that differs for each file and byte.
func flipThis(isTable bool, bit int) bool {
	switch {
	case os.Getenv("HC_EVERY_BIT") != "":
		return true
	case testing.Short() && isTable:
		return bit%4987 == 0
	case testing.Short():
		return bit%1999 == 0
	case isTable:
		return bit%997 == 0
	}
	return bit%401 == 0
}

func (w *checkWorld) flip(t testing.TB, path string, at, bit int) {
	if !w.machine.Edit(path, func(b []byte) []byte {
		b[at] ^= 1 << bit
		return b
	}) {
		t.Fatalf("no file %s", path)
	}
}

func BenchmarkCheckSmall(b *testing.B) {
	w := newCheckWorld(b)
	for b.Loop() {
		w.check(b)
	}
}

// TestCheckBesideWriters checks a store that others append to, download into, checkpoint and collect: nothing that is
// in progress may be taken for damage.
func TestCheckBesideWriters(t *testing.T) {
	dir := t.TempDir()
	small := tuning{bufferRows: 32, fanOut: 2, spanBlocks: 16, blocks: 64}
	s := openTest(t, dir, Options{packSize: 32 << 10, tuning: small})
	newSigned(t, 9).append(t, s, false, []byte("there is something"))
	const enough = 3 // checks while they write
	var writers sync.WaitGroup
	var checks atomic.Int32
	for i := range 3 {
		writers.Go(func() {
			own := openTest(t, dir, Options{packSize: 32 << 10, tuning: small, LockWait: time.Minute})
			l := newSigned(t, byte(i+1))
			r := mathrand.New(mathrand.NewPCG(uint64(i), 1))
			for round := 0; round < 50 || checks.Load() < enough && t.Context().Err() == nil; round++ {
				switch {
				case i == 2 && round%20 == 19:
					if _, err := own.GC(t.Context(), GCOptions{All: true}); err != nil && !errors.Is(err, ErrLocked) && !errors.Is(err, ErrConflict) {
						t.Error(err)
					}
				case i == 2:
					l.append(t, own, false, randomBlocks(r, 4, 900)...)
					if err := own.Clear(t.Context(), l.key(), 0, uint64(2*round)); err != nil {
						t.Error(err)
					}
				default:
					l.append(t, own, i == 1, lineBlocks(r, 20)...)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() {
		writers.Wait()
		close(done)
	}()
	for running := true; running; checks.Add(1) {
		select {
		case <-done:
			running = false // once more, with the final content
		default:
		}
		blocks := 0
		c, err := NewChecker(t.Context(), dir, CheckOptions{
			Scratch: t.TempDir(), tuning: small,
			Found:    func(f Finding) { t.Errorf("found %+v", f) },
			Progress: func(_, n int) { blocks += n },
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(c.Run(t.Context()), c.Close()); err != nil && !errors.Is(err, packlog.ErrMoved) {
			t.Fatal(err)
		} else if err == nil && blocks == 0 {
			t.Fatal("nothing was read")
		}
	}
	if n := checks.Load(); n <= enough {
		t.Errorf("only %d checks", n)
	}
}
