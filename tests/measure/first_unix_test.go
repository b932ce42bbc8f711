//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A command that runs forever after its first byte, and ignores that nobody reads it, is ended with everything that it started.
func TestFirstEnds(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	line := "trap '' PIPE TERM; sleep 1000 & echo first; wait"
	code, err := run([]string{"-first", log, "name", "bash", "-c", line})
	if code != 0 || err != nil {
		t.Fatalf("code %d, %v", code, err)
	}
	noted, err := os.ReadFile(log)
	if err != nil || !strings.HasPrefix(string(noted), "name ") {
		t.Fatalf("noted %q, %v", noted, err)
	}
}

// A command that ends without a byte is no measurement.
func TestFirstWithoutByte(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	if code, err := run([]string{"-first", log, "name", "true"}); code != failed || err == nil {
		t.Fatalf("code %d, %v: want %d and an error", code, err, failed)
	}
}
