package store

import (
	"bytes"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"hc/lib/hash"
	"hc/lib/lent"
	"hc/lib/store/codec"
	"hc/lib/store/commits"
	"hc/lib/store/derived"
	"hc/lib/store/packlog"
	"hc/lib/store/records"
	"hc/lib/store/smallfile"
)

// A check looks at one run after the other in the same memory, but for what a large block took.
func TestCheckUsesMemoryAgain(t *testing.T) {
	k := logCheck{pool: lent.NewPool(1 << 20)}
	first, memory := k.room(1000)
	memory.Release()
	next, memory := k.room(500)
	if &next[:1][0] != &first[:1][0] {
		t.Error("what was looked at is not used again")
	}
	memory.Release()
	if room, memory := k.room(mostSpent + 1); memory != nil || cap(room) <= mostSpent {
		t.Errorf("a large block has %d bytes of memory that is kept: %v", cap(room), memory != nil)
	}
}

// What a run was decoded in is given back, whether it is what it should be or not.
func TestCheckGivesMemoryBack(t *testing.T) {
	block := bytes.Repeat([]byte("as of logs\n"), 20<<10)
	frame := codec.CompressAnyway(nil, block, Quick)
	for name, c := range map[string]struct {
		payload []byte
		leaf    hash.Digest
		good    bool
	}{
		"a good one":       {frame, hash.Leaf(block), true},
		"another leaf":     {frame, hash.Leaf(block[1:]), false},
		"half of a frame":  {frame[:len(frame)/2], hash.Leaf(block), false},
		"an empty payload": {nil, hash.Leaf(block), false},
	} {
		k := logCheck{pool: lent.NewPool(1)} // full as long as anything is out
		m := records.Run{Codec: records.CodecZstd, Count: 1, Raw: len(block), Lengths: []uint32{uint32(len(block))}, Leaves: []hash.Digest{c.leaf}}
		if err := k.decode(runCheck{meta: &m, payload: c.payload}); (err == nil) != c.good {
			t.Errorf("%s: %v", name, err)
		}
		if k.pool.Full() {
			t.Errorf("%s: something is held", name)
		}
	}
}

// A check merges the tables that it makes as they come: however large a store is, there are never many, and few of them open.
func TestCheckKeepsFewTables(t *testing.T) {
	dir := t.TempDir()
	small := tuning{bufferRows: 8, treeRows: 1 << 20, allBlocks: 1 << 20, fanOut: 2, never: true}
	s := openTest(t, dir, Options{tuning: small})
	l, r := newSigned(t, 1), rand.New(rand.NewPCG(1, 1))
	const appends = 256
	for range appends {
		l.append(t, s, false, randomBlocks(r, 8, 900)...)
	}
	c, err := NewChecker(t.Context(), dir, CheckOptions{Scratch: t.TempDir(), tuning: small})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.view, err = c.store.log.View(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.newShadow(); err != nil {
		t.Fatal(err)
	}
	cp, err := c.shadowCheckpoint(t.Context(), &derived.Applied{}, c.view.Readable)
	if err != nil {
		t.Fatal(err)
	}
	defer cp.abort()
	for _, folder := range []string{"index", "cores"} {
		if err := smallfile.MakeFolder(cp.files.FS, filepath.Join(cp.files.Dir, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	came, index, rows, open := 0, 0, 0, 0
	err = cp.replay.Run(t.Context(), cp.view, packlog.Position{}, func(a *commits.Commit) error {
		err := cp.apply(a)
		came++
		index, rows = max(index, len(cp.tables)), max(rows, len(cp.cores[a.Key].file.Runs))
		open = max(open, cp.files.Held())
		return err
	})
	const most = 16 // of levels, by far
	if err != nil || came != appends || index > most || rows > most || open > 2*most {
		t.Errorf("%d appends of %d: at most %d tables of the index, %d of rows, and %d open, error %v", came, appends, index, rows, open, err)
	}
}
