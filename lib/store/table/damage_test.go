package table

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sort"
	"testing"
)

// small returns tables of three data pages, one for each kind of page.
func small(t testing.TB) []sample {
	t.Helper()
	r := newRand(1)
	return []sample{
		newSample(t, indexSchema, makeRows(r, indexSchema, hashKeys(r, 180))),
		newSample(t, treeSchema, makeRows(r, treeSchema, integers(250, 3, func(int) uint64 { return 1 }))),
		newSample(t, treeSchema, makeRows(r, treeSchema, integers(190, 0, func(i int) uint64 { return 1 + uint64(i/120) }))),
		newFiltered(t, makeRows(r, indexSchema, hashKeys(r, 180)), 180),
	}
}

type sample struct {
	schema Schema
	rows   []Row
	file   []byte
	filter uint64 // blocks
}

func newSample(t testing.TB, s Schema, rows []Row) sample {
	t.Helper()
	fsys := newMemFS()
	writeTable(t, fsys, "t", s, rows)
	return sample{s, rows, fsys.bytes(t, "t"), 0}
}

// open opens other bytes as if they were the sample's.
func (s sample) open(file []byte) (*Table, error) {
	fsys := newMemFS()
	fsys.put("t", file)
	return Open(fsys, "t", s.schema, NewCache(0, 0))
}

// Every flipped bit is found by Open or Verify, and no look-up returns a wrong row.
func TestEveryFlippedBit(t *testing.T) {
	r := newRand(1)
	for i, s := range []sample{
		newSample(t, indexSchema, makeRows(r, indexSchema, hashKeys(r, 70))),
		newSample(t, treeSchema, makeRows(r, treeSchema, integers(90, 3, func(int) uint64 { return 1 }))),
		newFiltered(t, makeRows(r, indexSchema, hashKeys(r, 70)), 70),
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			file := bytes.Clone(s.file)
			for bit := 0; bit < 8*len(file); bit += stride(23) {
				file[bit/8] ^= 1 << (bit % 8)
				table, err := s.open(file)
				if err == nil {
					err = table.Verify(ctx)
					if bit%17 == 0 {
						s.neverWrong(t, table, bit)
					}
					table.Close()
				}
				if !errors.Is(err, ErrDamaged) {
					t.Fatalf("bit %d of byte %d flipped: %v", bit%8, bit/8, err)
				}
				file[bit/8] ^= 1 << (bit % 8)
			}
		})
	}
}

// neverWrong makes a look-up and a scan in a damaged table: right, or ErrDamaged.
func (s sample) neverWrong(t *testing.T, table *Table, seed int) {
	t.Helper()
	i := seed % len(s.rows)
	key := s.rows[i].Key
	value, ok, err := table.Get(ctx, key)
	if !errors.Is(err, ErrDamaged) && (err != nil || !ok || !bytes.Equal(value, s.rows[i].Value)) {
		t.Fatalf("Get(%x) = %x, %v, %v in a damaged table", key, value, ok, err)
	}
	key = neighbour(key, 1)
	want, equal := sort.Find(len(s.rows), func(i int) int { return bytes.Compare(key, s.rows[i].Key) })
	if !equal {
		want--
	}
	floor, _, ok, err := table.Floor(ctx, key)
	if !errors.Is(err, ErrDamaged) && (err != nil || !ok || !bytes.Equal(floor, s.rows[want].Key)) {
		t.Fatalf("Floor(%x) = %x, %v, %v in a damaged table", key, floor, ok, err)
	}
	i = 0
	for row, err := range table.Scan(ctx, nil) {
		if err != nil {
			break
		}
		if i >= len(s.rows) || !bytes.Equal(row.Key, s.rows[i].Key) || !bytes.Equal(row.Value, s.rows[i].Value) {
			t.Fatalf("row %d is wrong in a damaged table", i)
		}
		i++
	}
}

// A file that is cut, or has bytes after its end, does not open.
func TestWrongLength(t *testing.T) {
	for _, s := range small(t) {
		for length := 0; length < len(s.file); length += 1 + length%7 {
			if _, err := s.open(s.file[:length:length]); !errors.Is(err, ErrDamaged) {
				t.Fatalf("cut to %d bytes: %v", length, err)
			}
		}
		for _, more := range []int{1, pageSize} {
			if _, err := s.open(append(bytes.Clone(s.file), make([]byte, more)...)); !errors.Is(err, ErrDamaged) {
				t.Fatalf("%d bytes behind it: %v", more, err)
			}
		}
	}
}

