package cli

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"
)

// Pieces, more than the system takes at once and more than a pipe holds, come out as they stand.
func TestWritePieces(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	var pieces [][]byte
	for i := range 3000 {
		pieces = append(pieces, bytes.Repeat([]byte{byte(i)}, i%7*100))
	}
	pieces = append(pieces, bytes.Repeat([]byte("large"), 100_000))
	want := bytes.Join(pieces, nil)
	came := make(chan []byte, 1)
	go func() {
		all, _ := io.ReadAll(r)
		came <- all
	}()
	out := &output{w: w, file: w}
	if err := out.WritePieces(pieces); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got := <-came; !bytes.Equal(got, want) {
		t.Errorf("%d bytes came, other ones than the %d that were written", len(got), len(want))
	}
}

// A reader that goes away is told from any other failure, as in Write.
func TestWritePiecesReaderGone(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	r.Close()
	out := &output{w: w, file: w}
	if err := out.WritePieces([][]byte{[]byte("a"), []byte("b")}); !errors.Is(err, errOutputGone) || !out.broken.Load() {
		t.Errorf("the reader is gone: %v, %v", err, out.broken.Load())
	}
	var buffer bytes.Buffer
	if err := (&output{w: &buffer}).WritePieces([][]byte{[]byte("a"), []byte("b")}); err != nil || buffer.String() != "ab" {
		t.Errorf("%q, %v", buffer.String(), err)
	}
}

// A tool writes many pieces for hours: what is allocated for them would be all that it leaves to the collector.
func TestWritePiecesAllocatesNothing(t *testing.T) {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	out := &output{w: null, file: null}
	block := make([]byte, 100)
	pieces := make([][]byte, 1000)
	allocated := testing.AllocsPerRun(1000, func() {
		for i := range pieces {
			pieces[i] = block
		}
		if err := out.WritePieces(pieces); err != nil {
			t.Fatal(err)
		}
	})
	if allocated >= 3 { // not 1: what else runs in this process may allocate, too
		t.Errorf("%v allocations for a list of %d pieces", allocated, len(pieces))
	}
}
