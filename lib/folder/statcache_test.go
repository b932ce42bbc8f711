package folder

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"hc/lib/keys"
	"hc/lib/stream"
)

// lstatOf looks at a file.
func lstatOf(t testing.TB, path string) fileStat {
	t.Helper()
	at, err := os.OpenRoot(filepath.Dir(path))
	check(t, err)
	defer at.Close()
	dir, err := at.Open(".")
	check(t, err)
	defer dir.Close()
	stat, err := lstat(at, dir, filepath.Base(path))
	check(t, err)
	return stat
}

// someRecords are n records of all kinds, in order.
func someRecords(n int) (all []record) {
	dice := rand.New(rand.NewPCG(1, 2))
	entry := func() fileEntry {
		if dice.IntN(4) == 0 {
			return fileEntry{Target: strings.Repeat("x", 1+dice.IntN(300))}
		}
		return fileEntry{Mode: 0o644, SHA256: [32]byte{byte(dice.Uint32()), 31: byte(dice.Uint32())}}
	}
	for i := range n {
		r := record{path: fmt.Appendf(nil, "%06d/%s", i, strings.Repeat("p", dice.IntN(100))), here: here(dice.IntN(3)), drive: has(dice.IntN(4))}
		if r.here == hereNothing && r.drive <= hasSame {
			r.drive = hasStrange
		}
		switch r.here {
		case hereFile:
			r.entry = fileEntry{Mode: 0o755, SHA256: [32]byte{byte(i)}}
			if r.told = dice.IntN(2) == 0; r.told {
				r.stat = fileStat{mode: 0o755, size: int64(i), mtime: -1, ctime: 1 << 60, inode: 1<<64 - 1, device: 7}
			}
		case hereLink:
			r.entry = fileEntry{Target: "to"}
		}
		if r.drive == hasOther {
			r.other = entry()
		}
		all = append(all, r)
	}
	return all
}

func same(a, b record) bool {
	return string(a.path) == string(b.path) && a.here == b.here && a.entry == b.entry && a.stat == b.stat && a.told == b.told && a.drive == b.drive && a.other == b.other
}

// writeCache writes a cache of records.
func writeCache(t testing.TB, path string, origin statOrigin, led *stream.Since, all []record) {
	t.Helper()
	c := createStatCache(path, origin)
	for _, r := range all {
		c.add(r.append(nil))
	}
	check(t, c.keep(led))
}

// readCache returns the records in a cache; ok is false if it is not one.
func readCache(t testing.TB, path string) (all []record, ok bool) {
	t.Helper()
	c := openStatCache(path)
	if c == nil {
		return nil, false
	}
	defer c.close()
	for c.ok {
		r := c.next
		r.path, r.raw = bytes.Clone(r.path), bytes.Clone(r.raw)
		all = append(all, r)
		check(t, c.advance())
	}
	return all, true
}

func TestStatCache(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stat", "cache")
	want := someRecords(3000) // several pages
	origin := statOrigin{key: keys.Key{1, 31: 2}, since: stream.Since{Fork: 1, Length: 2, TreeHash: [32]byte{3}}}
	led := &stream.Since{Fork: 4, Length: 5, TreeHash: [32]byte{31: 6}}
	dropped := createStatCache(path, origin)
	dropped.drop()
	if _, err := os.Stat(path); err == nil {
		t.Error("what is dropped is kept")
	}
	writeCache(t, path, origin, led, want)
	got, ok := readCache(t, path)
	if !ok || !slices.EqualFunc(got, want, same) {
		t.Fatalf("%d records are read as %d, %v", len(want), len(got), ok)
	}
	for i, r := range got {
		if !bytes.Equal(r.raw, want[i].append(nil)) {
			t.Fatalf("record %d stands there as %x", i, r.raw)
		}
	}
	c := openStatCache(path)
	if origin.led = *led; c.statOrigin != origin {
		t.Errorf("it is of %+v", c.statOrigin)
	}
	c.close()
	if names, err := os.ReadDir(filepath.Dir(path)); err != nil || len(names) != 1 {
		t.Errorf("beside it stand %v, %v", names, err)
	}
}

