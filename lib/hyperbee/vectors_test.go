package hyperbee_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hc/lib/hyperbee"
)

// drive is what a vector file says about the core of names.
type drive struct {
	Name          string
	Operations    []operation
	AppendLengths []int
	Metadata      struct{ Blocks []string }
	Listing       []struct {
		Seq   uint64
		Key   string
		Value json.RawMessage
	}
	History []struct {
		Seq       uint64
		Type, Key string
	}
	Checkouts []struct {
		Version, Count uint64
		SHA256         string
		Keys           []string
		DiffToLatest   [][2]*uint64
	}
}

type operation struct {
	Op, Path   string
	Operations []operation
}

const prefix = "files\x00"

func loadDrives(t testing.TB) []drive {
	t.Helper()
	files, err := filepath.Glob("../../tests/vectors/drive-*.json")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d drives: %v", len(files), err)
	}
	var drives []drive
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var d drive
		if err := json.Unmarshal(data, &d); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		drives = append(drives, d)
	}
	return drives
}

// blocks are the blocks of a core in memory.
type blocks [][]byte

func (b blocks) Block(_ context.Context, seq uint64) ([]byte, error) {
	if seq >= uint64(len(b)) {
		return nil, fmt.Errorf("block %d of %d", seq, len(b))
	}
	return b[seq], nil
}

