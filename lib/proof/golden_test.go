package proof

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/*.proof")

// The streams in testdata, which tests of other packages read, are those that Write writes.
func TestGolden(t *testing.T) {
	l := exampleLog(t)
	eleven := newLog(t, numbered(11)...)
	drive := sampleDrive(t)
	hostile := hostileNames(t)
	of := func(c Claim) WriteOptions { return WriteOptions{Claim: c, Blobs: drive.open} }
	streams := map[string]struct {
		log   *testLog
		opt   WriteOptions
		heads []uint64
		err   error
	}{
		"all":    {l, WriteOptions{}, nil, nil},
		"blocks": {l, WriteOptions{Claim: Claim{Kind: KindBlocks, From: 2, To: 3}}, nil, nil},
		"bytes":  {l, WriteOptions{Claim: Claim{Kind: KindBytes, From: 10, To: 30}}, nil, nil},
		"beyond": {l, WriteOptions{Claim: Claim{Kind: KindBlocks, From: 3, To: 9}}, nil, ErrPartial},
		"at":     {l, WriteOptions{Claim: Claim{At: ptr(uint64(3))}}, nil, nil},
		"head":   {l, WriteOptions{Claim: Claim{Kind: KindHead}}, nil, nil},
		"live":   {l, WriteOptions{Live: true}, []uint64{3, 5}, nil},
		"empty":  {newLog(t), WriteOptions{}, nil, ErrPartial},
		"path":   {drive.names, of(pathOf("/data/table.csv")), nil, nil},
		"absent": {drive.names, of(pathOf("/data/table")), nil, ErrAbsent},
		"tree":   {drive.names, of(treeOf("/")), nil, nil},
		"names":  {hostile.names, WriteOptions{Claim: treeOf("/"), Blobs: hostile.open}, nil, nil},
		"block6": {eleven, WriteOptions{Claim: Claim{Kind: KindBlocks, From: 6, To: 6}}, nil, nil},
	}
	for name, s := range streams {
		s.log.heads = s.heads
		want := s.log.stream(t, s.opt, s.err)
		path := filepath.Join("testdata", name+".proof")
		if *update {
			if err := os.WriteFile(path, want, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what Write writes: go test ./lib/proof -update", path)
		}
	}
	files, err := filepath.Glob("testdata/*.proof")
	if err != nil || len(files) != len(streams) {
		t.Errorf("%d files in testdata, want %d", len(files), len(streams))
	}
}
