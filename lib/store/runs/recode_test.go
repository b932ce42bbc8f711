package runs

import (
	"runtime"
	"testing"

	"hc/lib/store/packlog"
	"hc/lib/store/records"
)

// One run of random bytes in thousands is tried, with many collections in between, which must not take the encoder: its
// tables would be made again for each, while the earlier ones lie about.
func TestRecoderKeepsEncoder(t *testing.T) {
	r, raw := NewRecoder(false), make([]byte, MostBytes)
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
	var before, behind runtime.MemStats
	runtime.ReadMemStats(&before)
	again()
	runtime.ReadMemStats(&behind)
	if got := behind.TotalAlloc - before.TotalAlloc; got > 512<<10 {
		t.Errorf("a run behind some collections took %d bytes", got)
	}
}
