package store

import (
	"flag"
	"os"
	"runtime/debug"
	"testing"
)

// TestMain lets the collector run a quarter as often: these tests make thousands of small stores, one after the other, and a third of their
// time was its. What looks at memory sets it back.
func TestMain(m *testing.M) {
	flag.Parse()
	if benchmarks := flag.Lookup("test.bench").Value.String(); benchmarks == "" && os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	os.Exit(m.Run())
}

// What lib/store/runs does, about which tests go a little further, or stay a little below.
const (
	oneBatch    = 2 << 20   // bytes of records that are written at once
	leastLent   = 4 << 10   // bytes of a block that is not copied
	lentWritten = 512 << 10 // bytes of lent blocks that are written rather than copied
)
