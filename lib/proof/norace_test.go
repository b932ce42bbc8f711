//go:build !race

package proof

import (
	"bytes"
	"runtime/debug"
	"testing"
)

func stride(int) int { return 1 }

// A group takes no memory beyond that of the one before, so a long log leaves no more behind than a short one. (The
// race detector makes pools drop items at random.)
func TestGroupsAllocateNothing(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // a collection would empty the pools
	allocations := func(count int) (perLog float64, groups int) {
		stream := newLog(t, random(count, func(int) int { return 100 << 10 })...).stream(t, WriteOptions{}, nil)
		perLog = testing.AllocsPerRun(3, func() {
			groups = 0
			if _, err := Verify(t.Context(), bytes.NewReader(stream), Options{Progress: func(uint64, uint64) { groups++ }}, nil); err != nil {
				t.Fatal(err)
			}
		})
		return perLog, groups
	}
	short, few := allocations(100)
	long, many := allocations(400)
	if many < few+20 {
		t.Fatalf("%d groups, and %d", few, many)
	}
	if more := long - short; more > float64(many-few)/2 {
		t.Errorf("%v allocations for %d groups, %v for %d", short, few, long, many)
	}
}
