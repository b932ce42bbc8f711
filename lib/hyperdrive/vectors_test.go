package hyperdrive

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
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
	History    []struct {
		Seq       uint64
		Type, Key string
	}
	Checkouts []struct {
		Version      uint64
		Count        int
		SHA256       string
		Entries      []string
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

// content is a file's bytes, or how to make them.
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

// drives loads all drives of stock.
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
