package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"hc/lib/hash"
	"hc/lib/store/packlog"
	"hc/lib/store/records"
)

// randomBytes returns bytes that do not compress.
func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// edited returns a copy of a block with some bytes replaced by others, possibly of another number.
func edited(r *rand.Rand, block []byte) []byte {
	at := r.IntN(len(block))
	end := min(len(block), at+r.IntN(40))
	return slices.Concat(block[:at], randomBytes(r, 1+r.IntN(60)), block[end:])
}

// codecsOf counts the runs of each codec in the log, and the blocks that are bases.
func codecsOf(t testing.TB, s *Store) (codecs map[byte]int, bases map[hash.Digest]bool) {
	t.Helper()
	codecs, bases = map[byte]int{}, map[hash.Digest]bool{}
	view, err := s.log.View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = s.log.Scan(t.Context(), view, packlog.Position{}, false, func(r packlog.Record) error {
		if r.Kind != packlog.KindRun {
			return nil
		}
		m, err := records.DecodeRun(r.Meta)
		if err == nil {
			codecs[m.Codec]++
		}
		if err == nil && m.Codec == records.CodecDelta {
			bases[m.Base] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return codecs, bases
}

// TestDeltasOfVersions appends version after version of something, edited at random, to one log or to several in the
// same store: all of them read back, most changed blocks are deltas, and no base has a base.
func TestDeltasOfVersions(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 11))
			s := openTest(t, t.TempDir(), Options{tuning: tiny, packSize: 128 << 10})
			var version [][]byte
			for range 24 {
				version = append(version, randomBytes(r, 1200+r.IntN(9000)))
			}
			models := []*modelCore{newModel(1), newModel(2)}
			for round := range 8 {
				m := models[r.IntN(len(models))]
				if err := m.append(t.Context(), s, TxOptions{Durable: true}, version...); err != nil {
					t.Fatal(err)
				}
				for range 1 + r.IntN(5) {
					i := r.IntN(len(version))
					switch r.IntN(8) {
					case 0:
						version = slices.Insert(version, i, randomBytes(r, 1500))
					case 1:
						version = slices.Delete(version, i, i+1)
					case 2: // cut in two, as an insertion may do
						at := len(version[i]) / 3
						version = slices.Replace(version, i, i+1, version[i][:at:at], version[i][at:])
					default:
						version[i] = edited(r, version[i])
					}
				}
				if round == 5 {
					if _, err := s.Repack(t.Context(), RepackOptions{}); err != nil {
						t.Fatal(err)
					}
				}
			}
			codecs, bases := codecsOf(t, s)
			if codecs[records.CodecDelta] < 8 {
				t.Errorf("only %d deltas: %v", codecs[records.CodecDelta], codecs)
			}
			for base := range bases {
				st, _, err := s.current(t.Context())
				if err == nil {
					_, err = st.locatePlain(t.Context(), s, base)
				}
				if err != nil {
					t.Errorf("base %v: %v", base, err)
				}
			}
			var stored []*modelCore
			for _, m := range models {
				if m.length() > 0 {
					stored = append(stored, m)
				}
			}
			sound(t, s, stored...)
			mustGC(t, s, GCOptions{All: true})
			sound(t, s, stored...)
			clean(t, s)
		})
	}
}

