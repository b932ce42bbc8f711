package hypercore

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"testing"

	"hc/lib/hash"
)

// A download that is saved as it comes is compressed; one that has come faster than it was saved is stored as it came.
func TestSaveBehind(t *testing.T) {
	const count, size = 96, 100 << 10
	from := newStore(t)
	blocks := make([][]byte, count)
	for i := range blocks {
		blocks[i] = bytes.Repeat(fmt.Appendf(nil, "%x\n", hash.Leaf(fmt.Append(nil, i))), size/65)
	}
	key, _ := appended(t, from, "log", AppendOptions{}, blocks...)
	for name, c := range map[string]struct {
		each uint64 // blocks after which it is saved
		raw  bool
	}{"in time": {count / 4, false}, "behind": {count, true}} {
		dir := t.TempDir() + "/.hc"
		a := newAsker(t, from, openAt(t, dir), key)
		a.upgrade()
		for block := range uint64(count) {
			a.block(block)
			if (block+1)%c.each == 0 {
				a.save()
			}
		}
		if stored := stored(t, dir); stored >= count*size/2 != c.raw {
			t.Errorf("%s: %d bytes of text take %d", name, count*size, stored)
		}
	}
}

// stored is how many bytes the files of a store have.
func stored(t *testing.T, dir string) (bytes int64) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(dir), ".", func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			bytes += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return bytes
}
