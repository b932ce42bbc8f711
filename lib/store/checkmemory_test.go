package store

import (
	"bytes"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"hc/lib/hash"
	"hc/lib/store/packlog"
)

// A check looks at one run after the other in the same memory, but for what a large block took.
func TestCheckUsesMemoryAgain(t *testing.T) {
	k := logCheck{spent: make(chan []byte, 2)}
	first := k.copyOf(make([]byte, 1000))
	k.giveBack(first)
	for _, size := range []int{500, runBytes} {
		next := k.copyOf(make([]byte, size))
		if len(next) != size || &next[0] != &first[0] {
			t.Errorf("what was looked at is not used again, for %d bytes", size)
		}
		k.giveBack(next)
	}
	<-k.spent
	k.giveBack(k.copyOf(make([]byte, mostSpent+1)))
	if len(k.spent) != 0 {
		t.Error("the memory of a large block is kept")
	}
	for range 5 { // which does not wait for room
		k.giveBack(make([]byte, 10))
	}
}

// What a run decodes to lies in the room that the one before had.
func TestCheckDecodesInRoom(t *testing.T) {
	k := logCheck{}
	var rooms [][]byte
	for _, size := range []int{100 << 10, 200 << 10, 3 << 20} {
		block := bytes.Repeat([]byte("as of logs\n"), size/11)
		m := runMeta{codec: codecZstd, count: 1, raw: len(block), lengths: []uint32{uint32(len(block))}, leaves: []hash.Digest{hash.Leaf(block)}}
		var room []byte
		if len(rooms) > 0 {
			room = rooms[len(rooms)-1]
		}
		room, err := k.decode(runCheck{meta: &m, payload: compressAnyway(nil, block, Quick)}, room)
		if err != nil {
			t.Fatal(err)
		}
		rooms = append(rooms, room)
	}
	if &rooms[1][:1][0] != &rooms[0][:1][0] {
		t.Error("a run has memory of its own")
	}
	if cap(rooms[2]) > mostSpent {
		t.Error("the memory of a large block is kept")
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
	cp, err := c.shadowCheckpoint(t.Context(), &applied{}, c.view.Readable)
	if err != nil {
		t.Fatal(err)
	}
	defer cp.abort()
	for _, folder := range []string{"index", "cores"} {
		if err := makeFolder(cp.files.fs, filepath.Join(cp.files.dir, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	came, index, rows, open := 0, 0, 0, 0
	err = cp.replay.run(t.Context(), cp.view, packlog.Position{}, func(a *committed) error {
		err := cp.apply(a)
		came++
		index, rows = max(index, len(cp.tables)), max(rows, len(cp.cores[a.key].file.runs))
		open = max(open, len(cp.files.open))
		return err
	})
	const most = 16 // of levels, by far
	if err != nil || came != appends || index > most || rows > most || open > 2*most {
		t.Errorf("%d appends of %d: at most %d tables of the index, %d of rows, and %d open, error %v", came, appends, index, rows, open, err)
	}
}
