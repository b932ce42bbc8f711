package store

import (
	"runtime"
	"testing"

	"hc/lib/keys"
	"hc/lib/store/codec"
	"hc/lib/store/packlog"
	"hc/lib/store/records"
	"hc/lib/store/runs"
)

// allocated returns how many bytes fn allocates.
func allocated(fn func()) uint64 {
	var before, behind runtime.MemStats
	runtime.ReadMemStats(&before)
	fn()
	runtime.ReadMemStats(&behind)
	return behind.TotalAlloc - before.TotalAlloc
}

// Of random bytes one run in thousands is tried, with many collections in between, which must not take the encoder: its tables would be made again
// for each, while the ones before lie about.
func TestRepackKeepsEncoder(t *testing.T) {
	r, raw := runs.NewRecoder(false), make([]byte, runs.MostBytes)
	run := &packlog.Record{Kind: packlog.KindRun, Payload: raw, Meta: (&records.Run{Short: true, Count: 1, Raw: len(raw)}).Encode()}
	again := func() {
		for range 3 {
			runtime.GC()
		}
		if now, err := r.Again(run); err != nil || len(now.Payload) >= len(raw) {
			t.Fatalf("%d bytes of zeros were not compressed: %v", len(raw), err)
		}
	}
	again()
	if got := allocated(again); got > 512<<10 {
		t.Errorf("a run behind some collections took %d bytes", got)
	}
}

// What an append of little room decodes to may be many MiB: to see that it is too long to be joined with others takes none of them.
func TestRepackDecodesNoLongAppend(t *testing.T) {
	j := newJoiner(&copier{rewriting: &rewriting{collector: &collector{repack: &RepackOptions{}}}})
	raw, key := make([]byte, runs.MostBytes), keys.Key{1}
	payload := codec.Compress(nil, raw, Thorough)
	var held []packlog.Record
	for i := range uint32(64) {
		m := &records.Run{Short: true, Codec: records.CodecZstd, Ordinal: i, Count: 1, Raw: len(raw)}
		held = append(held, packlog.Record{Kind: packlog.KindRun, Payload: payload, Meta: m.Encode()})
	}
	got := allocated(func() {
		if a, err := j.understandShort(key, held); a != nil || err != nil {
			t.Fatalf("an append of %d runs is short: %v", len(held), err)
		}
	})
	if got > uint64(len(raw)) {
		t.Errorf("looking at an append took %d bytes", got)
	}
}
