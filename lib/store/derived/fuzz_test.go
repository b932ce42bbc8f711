package derived

import (
	"bytes"
	"testing"

	"hc/lib/hash"
	"hc/lib/keys"
	"hc/lib/store/blockmap"
	"hc/lib/store/packlog"
	"hc/lib/store/records"
)

func sampleDerived() (*Applied, *CoreFile) {
	leaf := hash.Leaf([]byte("x"))
	at := packlog.Position{Pack: 3, Offset: 4096, ID: 77}
	a := &Applied{
		Position: at, Next: 900,
		Open:  []OpenAppend{{ID: packlog.AppendID{1, 2}, First: at}},
		Packs: []packlog.Position{at},
		Index: []TableRef{{Level: 1, Number: 4, Rows: 5, Limit: blockmap.NoLimit}},
		Cores: []CoreRef{{keys.Key{1}, 5}, {keys.Key{2}, 6}},
	}
	head := records.Head{Length: 9, ByteLength: 400, TreeHash: leaf, Signature: []byte("s")}
	c := &CoreFile{
		Key: keys.Key{1}, Manifest: []byte("m"), Known: true, Head: head,
		Tree: []TableRef{{Number: 7, Limit: 15}}, Runs: []TableRef{{Level: 2, Number: 8, Limit: blockmap.NoLimit}},
		Ranges: []blockmap.Range{{First: 0, End: 4}, {First: 6, End: 9}}, RangesFile: 0, Seen: []records.Head{head},
	}
	return a, c
}

func FuzzDerived(f *testing.F) {
	a, c := sampleDerived()
	f.Add(a.Encode())
	f.Add(c.Encode())
	f.Fuzz(func(t *testing.T, raw []byte) {
		// Checksums keep a fuzzer out, so both are tried with a valid one.
		sealed := seal(bytes.Clone(raw[:max(0, len(raw)-4)]))
		if a, err := decodeApplied(sealed); err == nil {
			if _, err := decodeApplied(a.Encode()); err != nil {
				t.Fatal(err)
			}
		}
		if c, err := decodeCoreFile(sealed); err == nil {
			if _, err := decodeCoreFile(c.Encode()); err != nil {
				t.Fatal(err)
			}
		}
		if a, err := decodeApplied(raw); err == nil && !bytes.Equal(a.Encode(), raw) && len(raw) == len(a.Encode()) {
			t.Logf("a second spelling of %x", raw)
		}
	})
}

func TestDerivedRoundTrip(t *testing.T) {
	a, c := sampleDerived()
	b, err := decodeApplied(a.Encode())
	if err != nil || !bytes.Equal(b.Encode(), a.Encode()) {
		t.Fatalf("applied: %+v, %v", b, err)
	}
	d, err := decodeCoreFile(c.Encode())
	if err != nil || !bytes.Equal(d.Encode(), c.Encode()) {
		t.Fatalf("core: %+v, %v", d, err)
	}
	for _, raw := range [][]byte{a.Encode(), c.Encode()} {
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
