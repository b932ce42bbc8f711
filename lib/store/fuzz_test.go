package store

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"hc/lib/hash"
	"hc/lib/keys"
	"hc/lib/store/packlog"
)

func sampleDerived() (*applied, *coreFile) {
	leaf := hash.Leaf([]byte("x"))
	at := packlog.Position{Pack: 3, Offset: 4096, ID: 77}
	a := &applied{
		position: at, next: 900,
		open:  []openAppend{{id: packlog.AppendID{1, 2}, first: at}},
		packs: []packlog.Position{at},
		index: []tableRef{{level: 1, number: 4, rows: 5, limit: noLimit}},
		cores: []coreRef{{keys.Key{1}, 5}, {keys.Key{2}, 6}},
	}
	head := Head{Length: 9, ByteLength: 400, TreeHash: leaf, Signature: []byte("s")}
	c := &coreFile{
		key: keys.Key{1}, manifest: []byte("m"), known: true, head: head,
		tree: []tableRef{{number: 7, limit: 15}}, runs: []tableRef{{level: 2, number: 8, limit: noLimit}},
		ranges: []blockRange{{0, 4}, {6, 9}}, rangesFile: 0, seen: []Head{head},
	}
	return a, c
}

func FuzzDerived(f *testing.F) {
	a, c := sampleDerived()
	f.Add(a.encode())
	f.Add(c.encode())
	f.Fuzz(func(t *testing.T, raw []byte) {
		// Checksums keep a fuzzer out, so both are tried with one that is right.
		sealed := seal(bytes.Clone(raw[:max(0, len(raw)-4)]))
		if a, err := decodeApplied(sealed); err == nil {
			if _, err := decodeApplied(a.encode()); err != nil {
				t.Fatal(err)
			}
		}
		if c, err := decodeCoreFile(sealed); err == nil {
			if _, err := decodeCoreFile(c.encode()); err != nil {
				t.Fatal(err)
			}
		}
		if a, err := decodeApplied(raw); err == nil && !bytes.Equal(a.encode(), raw) && len(raw) == len(a.encode()) {
			t.Logf("a second spelling of %x", raw)
		}
	})
}

func TestDerivedRoundTrip(t *testing.T) {
	a, c := sampleDerived()
	b, err := decodeApplied(a.encode())
	if err != nil || !bytes.Equal(b.encode(), a.encode()) {
		t.Fatalf("applied: %+v, %v", b, err)
	}
	d, err := decodeCoreFile(c.encode())
	if err != nil || !bytes.Equal(d.encode(), c.encode()) {
		t.Fatalf("core: %+v, %v", d, err)
	}
	for _, raw := range [][]byte{a.encode(), c.encode()} {
		for i := range raw {
			raw[i] ^= 1
			if _, err := decodeApplied(raw); err == nil {
				t.Fatalf("applied passes with byte %d changed", i)
			}
			if _, err := decodeCoreFile(raw); err == nil {
				t.Fatalf("core passes with byte %d changed", i)
			}
			raw[i] ^= 1
		}
	}
}

// TestRowSet compares the rows of a set with an array of blocks.
func TestRowSet(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	for range 300 {
		var set rowSet
		var plain [64]uint32 // which addition says something of a block, plus 1
		for n := range uint32(12) {
			var rows []row
			for at := uint64(r.IntN(40)); at < 60 && len(rows) < 4; {
				count := 1 + r.Uint64N(4)
				rows = append(rows, row{first: at, count: count, kind: rowPlaced, place: place{At: n*1000 + uint32(at)}})
				for b := at; b < at+count; b++ {
					plain[b] = n*1000 + uint32(b) + 1
				}
				at += count + r.Uint64N(5)
			}
			set.add(rows)
			if r.IntN(8) == 0 {
				length := r.Uint64N(64)
				set.cut(length)
				clear(plain[length:])
			}
			for b := range uint64(64) {
				got, ok := set.at(b)
				want := plain[b]
				if ok != (want > 0) || ok && got.part(b, b+1).place.At+1 != want {
					t.Fatalf("block %d is %+v, %v, want %d", b, got, ok, want)
				}
			}
			for i := 1; i < len(set.rows); i++ {
				if set.rows[i-1].end() > set.rows[i].first {
					t.Fatalf("rows overlap: %+v", set.rows)
				}
			}
		}
	}
}