// Of a cache of which one bit is wrong, which is cut short or goes on, nothing is taken.
func TestStatCacheDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cache")
	writeCache(t, path, statOrigin{}, nil, someRecords(2000))
	whole, err := os.ReadFile(path)
	check(t, err)
	bad := func(what string, data []byte) {
		check(t, os.WriteFile(path, data, 0o600))
		if _, ok := readCache(t, path); ok {
			t.Errorf("%s it is taken", what)
		}
	}
	dice := rand.New(rand.NewPCG(3, 4))
	places := []int{0, 5, len(statMagic), statFirst - 1, statFirst, statFirst + 4, statFirst + 8, len(whole) - 8, len(whole) - 1}
	for range 100 {
		places = append(places, dice.IntN(len(whole)))
	}
	for _, at := range places {
		flipped := bytes.Clone(whole)
		flipped[at] ^= 1 << dice.IntN(8)
		bad(fmt.Sprintf("with a bit of byte %d flipped", at), flipped)
		bad(fmt.Sprintf("with its first %d bytes", at), whole[:at])
	}
	bad("with a byte behind it", append(bytes.Clone(whole), 0))
	first := statFirst + 8 + int(binary.LittleEndian.Uint32(whole[statFirst:]))
	bad("without its first page", slices.Concat(whole[:statFirst], whole[first:]))
	bad("with its first page twice", slices.Concat(whole[:first], whole[statFirst:]))
	bad("with zeros, as a crash leaves them,", make([]byte, len(whole)))
	check(t, os.Remove(path))
	check(t, os.Mkdir(path, 0o755))
	if _, ok := readCache(t, path); ok {
		t.Error("a folder in its place is taken")
	}
	check(t, os.Remove(path))
	check(t, os.WriteFile(path, whole, 0o600))
	if got, ok := readCache(t, path); !ok || len(got) != 2000 {
		t.Errorf("unharmed it has %d records, %v", len(got), ok)
	}
}

// The bytes of a cache, by hand from FORMAT.md.
func TestStatCacheGolden(t *testing.T) {
	sum := "aa000000000000000000000000000000000000000000000000000000000000bb"
	page := unhex(t, "0d"+"03612f62"+"ed01"+sum+ // a file with its stat, the same in the drive
		"0500000000000000"+"0100000000000000"+"ffffffffffffffff"+"0700000000000000"+"0800000000000000"+
		"32"+"0163"+"0178"+"0179"+ // a link c to x, y in the drive
		"11"+"0164"+"a401"+sum+"ed01"+sum+ // a file without, another mode in the drive
		"18"+"0165") // only in the drive, and strange
	head := slices.Concat(unhex(t, strings.Repeat("0b", 32)),
		unhex(t, "0100000000000000"+"0200000000000000"), unhex(t, strings.Repeat("0c", 32)), make([]byte, 48))
	before := crcOf(slices.Concat(make([]byte, 4), page))
	data := slices.Concat([]byte("hc-stat 2\n"), head, crcOf(head),
		[]byte{byte(len(page)), 0, 0, 0}, before, page, make([]byte, 4), crcOf(before))
	path := filepath.Join(t.TempDir(), "cache")
	check(t, os.WriteFile(path, data, 0o600))
	got, ok := readCache(t, path)
	digest := [32]byte{0: 0xaa, 31: 0xbb}
	want := []record{
		{path: []byte("a/b"), here: hereFile, entry: fileEntry{Mode: 0o755, SHA256: digest}, told: true,
			stat: fileStat{mode: 0o755, size: 5, mtime: 1, ctime: -1, inode: 7, device: 8}, drive: hasSame},
		{path: []byte("c"), here: hereLink, entry: fileEntry{Target: "x"}, drive: hasOther, other: fileEntry{Target: "y"}},
		{path: []byte("d"), here: hereFile, entry: fileEntry{Mode: 0o644, SHA256: digest}, drive: hasOther, other: fileEntry{Mode: 0o755, SHA256: digest}},
		{path: []byte("e"), drive: hasStrange},
	}
	if !ok || !slices.EqualFunc(got, want, same) {
		t.Errorf("read as %+v, %v", got, ok)
	}
	origin := statOrigin{key: keys.Key(bytes.Repeat([]byte{0x0b}, 32)), since: stream.Since{Fork: 1, Length: 2, TreeHash: [32]byte(bytes.Repeat([]byte{0x0c}, 32))}}
	writeCache(t, path, origin, nil, want)
	if written, err := os.ReadFile(path); err != nil || !bytes.Equal(written, data) {
		t.Errorf("written as\n%x\nwant\n%x", written, data)
	}
}

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	check(t, err)
	return b
}