// clean checks a store whose heads need not be signed.
func clean(t testing.TB, s *Store) {
	t.Helper()
	c, err := NewChecker(t.Context(), s.Dir(), CheckOptions{Scratch: t.TempDir(), Found: func(f Finding) {
		if !f.HasKey || f.End > f.First {
			t.Errorf("found %+v", f)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestDeltaGrowth stores a second version of 64 MiB with 8 insertions of 4 KiB: it costs these, and naming the
// unchanged blocks.
func TestDeltaGrowth(t *testing.T) {
	const size, insertions, insertion = 64 << 10, 8, 4 << 10
	r := rand.New(rand.NewPCG(12, 12))
	s := openTest(t, t.TempDir(), Options{})
	data := make([]byte, 64<<20)
	chacha := rand.NewChaCha8([32]byte{12})
	if _, err := chacha.Read(data); err != nil {
		t.Fatal(err)
	}
	first, second := newModel(1), newModel(2)
	version := slices.Collect(slices.Chunk(data, size))
	grew := func(m *modelCore) uint64 {
		before := logSize(t, s)
		if err := m.append(t.Context(), s, TxOptions{Durable: true}, version...); err != nil {
			t.Fatal(err)
		}
		return logSize(t, s) - before
	}
	grew(first)
	for i := range insertions {
		at := i*len(version)/insertions + r.IntN(100)
		cut := r.IntN(size)
		version[at] = slices.Concat(version[at][:cut], randomBytes(r, insertion), version[at][cut:])
	}
	const named = 20 // bytes to name a block that is there, along with others
	most := uint64(insertions*(insertion+300) + named*len(version) + 1024)
	if got := grew(second); got > most {
		t.Errorf("the second version took %d bytes, at most %d are expected", got, most)
	}
	second.check(t, second.view(t, s))
}

// logSize returns the size of the log's records in bytes.
func logSize(t testing.TB, s *Store) (total uint64) {
	t.Helper()
	view, err := s.log.View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = s.log.Scan(t.Context(), view, packlog.Position{}, false, func(r packlog.Record) error {
		total += packlog.RecordSize(&r)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return total
}

// TestDeltaOfWhatStood tells a core which blocks were in the place of new ones: nothing else shows it.
func TestDeltaOfWhatStood(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 13))
	s := openTest(t, t.TempDir(), Options{})
	m := newModel(1)
	var version [][]byte
	for range 100 {
		version = append(version, randomBytes(r, 3000))
	}
	if err := m.append(t.Context(), s, TxOptions{Durable: true}, version...); err != nil {
		t.Fatal(err)
	}
	tx, err := s.Begin(t.Context(), m.key, TxOptions{Durable: true})
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Abort()
	var old []uint64
	for b := range uint64(len(version)) {
		version[b] = edited(r, version[b])
		old = append(old, b)
	}
	if err := tx.Stood(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	for _, b := range version {
		if err := tx.Append(t.Context(), hash.Leaf(b), b); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Stood(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	for _, b := range version[:4] { // as they are known now; what follows them is not
		b = edited(r, b)
		version = append(version, b)
		if err := tx.Append(t.Context(), hash.Leaf(b), b); err != nil {
			t.Fatal(err)
		}
	}
	err = tx.Commit(t.Context(), func() (Head, error) {
		m.grow(true, version...)
		return m.sign(0), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if codecs, _ := codecsOf(t, s); codecs[records.CodecDelta] != 100 {
		t.Errorf("runs by codec: %v", codecs)
	}
	sound(t, s, m)
}

// TestDeltasOutliveTheCall appends with contexts that end with each call: blocks that are still being examined get
// their bases nevertheless.
func TestDeltasOutliveTheCall(t *testing.T) {
	r := rand.New(rand.NewPCG(14, 14))
	s := openTest(t, t.TempDir(), Options{})
	first, second := newModel(1), newModel(2)
	var version [][]byte
	for range 40 {
		version = append(version, randomBytes(r, 100_000))
	}
	if err := first.append(t.Context(), s, TxOptions{Durable: true}, version...); err != nil {
		t.Fatal(err)
	}
	tx, err := s.Begin(t.Context(), second.key, TxOptions{Durable: true})
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Abort()
	for i := range version {
		if i%2 == 1 {
			version[i] = edited(r, version[i])
		}
		ctx, end := context.WithCancel(t.Context())
		err := tx.Append(ctx, hash.Leaf(version[i]), version[i])
		end()
		if err != nil {
			t.Fatal(err)
		}
	}
	err = tx.Commit(t.Context(), func() (Head, error) {
		second.grow(true, version...)
		return second.sign(0), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if codecs, _ := codecsOf(t, s); codecs[records.CodecDelta] != len(version)/2 {
		t.Errorf("runs by codec: %v, want %d with a base", codecs, len(version)/2)
	}
	sound(t, s, first, second)
}

// TestDeltaBesideItsBase has two writers store one block at once, one of them plain and the other with a base, and a
// third use it as a base: the plain one is found, whichever came last, and however the index was made since.
func TestDeltaBesideItsBase(t *testing.T) {
	for i := range 4 {
		plainFirst, bufferRows := i%2 == 0, 4+60*(i/2)
		t.Run(fmt.Sprint(plainFirst, bufferRows), func(t *testing.T) {
			r := rand.New(rand.NewPCG(14, 14))
			s := openTest(t, t.TempDir(), Options{tuning: tuning{bufferRows: bufferRows, fanOut: 2, spanBlocks: 9, never: true}})
			old := [][]byte{randomBytes(r, 2000), randomBytes(r, 2000), randomBytes(r, 2000)}
			block := edited(r, old[1])
			first, plain, delta, user := newModel(1), newModel(2), newModel(3), newModel(4)
			if err := first.append(t.Context(), s, TxOptions{Durable: true}, old...); err != nil {
				t.Fatal(err)
			}
			begin := func(m *modelCore, blocks ...[]byte) func() {
				tx, err := s.Begin(t.Context(), m.key, TxOptions{Durable: true})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(tx.Abort)
				for _, b := range blocks {
					if err := tx.Append(t.Context(), hash.Leaf(b), b); err != nil {
						t.Fatal(err)
					}
				}
				return func() {
					err := tx.Commit(t.Context(), func() (Head, error) {
						m.grow(true, blocks...)
						return m.sign(0), nil
					})
					if err != nil {
						t.Fatal(err)
					}
				}
			}
			pad := randomBytes(r, 300)
			commits := []func(){begin(plain, pad, block), begin(delta, old[0], block, old[2])}
			if !plainFirst {
				slices.Reverse(commits)
			}
			for _, commit := range commits {
				commit()
			}
			if err := s.Checkpoint(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := user.append(t.Context(), s, TxOptions{Durable: true}, pad, edited(r, block)); err != nil {
				t.Fatal(err)
			}
			if codecs, bases := codecsOf(t, s); codecs[records.CodecDelta] != 2 || !bases[hash.Leaf(block)] || !bases[hash.Leaf(old[1])] {
				t.Fatalf("the world is not as it should be: %v, %v", codecs, bases)
			}
			sound(t, s, first, plain, delta, user)
			for _, m := range []*modelCore{first, plain} {
				if err := s.Drop(t.Context(), m.key); err != nil {
					t.Fatal(err)
				}
				mustGC(t, s, GCOptions{All: true})
				sound(t, s, delta, user)
				clean(t, s)
			}
			if err := s.Drop(t.Context(), user.key); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				mustGC(t, s, GCOptions{All: true})
				sound(t, s, delta)
				clean(t, s)
			}
			if _, err := s.Repack(t.Context(), RepackOptions{Cold: true}); err != nil {
				t.Fatal(err)
			}
			sound(t, s, delta)
			clean(t, s)
		})
	}
}

// TestDeltasOfManyWriters has eight writers append versions of the same content to logs of their own, at once, and give
// up some.
func TestDeltasOfManyWriters(t *testing.T) {
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(15, 15))
	var origin [][]byte
	for range 12 {
		origin = append(origin, randomBytes(r, 2500))
	}
	s := openTest(t, dir, Options{})
	if err := newModel(0).append(t.Context(), s, TxOptions{Durable: true}, origin...); err != nil {
		t.Fatal(err)
	}
	var models []*modelCore
	done := make(chan error)
	for i := range 8 {
		m := newModel(byte(i + 1))
		models = append(models, m)
		s := openTest(t, dir, Options{tuning: tiny, LockWait: time.Minute})
		go func() {
			done <- manyVersions(t.Context(), s, m, rand.New(rand.NewPCG(uint64(i/2), 16)), slices.Clone(origin)) // in pairs that do the same
		}()
	}
	for range models {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if t.Failed() {
		t.FailNow()
	}
	if codecs, _ := codecsOf(t, s); codecs[records.CodecDelta] < 40 {
		t.Errorf("runs by codec: %v", codecs)
	}
	sound(t, s, models...)
	mustGC(t, s, GCOptions{All: true})
	sound(t, s, models...)
	clean(t, s)
}

func manyVersions(ctx context.Context, s *Store, m *modelCore, r *rand.Rand, version [][]byte) error {
	for round := range 6 {
		for range 4 {
			i := r.IntN(len(version))
			version[i] = edited(r, version[i])
		}
		if round == 2 { // given up: nobody may have used it as a base
			tx, err := s.Begin(ctx, m.key, TxOptions{Durable: true})
			if err != nil {
				return err
			}
			for _, b := range version {
				err = errors.Join(err, tx.Append(ctx, hash.Leaf(b), b))
			}
			if tx.Abort(); err != nil {
				return err
			}
			continue
		}
		if err := m.append(ctx, s, TxOptions{Durable: true}, version...); err != nil {
			return err
		}
		if err := s.CheckpointError(); err != nil {
			return err
		}
	}
	return nil
}
