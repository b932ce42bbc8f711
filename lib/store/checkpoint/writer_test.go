package checkpoint_test

import (
	"context"
	"encoding/binary"
	"errors"
	"testing"

	"hc/lib/hash"
	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/store"
	"hc/lib/store/blockmap"
	"hc/lib/store/checkpoint"
	"hc/lib/store/derived"
	"hc/lib/store/packlog"
	"hc/lib/store/runs"
)

// The checkpoint of a check merges the tables that it makes as they come: however large a store is, there are never
// many, and few are open.
func TestCheckKeepsFewTables(t *testing.T) {
	const appends = 256
	dir := t.TempDir()
	fill(t, dir, appends)
	log, err := packlog.Open(t.Context(), dir, packlog.Options{FS: packlog.OS(), ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	view, err := log.View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	files := derived.NewFiles(packlog.OS(), t.TempDir())
	defer files.Close()
	none := &derived.Applied{Next: 1}
	old, err := derived.Open(files, none)
	if err != nil {
		t.Fatal(err)
	}
	told := func(err error) { t.Error(err) }
	w := checkpoint.New(t.Context(), checkpoint.Source{
		Log: log, Files: files, BadRecord: told, BadRun: told,
		Runs:   runs.NewReader(log, func(context.Context, hash.Digest) (runs.Place, error) { return runs.Place{}, errors.New("no base") }),
		Limits: checkpoint.Limits{BufferRows: 8, TreeRows: 1 << 20, AllBlocks: 1 << 20, FanOut: 2, Upper: 2},
		Lost:   func(keys.Key, blockmap.Range, bool) {},
	}, old, view)
	defer w.Abort()
	came, index, rows, open := 0, 0, 0, 0
	err = w.ReadAll(func(i, r, o int) {
		came++
		index, rows, open = max(index, i), max(rows, r), max(open, o)
	})
	const most = 16 // of levels, by far
	if err != nil || came != appends || index > most || rows > most || open > 2*most {
		t.Errorf("%d appends of %d: at most %d tables of the index, %d of rows, and %d open, error %v", came, appends, index, rows, open, err)
	}
}

// fill appends eight blocks at a time to a core of a new store.
func fill(t *testing.T, dir string, appends int) {
	t.Helper()
	ctx := t.Context()
	s, err := store.Open(ctx, dir, store.Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var roots merkle.Cover
	length, bytes := uint64(0), uint64(0)
	for n := range appends {
		tx, err := s.Begin(ctx, keys.Key{1}, store.TxOptions{Durable: n == appends-1})
		if err != nil {
			t.Fatal(err)
		}
		for range 8 {
			block := binary.BigEndian.AppendUint64(nil, length)
			leaf := merkle.LeafNode(length, block)
			roots.Add(leaf)
			length, bytes = length+1, bytes+leaf.Size
			if err := tx.Append(ctx, leaf.Hash, block); err != nil {
				t.Fatal(err)
			}
		}
		err = tx.Commit(ctx, func() (store.Head, error) {
			return store.Head{Length: length, ByteLength: bytes, TreeHash: merkle.TreeHash(roots.Nodes()), Signature: []byte("…")}, nil
		})
		tx.Abort()
		if err != nil {
			t.Fatal(err)
		}
	}
}
