package store

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"

	"hc/lib/hash"
	"hc/lib/store/packlog/memfs"
	"hc/lib/store/records"
	"hc/lib/zstdframe"
)

// TestDeltaHostile has stores with impossible bases: reading gives an error that says so, and nothing hangs.
func TestDeltaHostile(t *testing.T) {
	r := rand.New(rand.NewPCG(17, 17))
	base := randomBytes(r, 3000)
	data := edited(r, base)
	deeper := edited(r, data)
	for name, test := range map[string]struct {
		append func(s *Store, m *modelCore) error
		want   error
	}{
		"a base that is not there": {func(s *Store, m *modelCore) error { return appendDelta(t.Context(), s, m, deeper, data) }, ErrBlockMissing},
		"a base of itself":         {func(s *Store, m *modelCore) error { return appendDelta(t.Context(), s, m, data, data) }, ErrDamaged},
		"a base that has one": {func(s *Store, m *modelCore) error {
			other := newModel(8)
			return errors.Join(appendDelta(t.Context(), s, other, base, data), appendDelta(t.Context(), s, m, data, deeper))
		}, ErrDamaged},
	} {
		t.Run(name, func(t *testing.T) {
			s := openTest(t, t.TempDir(), Options{})
			if err := newModel(1).append(t.Context(), s, TxOptions{Durable: true}, base); err != nil {
				t.Fatal(err)
			}
			m := newModel(2)
			if err := test.append(s, m); err != nil {
				t.Fatal(err)
			}
			if got, err := m.view(t, s).Block(t.Context(), 0); !errors.Is(err, test.want) {
				t.Errorf("%d bytes, %v, want %v", len(got), err, test.want)
			}
			found := 0
			c, err := NewChecker(t.Context(), s.Dir(), CheckOptions{Scratch: t.TempDir(), Found: func(f Finding) {
				if f.Harm == HarmData && f.Core == m.key && f.First == 0 && f.End == 1 {
					found++
				}
			}})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if err := c.Run(t.Context()); err != nil || found == 0 {
				t.Errorf("%d findings, %v", found, err)
			}
		})
	}
}

// TestDeltaBaseDamaged flips a bit in a base that two logs need and that none has any more. The check reports which
// blocks this hurts, the repair gets them back, here as if from a peer, and then everything is whole.
func TestDeltaBaseDamaged(t *testing.T) {
	w := &checkWorld{machine: memfs.New(1), logs: []*signed{newSigned(t, 1), newSigned(t, 2), newSigned(t, 3)}, held: make([]map[uint64]bool, 3)}
	s := w.open(t, Options{Create: true, packSize: 8 << 10})
	r := rand.New(rand.NewPCG(18, 18))
	old := [][]byte{randomBytes(r, 2000), randomBytes(r, 2000), randomBytes(r, 2000)}
	w.logs[0].append(t, s, false, old...)
	for _, l := range w.logs[1:] {
		l.append(t, s, false, old[0], edited(r, old[1]), old[2])
	}
	if codecs, _ := codecsOf(t, s); codecs[records.CodecDelta] != 2 {
		t.Fatalf("runs by codec: %v", codecs)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if found, _ := w.check(t); len(found) > 0 {
		t.Fatalf("found %+v", found)
	}
	path, at := "", -1
	for _, name := range w.files(t) {
		if at = bytes.Index(w.machine.Read(name), old[1][500:600]); at >= 0 {
			path = name
			break
		}
	}
	w.flip(t, path, at, 3)
	_, c := w.check(t)
	hurt := c.CoresHurt()
	if len(hurt) != 3 {
		t.Fatalf("hurt are %+v", hurt)
	}
	for _, h := range hurt {
		if !slices.ContainsFunc(h.Parts, func(p BlockRange) bool { return p.First <= 1 && p.End >= 2 }) {
			t.Errorf("block 1 of %v is not said to be hurt: %+v", h.Key, h.Parts)
		}
	}
	w.repair(t)
	s = w.open(t, Options{})
	for _, l := range w.logs {
		l.download(t, s, 0, 1, 2)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	w.repair(t)
	if blocks, heads := w.lacks(t); blocks+heads > 0 {
		t.Errorf("%d blocks and %d heads are lost", blocks, heads)
	}
	if found, _ := w.check(t); len(found) > 0 {
		t.Errorf("left: %+v", found)
	}
}

// TestPutDelta stores a block that came as a delta: as it came if its base is here without a base of its own and the
// frame is valid, else as a whole. It can always be read, and a check finds nothing.
func TestPutDelta(t *testing.T) {
	r := rand.New(rand.NewPCG(19, 19))
	base := randomBytes(r, 3000)
	data := edited(r, base)
	deeper := edited(r, data)
	for name, c := range map[string]struct {
		data, base, frame []byte
		deltas            int
	}{
		"as it came":            {data, base, frameOf(data, base), 1},
		"a base not here":       {deeper, data, frameOf(deeper, data), 0},
		"bytes behind it":       {data, base, append(frameOf(data, base), 0), 0},
		"as long as the block":  {data, randomBytes(r, 3000), frameOf(data, randomBytes(r, 3000)), 0},
		"the block is here":     {base, base, frameOf(base, base), 0},
		"nothing":               {data, base, nil, 0},
		"a base of another one": {deeper, base, frameOf(deeper, base), 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := &checkWorld{machine: memfs.New(1), logs: []*signed{newSigned(t, 1)}, held: make([]map[uint64]bool, 1)}
			s := w.open(t, Options{Create: true})
			l := w.logs[0]
			l.append(t, s, false, base)
			head := l.grow(t, c.data)
			tx, err := s.Begin(t.Context(), l.key(), TxOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer tx.Abort()
			if err := tx.PutDelta(t.Context(), 1, hash.Leaf(c.data), c.data, hash.Leaf(c.base), c.frame); err != nil {
				t.Fatal(err)
			}
			if err := tx.Commit(t.Context(), func() (Head, error) { return head, nil }); err != nil {
				t.Fatal(err)
			}
			if codecs, _ := codecsOf(t, s); codecs[records.CodecDelta] != c.deltas {
				t.Errorf("runs by codec: %v", codecs)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if blocks, heads := w.lacks(t); blocks+heads > 0 {
				t.Errorf("%d blocks and %d heads are lost", blocks, heads)
			}
			if found, _ := w.check(t); len(found) > 0 {
				t.Errorf("found %+v", found)
			}
		})
	}
}

// frameOf returns a frame of raw whose dictionary is base.
func frameOf(raw, base []byte) []byte {
	return zstdframe.NewEncoder(zstd.SpeedDefault, zstdframe.Window, zstd.WithEncoderDictRaw(zstdframe.Dictionary, base)).EncodeAll(raw, nil)
}
