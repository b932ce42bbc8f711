package coalesce

import (
	"runtime"
	"testing"

	"hc/lib/keys"
	"hc/lib/store/codec"
	"hc/lib/store/packlog"
	"hc/lib/store/records"
	"hc/lib/store/runs"
)

// A small append may decode to many MiB: finding that it is too long to be joined with others allocates none of them.
func TestLongAppendIsNotDecoded(t *testing.T) {
	j := New(Output{Recoder: runs.NewRecoder(false)})
	raw, key := make([]byte, runs.MostBytes), keys.Key{1}
	payload := codec.Compress(nil, raw, codec.Thorough)
	var held []packlog.Record
	for i := range uint32(64) {
		m := &records.Run{Short: true, Codec: records.CodecZstd, Ordinal: i, Count: 1, Raw: len(raw)}
		held = append(held, packlog.Record{Kind: packlog.KindRun, Payload: payload, Meta: m.Encode()})
	}
	var before, behind runtime.MemStats
	runtime.ReadMemStats(&before)
	if a, err := j.understandShort(key, held); a != nil || err != nil {
		t.Fatalf("an append of %d runs is short: %v", len(held), err)
	}
	runtime.ReadMemStats(&behind)
	if got := behind.TotalAlloc - before.TotalAlloc; got > uint64(len(raw)) {
		t.Errorf("looking at an append took %d bytes", got)
	}
}
