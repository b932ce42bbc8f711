package packlog

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"
)

// countingReader counts what is read of a pack.
type countingReader struct {
	io.ReaderAt
	reads, bytes int
}

func (r *countingReader) ReadAt(b []byte, offset int64) (int, error) {
	n, err := r.ReaderAt.ReadAt(b, offset)
	r.reads++
	r.bytes += n
	return n, err
}

// A walk without payloads reads little besides the metas: one read for each record with a long payload, one for many
// short ones. Metas of any length come as they were written.
func TestReadWithoutPayloads(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	long := func(i int) Record {
		return Record{Kind: KindRun, Meta: make([]byte, 200+random.IntN(300)), Payload: make([]byte, 200<<10+random.IntN(100_000))}
	}
	for name, test := range map[string]struct {
		make          func(i int) Record
		reads, beside int // at most, for each record
	}{
		"long payloads": {long, 1, skippedChunk},
		"short records": {func(i int) Record { return Record{Kind: KindSpan, Meta: make([]byte, 100)} }, 1, 200},
		"long metas": {func(i int) Record {
			return Record{Kind: KindSpan, Meta: make([]byte, 100_000), Payload: make([]byte, 100_000)}
		}, 2, skipChunk + skippedChunk},
		"a short record behind each long payload": {func(i int) Record {
			if i%2 == 0 {
				return long(i)
			}
			return Record{Kind: KindNodes, Meta: make([]byte, 1+random.IntN(9000))}
		}, 2, skipChunk + skippedChunk},
	} {
		t.Run(name, func(t *testing.T) {
			const count = 40
			var records []Record
			metas := 0
			for i := range count {
				r := test.make(i)
				for at := range r.Meta {
					r.Meta[at] = byte(random.Uint32())
				}
				records = append(records, r)
				metas += recordHeader + len(r.Meta)
			}
			pack := EncodePack(PackInfo{ID: 7, Sequence: 1, Through: 1}, Position{}, false, records...)
			file := &countingReader{ReaderAt: bytes.NewReader(pack)}
			w := &walker{ctx: t.Context(), file: file, at: Position{1, packHeader, 7}, limit: uint64(len(pack))}
			for i, want := range records {
				it, err := w.next()
				if err != nil || it.damage != nil || !bytes.Equal(it.record.Meta, want.Meta) || it.record.PayloadLen != len(want.Payload) {
					t.Fatalf("record %d: meta of %d bytes, want %d, %v, %v", i, len(it.record.Meta), len(want.Meta), it.damage, err)
				}
			}
			if _, err := w.next(); err != io.EOF {
				t.Errorf("behind the last one: %v", err)
			}
			if most := metas + count*test.beside; file.bytes > most || file.reads > count*test.reads {
				t.Errorf("%d reads of %d bytes for metas of %d, want at most %d of %d", file.reads, file.bytes, metas, count*test.reads, most)
			}
		})
	}
}
