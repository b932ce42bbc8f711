package store

import (
	"flag"
	"os"
	"runtime/debug"
	"testing"
)

// TestMain lets the garbage collector run a quarter as often: these tests make thousands of small stores, one after
// another, and spent a third of their time in it. Tests that measure memory set it back.
func TestMain(m *testing.M) {
	flag.Parse()
	if benchmarks := flag.Lookup("test.bench").Value.String(); benchmarks == "" && os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	os.Exit(m.Run())
}

// Limits of lib/store/runs that tests go a little beyond, or stay a little below.
const (
	oneBatch    = 2 << 20   // bytes of records that are written at once
	leastLent   = 4 << 10   // bytes of a block that is not copied
	lentWritten = 512 << 10 // bytes of lent blocks that are written rather than copied
)
