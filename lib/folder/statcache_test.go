package folder

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// stats returns the stat of n files, each another.
func stats(t testing.TB, n int) (names []string, infos []fs.FileInfo) {
	t.Helper()
	dir := t.TempDir()
	for i := range n {
		name := fmt.Sprintf("%06d", i)
		check(t, os.WriteFile(filepath.Join(dir, name), []byte(name), 0o644))
		info, err := os.Lstat(filepath.Join(dir, name))
		check(t, err)
		names, infos = append(names, name), append(infos, info)
	}
	return names, infos
}

func TestStatCache(t *testing.T) {
	names, infos := stats(t, 3000) // several pages
	path := filepath.Join(t.TempDir(), "stat", "cache")
	write := func(keep bool) {
		c := openStatCache(path)
		c.create()
		for i, name := range names {
			c.add(name, infos[i], [32]byte{byte(i), byte(i >> 8)}, time.Time{})
		}
		check(t, c.close(keep))
	}
	write(false)
	if _, err := os.Stat(path); err == nil {
		t.Error("an import that failed leaves a cache")
	}
	write(true)
	if got := records(t, path); !slices.Equal(got, names) {
		t.Fatalf("%d records, not %d", len(got), len(names))
	}
	whole, err := os.ReadFile(path)
	check(t, err)
	// what matches is known, in any ascending subset; what does not, is not
	c := openStatCache(path)
	for i := 0; i < len(names); i += 7 {
		if _, ok := c.lookup(names[i]+"-", infos[i]); ok {
			t.Fatal("a name that is not there is known")
		}
		if i+1 == len(names) {
			break
		}
		if sum, ok := c.lookup(names[i+1], infos[i+1]); !ok || sum != [32]byte{byte(i + 1), byte((i + 1) >> 8)} {
			t.Fatalf("%s is not known", names[i+1])
		}
		if _, ok := c.lookup(names[i+2], infos[i+3]); ok {
			t.Fatal("a file is known by the stat of another")
		}
	}
	c.closeIn()
	// where it is damaged it ends, and what it said before holds
	for _, at := range []int{0, 5, len(statMagic), len(statMagic) + 4, len(statMagic) + statHead, len(whole) / 2, len(whole) - 1} {
		for _, bad := range [][]byte{flip(whole, at), whole[:at]} {
			check(t, os.WriteFile(path, bad, 0o600))
			got := records(t, path)
			if len(got) >= len(names) || !slices.Equal(got, names[:len(got)]) {
				t.Errorf("damaged at byte %d it has %d records", at, len(got))
			}
			if at == len(whole)/2 && len(got) == 0 {
				t.Error("damage in the middle costs everything")
			}
		}
	}
	check(t, os.Remove(path))
	check(t, os.Mkdir(path, 0o755))
	if got := records(t, path); len(got) != 0 {
		t.Errorf("a folder in its place has %q", got)
	}
}

func flip(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 0x10
	return b
}

// The bytes of a cache, by hand from FORMAT.md.
func TestStatCacheGolden(t *testing.T) {
	const record = "03612f62" + // 3 bytes, a/b
		"0500000000000000" + "0100000000000000" + "ffffffffffffffff" + "0700000000000000" + "0800000000000000" +
		"aa000000000000000000000000000000000000000000000000000000000000bb"
	path := filepath.Join(t.TempDir(), "cache")
	data, err := hex.DecodeString(record)
	check(t, err)
	// the checksum is CRC-32C's own: of "123456789" it is E3069283
	page := append([]byte{byte(len(data)), 0, 0, 0}, crcOf(data)...)
	check(t, os.WriteFile(path, slices.Concat([]byte("hc-stat 1\n"), page, data), 0o600))
	c := openStatCache(path)
	defer c.closeIn()
	want := statRecord{fileStat{size: 5, mtime: 1, ctime: -1, inode: 7, device: 8}, [32]byte{0: 0xaa, 31: 0xbb}}
	if c.name != "a/b" || c.next != want {
		t.Errorf("read as %q %+v", c.name, c.next)
	}
}

func crcOf(data []byte) []byte {
	crc := ^uint32(0)
	for _, b := range data {
		crc ^= uint32(b)
		for range 8 {
			crc = crc>>1 ^ 0x82F63B78&-(crc&1)
		}
	}
	crc = ^crc
	return []byte{byte(crc), byte(crc >> 8), byte(crc >> 16), byte(crc >> 24)}
}

// Entries whose times are too near to the moment of reading are racy: they are not kept.
func TestStatCacheIsNotRacy(t *testing.T) {
	names, infos := stats(t, 1)
	stat, ok := statOf(infos[0])
	if !ok {
		t.Skip("this system tells too little of files")
	}
	newest := time.Unix(0, max(stat.mtime, stat.ctime))
	for after, kept := range map[time.Duration]bool{
		-time.Hour: false, 0: false, time.Millisecond: false, raceWindow: false, raceWindow + 1: true, time.Hour: true,
	} {
		path := filepath.Join(t.TempDir(), "cache")
		c := openStatCache(path)
		c.create()
		c.add(names[0], infos[0], [32]byte{}, newest.Add(after))
		check(t, c.close(true))
		if got := len(records(t, path)) == 1; got != kept {
			t.Errorf("read %v after it was written it is kept: %v", after, got)
		}
	}
}

func TestStatCacheLeftovers(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "cache")
	put(t, dir, map[string]string{"cache.1.new": "old", "cache.2.new": "fresh", "other.1.new": "of another"})
	for _, name := range []string{"cache.1.new", "other.1.new"} {
		check(t, os.Chtimes(filepath.Join(dir, name), time.Time{}, time.Now().Add(-2*time.Hour)))
	}
	c := openStatCache(path)
	c.create()
	check(t, c.close(true))
	entries, err := os.ReadDir(dir)
	check(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if got := strings.Join(names, " "); got != "cache cache.2.new other.1.new" {
		t.Errorf("left are %s", got)
	}
}

func FuzzStatCache(f *testing.F) {
	f.Add([]byte(statMagic + "\x01\x00\x00\x00aaaaa"))
	f.Add([]byte(statMagic))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "cache")
		check(t, os.WriteFile(path, data, 0o600))
		if names := records(t, path); !slices.IsSorted(names) {
			t.Errorf("names %q", names)
		}
	})
}