// What a power cut leaves of a table that was not synced: its length, and any of its sectors.
func TestLostSectors(t *testing.T) {
	const sector = 512
	r := newRand(1)
	for _, s := range small(t) {
		for range 300 {
			file := bytes.Clone(s.file)
			lost := 0
			for at := 0; at < len(file); at += sector {
				if r.IntN(8) == 0 && !bytes.Equal(file[at:at+sector], make([]byte, sector)) {
					clear(file[at : at+sector])
					lost++
				}
			}
			table, err := s.open(file)
			if err == nil {
				s.neverWrong(t, table, r.IntN(1000))
				err = table.Verify(ctx)
			}
			if errors.Is(err, ErrDamaged) != (lost > 0) {
				t.Fatalf("%d sectors lost: %v", lost, err)
			}
		}
	}
}

// A good page in a wrong place, or of another table with the very same rows, is found.
func TestMisplacedPages(t *testing.T) {
	for _, s := range small(t) {
		twin := newSample(t, s.schema, s.rows)
		if s.filter > 0 {
			twin = newFiltered(t, s.rows, uint64(len(s.rows)))
		}
		swapped := bytes.Clone(s.file)
		copy(swapped[pageSize:2*pageSize], s.file[2*pageSize:])
		copy(swapped[2*pageSize:3*pageSize], s.file[pageSize:])
		foreign := bytes.Clone(s.file)
		copy(foreign[2*pageSize:3*pageSize], twin.file[2*pageSize:])
		header := bytes.Clone(s.file)
		copy(header[:pageSize], twin.file)
		for name, file := range map[string][]byte{"swapped": swapped, "foreign": foreign, "header": header} {
			table, err := s.open(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := table.Verify(ctx); !errors.Is(err, ErrDamaged) {
				t.Errorf("%s: %v", name, err)
			}
			s.neverWrong(t, table, 1)
		}
	}
}

func TestOtherSchema(t *testing.T) {
	s := small(t)[1]
	for _, other := range []Schema{
		{Magic: [4]byte{'t', 'r', 'e', 'f'}, KeySize: 8, ValueSize: 40},
		{Magic: treeSchema.Magic, KeySize: 9, ValueSize: 40},
		{Magic: treeSchema.Magic, KeySize: 8, ValueSize: 39},
	} {
		fsys := newMemFS()
		fsys.put("t", s.file)
		if _, err := Open(fsys, "t", other, NewCache(0, 0)); !errors.Is(err, ErrDamaged) {
			t.Errorf("opened as %v: %v", other, err)
		}
	}
}

// Pages with a valid checksum are refused if their content is wrong.
func TestLies(t *testing.T) {
	sparse, dense := small(t)[0], small(t)[1]
	for _, test := range []struct {
		name   string
		sample sample
		page   uint64
		lie    func(page []byte)
	}{
		{"magic", sparse, 0, func(p []byte) { p[0] = 'x' }},
		{"version", sparse, 0, func(p []byte) { p[8] = 2 }},
		{"page size", sparse, 0, func(p []byte) { p[21] = 32 }},
		{"one page less", sparse, 0, func(p []byte) { p[40]-- }},
		{"pages overflow", sparse, 0, func(p []byte) { p[46] = 16 }},
		{"no rows", sparse, 0, func(p []byte) { binary.LittleEndian.PutUint64(p[32:], 0) }},
		{"fewer rows than pages", sparse, 0, func(p []byte) { binary.LittleEndian.PutUint64(p[32:], 2) }},
		{"more rows than fit", sparse, 0, func(p []byte) { binary.LittleEndian.PutUint64(p[32:], 3*78+1) }},
		{"one row more", sparse, 0, func(p []byte) { p[32]++ }},
		{"first key lower", sparse, 0, func(p []byte) { clear(p[48:80]) }},
		{"first key above last", sparse, 0, func(p []byte) { p[48] = 255; p[80] = 0 }},
		{"last key higher", sparse, 0, func(p []byte) { p[111]++ }},
		{"kind", sparse, 2, func(p []byte) { p[0] = 3 }},
		{"zero byte", sparse, 2, func(p []byte) { p[1] = 1 }},
		{"no rows in a page", sparse, 2, func(p []byte) { p[2] = 0 }},
		{"too many rows in a page", sparse, 2, func(p []byte) { p[2]++ }},
		{"dense page of long keys", sparse, 2, func(p []byte) { p[0] = 2 }},
		{"keys out of order", sparse, 2, func(p []byte) { p[4] = 255 }},
		{"equal keys", sparse, 2, func(p []byte) { copy(p[4:36], p[4+52:]) }},
		{"first page begins higher", sparse, 1, func(p []byte) { p[35]++ }},
		{"last page ends early", sparse, 3, func(p []byte) { p[2]-- }},
		{"too many rows in a dense page", dense, 2, func(p []byte) { p[2]++ }},
		{"dense page overflows", dense, 2, func(p []byte) { copy(p[4:], bytes.Repeat([]byte{255}, 8)) }},
		{"dense page overlaps the one before", dense, 2, func(p []byte) { p[11]-- }},
		{"dense page moved up", dense, 1, func(p []byte) { p[11]++ }},
	} {
		t.Run(test.name, func(t *testing.T) {
			file := bytes.Clone(test.sample.file)
			page := file[test.page*pageSize:][:pageSize]
			test.lie(page)
			seal(page, [8]byte(file[24:32]), test.page)
			table, err := test.sample.open(file)
			if err == nil {
				err = table.Verify(ctx)
			}
			if !errors.Is(err, ErrDamaged) {
				t.Errorf("taken: %v", err)
			}
		})
	}
}

// Look-ups find a page with keys that belong elsewhere as soon as they meet it.
func TestLieInLookUp(t *testing.T) {
	s := small(t)[1]
	file := bytes.Clone(s.file)
	page := file[3*pageSize:]
	page[pageHead+7]++
	seal(page, [8]byte(file[24:32]), 3)
	table, err := s.open(file)
	if err != nil {
		t.Fatal(err)
	}
	key := s.rows[len(s.rows)-10].Key
	if _, _, err := table.Get(ctx, key); !errors.Is(err, ErrDamaged) {
		t.Errorf("Get: %v", err)
	}
	if _, _, _, err := table.Floor(ctx, key); !errors.Is(err, ErrDamaged) {
		t.Errorf("Floor: %v", err)
	}
	if n := len(table.cache.shards[0].free); n+table.cache.shards[0].room+len(table.cache.shards[0].frames) != 16 {
		t.Errorf("cache lost a page to an error")
	}
}

// FuzzTable changes a table in some places, with valid checksums or not. Nothing panics; if the checksums are left
// alone, no row is wrong.
func FuzzTable(f *testing.F) {
	samples := small(f)
	f.Add(uint8(0), false, []byte{0, 1, 255})
	f.Add(uint8(1), true, []byte{16, 4, 1, 32, 2, 7})
	f.Add(uint8(2), true, []byte{0, 40, 1, 0, 32, 255, 16, 0, 3})
	f.Add(uint8(3), true, []byte{16, 4, 1, 0, 112, 2})
	f.Fuzz(func(t *testing.T, which uint8, sealAgain bool, changes []byte) {
		s := samples[int(which)%len(samples)]
		file := bytes.Clone(s.file)
		for ; len(changes) >= 3; changes = changes[3:] {
			file[int(binary.BigEndian.Uint16(changes))%len(file)] ^= changes[2]
		}
		if sealAgain {
			sealAll(s, file)
		}
		table, err := s.open(file)
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Fatal(err)
			}
			return
		}
		defer table.Close()
		if !sealAgain {
			s.neverWrong(t, table, len(file))
			for _, row := range s.rows {
				value, ok, err := table.Get(ctx, row.Key)
				if !errors.Is(err, ErrDamaged) && (err != nil || !ok || !bytes.Equal(value, row.Value)) {
					t.Fatalf("Get(%x) = %x, %v, %v", row.Key, value, ok, err)
				}
			}
			return
		}
		readHostile(t, newRand(uint64(which)), s, table)
	})
}

