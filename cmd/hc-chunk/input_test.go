package main

import (
	"os"
	"path/filepath"
	"testing"

	"hc/lib/chunk"
	"hc/lib/cli"
)

// What a file has within its size comes some 1 MiB at a time. What it has beyond that may have to be waited for, and comes as it is read.
func TestBeyondTheSizeOfAFile(t *testing.T) {
	const size = 3 << 20
	for _, before := range []int{0, size} {
		name, there := filepath.Join(t.TempDir(), "file"), before == size
		if err := os.WriteFile(name, noise(before), 0o600); err != nil {
			t.Fatal(err)
		}
		cutter, err := chunk.NewFixed(1000)
		if err != nil {
			t.Fatal(err)
		}
		src := &source{ctx: t.Context(), std: &cli.IO{}, inputs: []input{{name: name}}, cutter: cutter}
		defer src.close()
		if err := src.begin(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, noise(size), 0o600); err != nil {
			t.Fatal(err)
		}
		var n neighbours
		if err := src.nextAll(&n); err != nil {
			t.Fatal(err)
		}
		bytes := 0
		for _, c := range n.chunks {
			bytes += len(c)
		}
		if bytes == 0 || bytes > 512<<10 != there || (n.file != nil) != there {
			t.Errorf("there when it was opened: %v: %d bytes came at once, of a file that stays: %v", there, bytes, n.file != nil)
		}
	}
}
