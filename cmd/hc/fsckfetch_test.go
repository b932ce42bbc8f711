package main

import (
	"bytes"
	"path/filepath"
	"testing"

	"hc/lib/cli"
	"hc/lib/keys"
	"hc/lib/replicate"
	"hc/lib/store"
)

// TestBlobsUnasked has a store that does not tell which blobs a drive has: a lost pack must not be given up then.
func TestBlobsUnasked(t *testing.T) {
	in, err := store.Open(t.Context(), filepath.Join(t.TempDir(), ".hc"), store.Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name    string
		prepare func() error
		unheard bool
	}{
		{"nobody has the names", func() error { return nil }, false},
		{"it is closed", in.Close, true},
	} {
		if err := test.prepare(); err != nil {
			t.Fatal(err)
		}
		var words bytes.Buffer
		run := fsckRun{std: &cli.IO{Err: &words, Name: "hc fsck"}, peers: []replicate.Dialer{replicate.At("127.0.0.1:1")}, asked: make(map[keys.Key]bool)}
		if err := run.fetchBlobs(t.Context(), in, keys.Key{1}); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		if run.unheard != test.unheard || (run.fetchErr != nil) != test.unheard {
			t.Errorf("%s: unheard %v, %v; it said %q", test.name, run.unheard, run.fetchErr, words.String())
		}
	}
}
