package hyperdrive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// driveVector is a drive as stock wrote it.
type driveVector struct {
	Metadata struct {
		Key, Manifest string
		Length        uint64
		Blocks        []string
	}
	Blobs struct {
		Key, Manifest string
		Length        uint64
		Blocks        []struct {
			Length      uint64
			Hex, SHA256 string
		}
	}
	Operations []vectorOperation
	Listing    []listedVector
	Checkouts  []struct {
		Version      uint64
		Count        int
		SHA256       string
		Keys         []string
		DiffToLatest [][2]*uint64
	}
}

type vectorOperation struct {
	Op         string
	Path       string
	Content    content
	Chunks     []content
	Times      int
	Operations []vectorOperation
}

// content is a file's bytes, or a recipe for them.
type content struct {
	UTF8, Hex *string
	Generate  *struct{ Seed, Length uint64 }
}

type listedVector struct {
	Seq    uint64
	Key    string
	Value  json.RawMessage
	Size   uint64
	SHA256 string
}

// drives loads all of stock's drives.
func drives(t testing.TB) map[string]driveVector {
	t.Helper()
	files, err := filepath.Glob("../../tests/vectors/drive-*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no drives in tests/vectors: ", err)
	}
	all := map[string]driveVector{}
	for _, file := range files {
		var v driveVector
		load(t, file, &v)
		all[strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), "drive-"), ".json")] = v
	}
	return all
}

func load(t testing.TB, file string, into any) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatal(file, ": ", err)
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (c content) bytes(t testing.TB) (data []byte) {
	t.Helper()
	switch {
	case c.UTF8 != nil:
		return []byte(*c.UTF8)
	case c.Hex != nil:
		return unhex(t, *c.Hex)
	case c.Generate == nil:
		t.Fatal("content of an unknown kind")
	}
	for i := uint64(0); uint64(len(data)) < c.Generate.Length; i++ {
		seed := binary.LittleEndian.AppendUint64(nil, c.Generate.Seed)
		sum := sha256.Sum256(binary.LittleEndian.AppendUint64(seed, i))
		data = append(data, sum[:]...)
	}
	return data[:c.Generate.Length]
}

// pieces returns the values that were put, cut as stock cuts them, by the sha256 that the vectors have for long
// blocks.
func pieces(t testing.TB, operations []vectorOperation) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	add := func(data []byte) { all[fmt.Sprintf("%x", sha256.Sum256(data))] = data }
	for _, operation := range operations {
		maps.Copy(all, pieces(t, operation.Operations))
		for _, c := range operation.Chunks {
			add(c.bytes(t))
		}
		var repeated []Piece // the pieces of the file whose map is long, on a core with nothing else
		for i := range operation.Times * len(operation.Chunks) {
			n := i % len(operation.Chunks)
			repeated = append(repeated, Piece{Block: uint64(n), Length: operation.Chunks[n].Generate.Length})
		}
		for some := range slices.Chunk(repeated, piecesAtOnce) {
			add(EncodeMapBlock(some))
		}
		if operation.Op != "put" {
			continue
		}
		for data := operation.Content.bytes(t); len(data) > 0; data = data[min(65536, len(data)):] {
			add(data[:min(65536, len(data))])
		}
	}
	return all
}

// blocks is a core in memory.
type blocks [][]byte

func (b blocks) Block(_ context.Context, seq uint64) ([]byte, error) {
	if seq >= uint64(len(b)) {
		return nil, fmt.Errorf("block %d of %d was asked for", seq, len(b))
	}
	return b[seq], nil
}

func (b blocks) Length() uint64 { return uint64(len(b)) }

func (b blocks) Blocks(_ context.Context, first, count uint64, each func(index uint64, data []byte) error) error {
	if first+count > uint64(len(b)) {
		return fmt.Errorf("blocks %d to %d of %d were asked for", first, first+count, len(b))
	}
	for i := first; i < first+count; i++ {
		data := bytes.Clone(b[i])
		err := each(i, data)
		clear(data) // data is valid until each returns
		if err != nil {
			return err
		}
	}
	return nil
}

func (b blocks) ByteOffset(_ context.Context, block uint64) (offset uint64, err error) {
	if block >= uint64(len(b)) {
		return 0, fmt.Errorf("the byte of block %d of %d was asked for", block, len(b))
	}
	for _, data := range b[:block] {
		offset += uint64(len(data))
	}
	return offset, nil
}

// cores returns the two cores of stock's drive.
func (v driveVector) cores(t testing.TB) (names, blobs blocks) {
	t.Helper()
	for _, text := range v.Metadata.Blocks {
		names = append(names, unhex(t, text))
	}
	long := pieces(t, v.Operations)
	for i, block := range v.Blobs.Blocks {
		data := unhex(t, block.Hex)
		if block.SHA256 != "" {
			data = long[block.SHA256]
		}
		if uint64(len(data)) != block.Length {
			t.Fatalf("block %d of the blobs cannot be made", i)
		}
		blobs = append(blobs, data)
	}
	return names, blobs
}
