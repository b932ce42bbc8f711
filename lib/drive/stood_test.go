package drive_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"hc/lib/store"
)

// packed returns the bytes of a store's packs.
func packed(t testing.TB, in *store.Store) (total int64) {
	t.Helper()
	packs, err := filepath.Glob(filepath.Join(in.Dir(), "packs", "*.pack"))
	check(t, err)
	for _, pack := range packs {
		info, err := os.Stat(pack)
		check(t, err)
		total += info.Size()
	}
	return total
}

// scattered returns data with a byte in each step replaced by a few others, which shifts the bytes after it.
func scattered(data []byte, step int, seed uint64) []byte {
	var out []byte
	for i, part := range slices.Collect(slices.Chunk(data, step)) {
		out = append(out, random(seed+uint64(i), 1+i%5)...)
		out = append(out, part[1:]...)
	}
	return out
}

// TestImportScattered imports versions of files in which every chunk has changed: only the differences are stored,
// even if a version is in pieces, or the file has another name now. New content is stored as a whole.
func TestImportScattered(t *testing.T) {
	in := newStore(t)
	large := random(5, 4<<20)
	f := folder{"large": plain(string(large)), "small": plain(string(random(6, 5000)))}
	grew := func() int64 {
		before := packed(t, in)
		result := take(t, in, f.stream(t, nil))
		f.holds(t, newest(t, in))
		if result.Bytes == 0 {
			t.Errorf("nothing was appended: %+v", result)
		}
		return packed(t, in) - before
	}
	if first := grew(); first < 4<<20 {
		t.Errorf("random data took %d bytes", first)
	}
	versions := uint64(3)
	if testing.Short() {
		versions = 1
	}
	for version := range versions {
		large = scattered(large, 4<<10, 1000*version)
		f = folder{"large": plain(string(large)), "small": plain(string(scattered([]byte(f["small"].data), 3000, version)))}
		if got := grew(); got > 300<<10 {
			t.Errorf("version %d took %d bytes, of which 1024 places are new", version+2, got)
		}
	}
	at := len(large) / 2
	large = slices.Concat(large[:at], random(7, 100<<10), large[at:])
	f = folder{"large": plain(string(large)), "small": f["small"]}
	if got := grew(); got < 100<<10 || got > 180<<10 {
		t.Errorf("100 KiB that were inserted took %d bytes", got)
	}
	large = bytes.Clone(large)
	large[at/2]++
	f = folder{"renamed": plain(string(large)), "small": f["small"]}
	if got := grew(); got > 28<<10 { // it names its blocks, which are many
		t.Errorf("a file with another name and byte took %d bytes", got)
	}
}
