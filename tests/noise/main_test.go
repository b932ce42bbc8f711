package main

import (
	"bytes"
	"testing"
)

// Each run writes the same bytes, as many as are asked for, and a shorter run is the beginning of a longer one.
func TestNoise(t *testing.T) {
	var long, again, short bytes.Buffer
	for args, out := range map[string]*bytes.Buffer{"100000": &long, "0100000": &again, "999": &short} {
		if err := run([]string{args}, out); err != nil {
			t.Fatal(err)
		}
	}
	if long.Len() != 100000 || !bytes.Equal(long.Bytes(), again.Bytes()) || !bytes.Equal(long.Bytes()[:999], short.Bytes()) {
		t.Errorf("%d, %d and %d bytes, which differ", long.Len(), again.Len(), short.Len())
	}
	for _, args := range [][]string{nil, {"-1"}, {"x"}, {"1", "2"}} {
		if run(args, &short) == nil {
			t.Errorf("%q was taken", args)
		}
	}
}
