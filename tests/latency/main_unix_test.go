//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// All lines come through a named pipe, and the reader, which would not end, is stopped.
func TestMeasures(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := run(t.Context(), []string{"5", "cat > " + pipe, "echo ready; cat " + pipe + "; sleep 1000"}, &out); err != nil {
		t.Fatal(err)
	}
	var told struct {
		Count         int
		Median, Worst float64
	}
	if err := json.Unmarshal(out.Bytes(), &told); err != nil {
		t.Fatal(err)
	}
	if told.Count != 5 || told.Median <= 0 || told.Worst < told.Median {
		t.Errorf("told %s", out.Bytes())
	}
}

// A line that changes on its way, and a reader that ends, are errors.
func TestRefuses(t *testing.T) {
	for want, reader := range map[string]string{
		`"other" came for "line 1 of 1"`: "echo ready; echo other; sleep 1000",
		"the reader has ended":           "echo ready",
		"the reader did not begin":       "true",
	} {
		err := run(t.Context(), []string{"1", "cat > /dev/null", reader}, &bytes.Buffer{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", reader, err, want)
		}
	}
}
