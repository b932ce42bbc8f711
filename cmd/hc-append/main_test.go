package main

import (
	"errors"
	"fmt"
	"syscall"
	"testing"

	"hc/lib/store"
)

// TestHint has nobody append something twice that may be there, where the disk tells only at a sync that it is full.
func TestHint(t *testing.T) {
	written := fmt.Errorf("storing block 3: %w", syscall.ENOSPC)
	synced := fmt.Errorf("appending: %w: %w", store.ErrUnsynced, syscall.ENOSPC)
	for _, test := range []struct {
		job  job
		err  error
		want string
	}{
		{job{}, written, "nothing of it was appended: make room, then run it again"},
		{job{}, synced, "it may have been appended: run it again with --if-changed"},
		{job{raw: true}, synced, "it may have been appended: run it again with --if-changed"},
		{job{drive: true}, synced, "run it again: what is there already is not written again"},
		{job{lines: true}, synced, ""},
	} {
		got := ""
		if h := (interface {
			error
			Hint() string
		})(nil); errors.As(test.job.hint(test.err), &h) {
			got = h.Hint()
		}
		if got != test.want {
			t.Errorf("hint(%v) of %+v = %q, want %q", test.err, test.job, got, test.want)
		}
	}
}