// crcOf is CRC-32C by its definition: of "123456789" it is E3069283.
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

func TestRecordRefused(t *testing.T) {
	sum := strings.Repeat("00", 32)
	for name, text := range map[string]string{
		"nothing":               "",
		"no path":               "18",
		"an empty path":         "1800",
		"a short path":          "180261",
		"a path over the limit": "18" + "8120" + strings.Repeat("61", 4097),
		"nothing anywhere":      "000161",
		"the same as nothing":   "080161",
		"a third kind":          "1b0161",
		"more bits":             "580161",
		"a short file":          "190161a401" + sum[2:],
		"a mode of more bits":   "190161ff03" + sum,
		"a link with a stat":    "1e01610162" + strings.Repeat("00", 40),
		"a short stat":          "1d0161a401" + sum + strings.Repeat("00", 39),
		"a short link":          "1a01610262",
		"a link that is none":   "380161",
		"a short other":         "100161a401" + sum[2:],
	} {
		var r record
		if _, err := r.parse(unhex(t, text)); err == nil {
			t.Errorf("%s: read as %+v", name, r)
		}
	}
}

// Entries whose times are too near to the moment of reading are racy.
func TestIsRacy(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, map[string]string{"a": "a"})
	stat := lstatOf(t, dir+"/a")
	if !stat.telling() {
		t.Skip("this system tells too little of files")
	}
	for after, racy := range map[time.Duration]bool{
		-time.Hour: true, 0: true, time.Millisecond: true, raceWindow: true, raceWindow + 1: false, time.Hour: false,
	} {
		if got := isRacy(stat, stat.youngest().Add(after)); got != racy {
			t.Errorf("read %v after it was written it is racy: %v", after, got)
		}
	}
	stat.far = true
	if !isRacy(stat, time.Now().Add(time.Hour)) {
		t.Error("a stat that tells too little is believed")
	}
}

// What is looked at in a folder is what a FileInfo tells of the same names.
func TestStatIsThatOfOS(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, map[string]string{"file": "four", "folder/": "", "link": "->file", "run": ""})
	check(t, os.Chmod(dir+"/run", 0o751))
	check(t, os.Chtimes(dir+"/file", time.Time{}, time.Unix(-5, 999999999)))
	for _, name := range []string{"file", "folder", "link", "run"} {
		stat := lstatOf(t, filepath.Join(dir, name))
		info, err := os.Lstat(filepath.Join(dir, name))
		check(t, err)
		if stat.mode != info.Mode() || stat.size != info.Size() || stat.mtime != info.ModTime().UnixNano() {
			t.Errorf("%s: %+v, not %v %d %v", name, stat, info.Mode(), info.Size(), info.ModTime())
		}
		if again := lstatOf(t, filepath.Join(dir, name)); !again.as(stat) || !again.sameAs(stat) {
			t.Errorf("%s changes by itself", name)
		}
		if other := lstatOf(t, dir); other.sameAs(stat) {
			t.Errorf("%s is its folder", name)
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
	writeCache(t, path, statOrigin{}, nil, nil)
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
	for _, r := range someRecords(20) {
		f.Add(r.append(nil))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var r record
		rest, err := r.parse(data)
		if err != nil {
			return
		}
		if again := r.append(nil); len(again)+len(rest) > len(data) || !bytes.Equal(r.raw, data[:len(data)-len(rest)]) {
			t.Errorf("%x is written as %x", data, again)
		}
		path := filepath.Join(t.TempDir(), "cache")
		writeCache(t, path, statOrigin{}, nil, []record{r})
		if got, ok := readCache(t, path); !ok || len(got) != 1 || !same(got[0], r) {
			t.Errorf("%+v is read as %+v", r, got)
		}
	})
}
