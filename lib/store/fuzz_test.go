package store

import (
	"bytes"
	"testing"

	"hc/lib/hash"
	"hc/lib/keys"
	"hc/lib/store/blockmap"
	"hc/lib/store/packlog"
)

func sampleDerived() (*applied, *coreFile) {
	leaf := hash.Leaf([]byte("x"))
	at := packlog.Position{Pack: 3, Offset: 4096, ID: 77}
	a := &applied{
		position: at, next: 900,
		open:  []openAppend{{id: packlog.AppendID{1, 2}, first: at}},
		packs: []packlog.Position{at},
		index: []tableRef{{level: 1, number: 4, rows: 5, limit: blockmap.NoLimit}},
		cores: []coreRef{{keys.Key{1}, 5}, {keys.Key{2}, 6}},
	}
	head := Head{Length: 9, ByteLength: 400, TreeHash: leaf, Signature: []byte("s")}
	c := &coreFile{
		key: keys.Key{1}, manifest: []byte("m"), known: true, head: head,
		tree: []tableRef{{number: 7, limit: 15}}, runs: []tableRef{{level: 2, number: 8, limit: blockmap.NoLimit}},
		ranges: []blockmap.Range{{First: 0, End: 4}, {First: 6, End: 9}}, rangesFile: 0, seen: []Head{head},
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