// sealAll makes all checksums of a sample's file valid again.
func sealAll(s sample, file []byte) {
	id := [8]byte(file[24:32])
	seal(file[:pageSize], id, 0)
	data := 1
	for ; s.filter > 0 && data == 1; data++ { // one page of blocks
		for n := range s.filter {
			block := file[pageSize+n*filterBlock:][:filterBlock]
			binary.LittleEndian.PutUint32(block[filterBody:], filterSum(block, id, n))
		}
	}
	for n := data; n < len(file)/pageSize; n++ {
		seal(file[n*pageSize:][:pageSize], id, uint64(n-data+1))
	}
}

// readHostile reads a table that may say anything: errors are damage, keys ascend, and no more rows come than there can
// be.
func readHostile(t *testing.T, r *rand.Rand, s sample, table *Table) {
	t.Helper()
	for range 50 {
		key := s.rows[r.IntN(len(s.rows))].Key
		if r.IntN(2) == 0 {
			key = randomBytes(r, len(key))
		}
		if _, _, err := table.Get(ctx, key); err != nil && !errors.Is(err, ErrDamaged) {
			t.Fatal(err)
		}
		floor, _, ok, err := table.Floor(ctx, key)
		if err != nil && !errors.Is(err, ErrDamaged) || ok && bytes.Compare(floor, key) > 0 {
			t.Fatalf("Floor(%x) = %x, %v", key, floor, err)
		}
		var last []byte
		for row, err := range table.Scan(ctx, key) {
			if err != nil && !errors.Is(err, ErrDamaged) {
				t.Fatal(err)
			}
			if err == nil && (bytes.Compare(row.Key, key) < 0 || bytes.Compare(row.Key, last) <= 0) {
				t.Fatalf("Scan(%x) yields %x after %x", key, row.Key, last)
			}
			last = append(last[:0], row.Key...)
		}
	}
	if err := table.Verify(ctx); err != nil && !errors.Is(err, ErrDamaged) {
		t.Fatal(err)
	}
}