func (d drive) blocks(t testing.TB) blocks {
	t.Helper()
	var all blocks
	for _, s := range d.Metadata.Blocks {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	return all
}

func collect(t testing.TB, tree *hyperbee.Tree, r hyperbee.Range) []hyperbee.Entry {
	t.Helper()
	var all []hyperbee.Entry
	if err := tree.Walk(t.Context(), r, func(e hyperbee.Entry) error {
		all = append(all, e)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// changes returns the changes in a core's blocks, beginning with block 1.
func changes(t testing.TB, core blocks) []hyperbee.Change {
	t.Helper()
	var all []hyperbee.Change
	if err := hyperbee.Open(core, uint64(len(core))).History(t.Context(), 1, func(c hyperbee.Change) error {
		all = append(all, c)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestWriterMatchesStock applies the operations: each block is the one that stock wrote. The keys and values of puts
// are taken from stock's blocks.
func TestWriterMatchesStock(t *testing.T) {
	for _, d := range loadDrives(t) {
		t.Run(d.Name, func(t *testing.T) {
			want := d.blocks(t)
			history := changes(t, want)
			var core blocks
			for i, op := range d.Operations {
				if len(core) == 0 {
					core = append(core, hyperbee.Header())
				}
				batch := hyperbee.NewBatch(core, uint64(len(core)))
				apply(t, batch, op, history[len(core)-1:])
				written, err := batch.Flush(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				core = append(core, written...)
				if len(core) != d.AppendLengths[i] {
					t.Fatalf("operation %d: %d blocks, want %d", i, len(core), d.AppendLengths[i])
				}
			}
			if len(core) != len(want) {
				t.Fatalf("%d blocks, want %d", len(core), len(want))
			}
			for seq := range want {
				if !bytes.Equal(core[seq], want[seq]) && d.Name != "compat" {
					t.Errorf("block %d:\n  %x, want\n  %x", seq, core[seq], want[seq])
				}
				if !bytes.Equal(core[seq], want[seq]) && seq > 0 {
					t.Errorf("block %d of compat differs", seq)
				}
			}
		})
	}
}

func apply(t *testing.T, batch *hyperbee.Batch, op operation, history []hyperbee.Change) {
	t.Helper()
	switch op.Op {
	case "batch":
		for _, o := range op.Operations {
			apply(t, batch, o, history)
		}
	case "del":
		key := []byte(prefix + op.Path)
		before := batch.Len()
		_, err := batch.Get(t.Context(), key)
		found, deleteErr := batch.Delete(t.Context(), key)
		if deleteErr != nil || found != (err == nil) || found != (batch.Len() == before+1) {
			t.Fatalf("delete %s: %v, %v; get: %v", op.Path, found, deleteErr, err)
		}
	case "put", "write", "symlink", "raw":
		change := history[batch.Len()]
		if err := batch.Put(t.Context(), change.Key, change.Value); err != nil {
			t.Fatal(err)
		}
		got, err := batch.Get(t.Context(), change.Key)
		if err != nil || got.Seq != change.Seq || !bytes.Equal(got.Value, change.Value) {
			t.Fatalf("get %q: %+v, %v", change.Key, got, err)
		}
	default:
		t.Fatalf("operation %q", op.Op)
	}
}

func TestReaderMatchesStock(t *testing.T) {
	for _, d := range loadDrives(t) {
		t.Run(d.Name, func(t *testing.T) {
			core := d.blocks(t)
			tree := hyperbee.Open(core, uint64(len(core)))
			all := collect(t, tree, hyperbee.Range{GTE: []byte(prefix), LT: []byte("files\x01")})
			if len(all) != len(d.Listing) {
				t.Fatalf("%d entries, want %d", len(all), len(d.Listing))
			}
			for i, want := range d.Listing {
				key := prefix + want.Key
				if all[i].Seq != want.Seq || string(all[i].Key) != key || string(all[i].Value) != string(want.Value) {
					t.Errorf("entry %d: %d %q %s, want %+v", i, all[i].Seq, all[i].Key, all[i].Value, want)
				}
				if e, err := tree.Get(t.Context(), []byte(key)); err != nil || e.Seq != want.Seq {
					t.Errorf("get %q: %+v, %v", key, e, err)
				}
				if _, err := tree.Get(t.Context(), []byte(key+"\x00")); !errors.Is(err, hyperbee.ErrNotFound) {
					t.Errorf("get behind %q: %v", key, err)
				}
			}
		})
	}
}

func TestHistoryMatchesStock(t *testing.T) {
	for _, d := range loadDrives(t) {
		var got, want []string
		for _, c := range changes(t, d.blocks(t)) {
			kind := map[bool]string{false: "put", true: "del"}[c.Deleted]
			got = append(got, fmt.Sprintf("%d %s %q", c.Seq, kind, c.Key))
		}
		for _, h := range d.History {
			want = append(want, fmt.Sprintf("%d %s %q", h.Seq, h.Type, h.Key))
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s: %s, want %s", d.Name, got, want)
		}
	}
}

func TestCheckoutsMatchStock(t *testing.T) {
	count := 0
	for _, d := range loadDrives(t) {
		core := d.blocks(t)
		for _, c := range d.Checkouts {
			count++
			tree := hyperbee.Open(core, c.Version)
			var lines []string
			for _, e := range collect(t, tree, hyperbee.Range{GTE: []byte(prefix), LT: []byte("files\x01")}) {
				lines = append(lines, fmt.Sprintf("%d %s", e.Seq, e.Key[len(prefix):]))
			}
			sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
			if uint64(len(lines)) != c.Count || hex.EncodeToString(sum[:]) != c.SHA256 {
				t.Errorf("%s at %d: %d lines, want %d %q", d.Name, c.Version, len(lines), c.Count, c.Keys)
			}
			if got, want := diffToLatest(t, tree, core), spell(c.DiffToLatest); got != want {
				t.Errorf("%s: diff from %d: %s, want %s", d.Name, c.Version, got, want)
			}
		}
	}
	if count < 20 {
		t.Fatalf("only %d checkouts", count)
	}
}

func diffToLatest(t *testing.T, old *hyperbee.Tree, core blocks) string {
	t.Helper()
	var pairs [][2]*uint64
	folder := hyperbee.Range{GT: []byte(prefix + "/"), LT: []byte(prefix + "0")}
	latest := hyperbee.Open(core, uint64(len(core)))
	if err := hyperbee.Diff(t.Context(), old, latest, folder, func(old, new *hyperbee.Entry) error {
		var pair [2]*uint64
		if new != nil {
			pair[0] = &new.Seq
		}
		if old != nil {
			pair[1] = &old.Seq
		}
		pairs = append(pairs, pair)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return spell(pairs)
}

func spell(pairs [][2]*uint64) string {
	if len(pairs) == 0 {
		return "[]"
	}
	s, _ := json.Marshal(pairs)
	return string(s)
}

func TestHeader(t *testing.T) {
	for _, d := range loadDrives(t) {
		core := d.blocks(t)
		if len(core) == 0 {
			continue
		}
		feed, err := hyperbee.ParseHeader(core[0])
		if err != nil || (feed != nil) != (d.Name == "compat") {
			t.Errorf("%s: names %x, %v", d.Name, feed, err)
		}
		if d.Name == "compat" && !bytes.Equal(feed, core[0][14:46]) {
			t.Errorf("names %x in %x", feed, core[0])
		}
		if d.Name != "compat" && !bytes.Equal(core[0], hyperbee.Header()) {
			t.Errorf("%s: header %x", d.Name, core[0])
		}
	}
	for name, block := range map[string]string{
		"empty": "", "another protocol": "0a0968797065726265657a1200", "31 bytes": "0a08687970657262656512210a1f" + strings.Repeat("ab", 31),
		"a name that is cut off": "0a0968797065726265", "two names": "0a0868797065726265650a086879706572626565", "a number": "0805",
	} {
		b, err := hex.DecodeString(block)
		if err != nil {
			t.Fatal(err)
		}
		if err := hyperbee.CheckHeader(t.Context(), blocks{b}); !errors.Is(err, hyperbee.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
