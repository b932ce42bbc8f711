package hyperdrive

import (
	"reflect"
	"testing"
)

func ownEntry() Entry {
	sum := [32]byte{1, 0xab}
	meta := Meta{Mode: 0o640, HasMode: true, ModTime: -1764422524123456789, HasModTime: true, SHA256: &sum, Size: 1 << 40, HasSize: true}
	return Entry{Blob: &Blob{1, 2, 3, 4, true}, Metadata: meta.Encode()}
}

// The quick parser reads the same as the general one.
func TestQuickEntry(t *testing.T) {
	link := "../ü/x"
	for _, entry := range []Entry{
		ownEntry(),
		{Executable: true, Blob: &Blob{0, 0, 0, 0, false}},
		{Link: &link},
		{Blob: &Blob{1<<53 - 1, 1, 1, 1, false}},
	} {
		quick, ok := quickEntry(entry.Encode())
		if !ok {
			t.Errorf("%s is not read quickly", entry.Encode())
		}
		if !reflect.DeepEqual(quick, entry) {
			t.Errorf("%s: read as %+v", entry.Encode(), quick)
		}
	}
}

func FuzzQuickEntry(f *testing.F) {
	f.Add(ownEntry().Encode())
	for _, v := range drives(f) {
		for _, listed := range v.Listing[:min(len(v.Listing), 2)] {
			f.Add(stockEntry(f, listed.Value))
		}
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		quick, ok := quickEntry(value)
		if !ok || quick.Link != nil && (*quick.Link == "" || quick.Blob != nil) {
			return
		}
		entry, err := parseEntry(value)
		if err != nil || !reflect.DeepEqual(entry, quick) {
			t.Errorf("%q: quickly %+v, else %+v, %v", value, quick, entry, err)
		}
		if meta, ok := quickMeta(quick.Metadata); ok && !reflect.DeepEqual(meta, parseMeta(quick.Metadata)) {
			t.Errorf("%q: quickly %+v, else %+v", quick.Metadata, meta, parseMeta(quick.Metadata))
		}
	})
}

func BenchmarkParseEntry(b *testing.B) {
	value := ownEntry().Encode()
	for b.Loop() {
		if _, err := ParseEntry(value); err != nil {
			b.Fatal(err)
		}
	}
}
