package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"hc/lib/hash"
	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/store/packlog"
	"hc/lib/store/records"
	"hc/lib/zstdframe"
)

func packBytes(t testing.TB, dir string) int64 {
	t.Helper()
	return size(t, filepath.Join(dir, "packs"))
}

func mustGC(t testing.TB, s *Store, options GCOptions) GCReport {
	t.Helper()
	report, err := s.GC(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// sound compares cores with their models: in the store as it is, in another process, and with everything built again.
func sound(t testing.TB, s *Store, models ...*modelCore) {
	t.Helper()
	for _, m := range models {
		m.check(t, m.view(t, s))
	}
	again := openTest(t, s.Dir(), Options{ReadOnly: true})
	for _, m := range models {
		m.check(t, m.view(t, again))
	}
	bare := openTest(t, s.Dir(), Options{ReadOnly: true})
	bare.distrust = true
	for _, m := range models {
		m.check(t, m.view(t, bare))
	}
	for _, other := range []*Store{s, again, bare} {
		if damage := other.Damage(); len(damage) > 0 {
			t.Fatal(damage)
		}
	}
}

// TestGC drops one of two cores that share some blocks: the room of those that only the dropped one had is freed, and
// no more.
func TestGC(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir, Options{tuning: tiny, packSize: 40 << 10})
	r := rand.New(rand.NewPCG(1, 2))
	shared, own := randomBlocks(r, 20, 6000), randomBlocks(r, 30, 6000)
	gone, stays := newModel(1), newModel(2)
	for i := range 10 {
		for _, blocks := range [][][]byte{own[3*i : 3*i+3], shared[2*i : 2*i+2]} {
			if err := gone.append(t.Context(), s, TxOptions{Durable: true}, blocks...); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := stays.append(t.Context(), s, TxOptions{Durable: true}, append(randomBlocks(r, 5, 6000), shared...)...); err != nil {
		t.Fatal(err)
	}
	before := packBytes(t, dir)
	if report := mustGC(t, s, GCOptions{}); report.Rewritten != 0 || report.Freed() != 0 || packBytes(t, dir) != before {
		t.Fatalf("nothing is dead: %+v", report)
	}
	if err := s.Drop(t.Context(), gone.key); err != nil {
		t.Fatal(err)
	}
	dry := mustGC(t, s, GCOptions{DryRun: true})
	report := mustGC(t, s, GCOptions{})
	if report.Freed() == 0 || report.Rewritten == 0 || dry.Rewritten < report.Rewritten || packBytes(t, dir) != int64(report.After) {
		t.Fatalf("dry run: %+v, then: %+v, and %d bytes are left", dry, report, packBytes(t, dir))
	}
	sound(t, s, stays)
	if ok, err := s.Has(t.Context(), hash.Leaf(own[0])); ok || err != nil {
		t.Fatalf("a block that only the dropped core had: %v, %v", ok, err)
	}
	for i := range 3 {
		report = mustGC(t, s, GCOptions{All: true})
		if i > 0 && report.Rewritten != 0 {
			t.Fatalf("a gc behind one: %+v", report)
		}
	}
}

// TestGCForgets checks that a core that was dropped leaves nothing, in the end.
func TestGCForgets(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir, Options{packSize: 8 << 10})
	r := rand.New(rand.NewPCG(1, 3))
	empty := packBytes(t, dir)
	for round := range 3 {
		m := newModel(byte(round))
		for range 8 {
			if err := m.append(t.Context(), s, TxOptions{Durable: true}, randomBlocks(r, 4, 2000)...); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Clear(t.Context(), m.key, 2, 9); err != nil {
			t.Fatal(err)
		}
		if err := s.Drop(t.Context(), m.key); err != nil {
			t.Fatal(err)
		}
		mustGC(t, s, GCOptions{All: true})
		mustGC(t, s, GCOptions{All: true}) // a drop whose head is in the next pack goes with the second one
	}
	if left := packBytes(t, dir); left > 4*empty+8*200 {
		t.Fatalf("%d bytes are left, of an empty store's %d", left, empty)
	}
	if err := s.log.Scan(t.Context(), mustView(t, s), packlog.Position{}, false, func(r packlog.Record) error {
		return fmt.Errorf("a record of kind %d at %v is left", r.Kind, r.Position)
	}); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(filepath.Join(dir, "cores"))
	if err != nil || len(entries) > 0 {
		t.Fatalf("derived files of dropped cores are left: %v, %v", entries, err)
	}
	if _, err := os.Stat(filepath.Join(dir, scratchFolder)); err == nil {
		t.Fatal("the scratch folder is left")
	}
}

func mustView(t testing.TB, s *Store) packlog.View {
	t.Helper()
	view, err := s.log.View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return view
}

// TestGCTwoStores has two processes append content that they share with a third, which drops and clears it, collects
// and repacks, while a reader looks on.
func TestGCTwoStores(t *testing.T) {
	dir := t.TempDir()
	options := Options{tuning: tiny, packSize: 30 << 10, LockWait: time.Minute}
	shared := randomBlocks(rand.New(rand.NewPCG(8, 8)), 60, 500)
	models := []*modelCore{newModel(1), newModel(2)}
	work, stop := context.WithCancel(t.Context())
	defer stop()
	writers, workers := errgroup{}, errgroup{}
	for i, m := range models {
		s := openTest(t, dir, options)
		writers.run(func() error { return appendShared(t.Context(), s, m, shared, uint64(i)) })
	}
	collecting, reading := openTest(t, dir, options), openTest(t, dir, Options{ReadOnly: true})
	rounds := 0
	workers.run(func() error {
		for work.Err() == nil || rounds < 3 {
			if err := forgetAndCollect(t.Context(), collecting, shared, rounds); err != nil {
				return fmt.Errorf("round %d: %w", rounds, err)
			}
			rounds++
		}
		return nil
	})
	workers.run(func() error {
		for work.Err() == nil {
			if err := readAll(t.Context(), reading, models[0].key, models[1].key); err != nil {
				return err
			}
		}
		return nil
	})
	err := writers.wait()
	stop()
	if err := errors.Join(err, workers.wait()); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d rounds", rounds)
	sound(t, collecting, models...)
}

// errgroup runs functions and joins their errors.
type errgroup struct {
	sync.WaitGroup
	mu  sync.Mutex
	err error
}

func (g *errgroup) run(fn func() error) {
	g.Go(func() {
		err := fn()
		g.mu.Lock()
		defer g.mu.Unlock()
		g.err = errors.Join(g.err, err)
	})
}

func (g *errgroup) wait() error {
	g.Wait()
	return g.err
}

func appendShared(ctx context.Context, s *Store, m *modelCore, shared [][]byte, seed uint64) error {
	r := rand.New(rand.NewPCG(seed, 8))
	for range 30 {
		var blocks [][]byte
		for range 1 + r.IntN(6) {
			blocks = append(blocks, shared[r.IntN(len(shared))])
		}
		if err := m.append(ctx, s, TxOptions{Durable: true}, blocks...); err != nil {
			return err
		}
		if err := s.CheckpointError(); err != nil {
			return err
		}
	}
	return nil
}

// forgetAndCollect makes some content dead, and collects it.
func forgetAndCollect(ctx context.Context, s *Store, shared [][]byte, round int) error {
	victim := newModel(byte(10 + round%3))
	if err := victim.append(ctx, s, TxOptions{Durable: true}, shared[round%40:round%40+20]...); err != nil {
		return err
	}
	if err := s.Clear(ctx, victim.key, 3, 9); err != nil {
		return err
	}
	if err := s.Drop(ctx, victim.key); err != nil {
		return err
	}
	var err error
	if round%3 == 2 {
		_, err = s.Repack(ctx, RepackOptions{})
	} else {
		_, err = s.GC(ctx, GCOptions{All: round%2 == 0})
	}
	if errors.Is(err, errRetry) {
		return nil // the writers are too fast for it, and it says so
	}
	return err
}

// readAll reads all blocks of some cores that are there.
func readAll(ctx context.Context, s *Store, cores ...keys.Key) error {
	for _, key := range cores {
		v, err := s.View(ctx, key, true)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		for b := range v.Head().Length {
			data, err := v.Block(ctx, b)
			if err != nil {
				return err
			}
			if n, err := v.Node(ctx, 2*b); err != nil || n.Hash != hash.Leaf(data) {
				return fmt.Errorf("block %d is not what its node says: %w", b, err)
			}
		}
	}
	return nil
}

// TestGCKeepsBases has a core whose only run has a block of another core as its base, which is dropped: that block
// stays until the first core is dropped, too.
func TestGCKeepsBases(t *testing.T) {
	s := openTest(t, t.TempDir(), Options{packSize: 64 << 10})
	base := randomBlocks(rand.New(rand.NewPCG(6, 6)), 1, 20000)[0]
	base = append(base, bytes.Repeat([]byte("base "), 2000)...)
	data := append(bytes.Clone(base), "and a little more"...)
	owner, user := newModel(1), newModel(2)
	if err := owner.append(t.Context(), s, TxOptions{Durable: true}, base); err != nil {
		t.Fatal(err)
	}
	if err := appendDelta(t.Context(), s, user, base, data); err != nil {
		t.Fatal(err)
	}
	sound(t, s, user)
	if err := s.Drop(t.Context(), owner.key); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		mustGC(t, s, GCOptions{All: true})
		sound(t, s, user)
	}
	if _, err := s.Repack(t.Context(), RepackOptions{Cold: true}); err != nil {
		t.Fatal(err)
	}
	sound(t, s, user)
	if err := s.Drop(t.Context(), user.key); err != nil {
		t.Fatal(err)
	}
	for range 3 { // the run that goes with the first still keeps its base
		mustGC(t, s, GCOptions{All: true})
	}
	if ok, err := s.Has(t.Context(), hash.Leaf(base)); ok || err != nil {
		t.Fatalf("the base is there still: %v, %v", ok, err)
	}
}

// appendDelta appends one block in a run with a base.
func appendDelta(ctx context.Context, s *Store, m *modelCore, base, data []byte) error {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderDictRaw(zstdframe.Dictionary, base), zstd.WithEncoderCRC(false))
	if err != nil {
		return err
	}
	defer e.Close()
	run := records.Run{Codec: records.CodecDelta, Count: 1, Raw: len(data), Base: hash.Leaf(base), Lengths: []uint32{uint32(len(data))}, Leaves: []hash.Digest{hash.Leaf(data)}}
	tx, err := s.Begin(ctx, m.key, TxOptions{Durable: true})
	if err != nil {
		return err
	}
	defer tx.Abort()
	if err := tx.write(ctx, packlog.Record{Kind: packlog.KindRun, Meta: run.Encode(), Payload: e.EncodeAll(data, nil)}); err != nil {
		return err
	}
	leaf := merkle.LeafNode(0, data)
	span := records.Span{Append: true, Key: m.key, Parts: []records.Part{{Count: 1}}, Roots: []merkle.Node{leaf}}
	if err := tx.record(ctx, packlog.KindSpan, span.Encode()); err != nil {
		return err
	}
	return tx.Commit(ctx, func() (Head, error) {
		m.grow(true, data)
		return m.sign(0), nil
	})
}

// TestGCDerivedDamaged scrambles each derived file in turn: a gc builds them again, and takes nothing that is live.
func TestGCDerivedDamaged(t *testing.T) {
	for i := 0; ; i++ {
		dir := t.TempDir()
		s := openTest(t, dir, Options{tuning: tuning{never: true}})
		r := rand.New(rand.NewPCG(3, 3))
		blocks := randomBlocks(r, 30, 300)
		gone, stays := newModel(1), newModel(2)
		for _, err := range []error{
			gone.append(t.Context(), s, TxOptions{Durable: true}, blocks...),
			stays.append(t.Context(), s, TxOptions{Durable: true}, append(randomBlocks(r, 5, 300), blocks[20:]...)...),
			s.Checkpoint(t.Context()),
			s.Drop(t.Context(), gone.key),
			s.Close(),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		var files []string
		for _, pattern := range []string{"applied", "index/*", "cores/*/*"} {
			found, err := filepath.Glob(filepath.Join(dir, pattern))
			if err != nil || len(found) == 0 {
				t.Fatalf("no %s: %v", pattern, err)
			}
			files = append(files, found...)
		}
		if i == len(files) {
			break
		}
		if err := scramble(files[i]); err != nil {
			t.Fatal(err)
		}
		s = openTest(t, dir, Options{})
		mustGC(t, s, GCOptions{All: true})
		sound(t, s, stays)
	}
}

// TestGCKeepsWhatIsNamedMeanwhile has an append name blocks, in records before a census, whose head comes after it: the
// blocks were dropped in between.
func TestGCKeepsWhatIsNamedMeanwhile(t *testing.T) {
	for _, together := range []bool{false, true} {
		t.Run(fmt.Sprint("together=", together), func(t *testing.T) { gcBesideWhatIsNamed(t, together) })
	}
}

func gcBesideWhatIsNamed(t *testing.T, together bool) {
	ctx := t.Context()
	r := rand.New(rand.NewPCG(5, 24))
	dir := t.TempDir()
	s := openTest(t, dir, Options{packSize: 4 << 10, tuning: tuning{spanBlocks: 4, never: true}})
	writer := openTest(t, dir, Options{packSize: 4 << 10, tuning: tuning{spanBlocks: 4, never: true}})
	first, second := newModel(1), newModel(2)
	blocks := distinct(r, 40, 900)
	if err := first.append(ctx, s, TxOptions{Durable: true}, blocks...); err != nil {
		t.Fatal(err)
	}
	if !together {
		r.Shuffle(len(blocks), func(i, j int) { blocks[i], blocks[j] = blocks[j], blocks[i] })
	}
	tx, err := writer.Begin(ctx, second.key, TxOptions{Durable: true})
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Abort()
	for _, b := range blocks {
		if err := tx.Append(ctx, hash.Leaf(b), b); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.runs.Finish(ctx, tx.write); err != nil {
		t.Fatal(err)
	}
	if err := s.Drop(ctx, first.key); err != nil {
		t.Fatal(err)
	}
	counted := make(chan struct{})
	done := make(chan error, 1)
	var once sync.Once
	go func() {
		_, err := s.GC(ctx, GCOptions{All: true, Progress: func(int64) { once.Do(func() { close(counted) }) }})
		done <- err
	}()
	<-counted // the census is taken, and runs are copied
	err = tx.Commit(ctx, func() (Head, error) {
		second.grow(true, blocks...)
		return second.sign(0), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if n, _ := passagesOf(t, s); n > 0 != together {
		t.Fatalf("%d passages", n)
	}
	sound(t, s, second)
	clean(t, s)
}
