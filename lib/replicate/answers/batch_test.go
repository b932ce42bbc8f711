package answers

import (
	"bytes"
	"io"
	"slices"
	"testing"

	"hc/lib/compact"
	"hc/lib/merkle"
	"hc/lib/objects"
	"hc/lib/protomux"
	"hc/lib/replicate/messages"
	"hc/lib/replicate/replicatetest"
)

// value returns the block's value, nil if there is none.
func value(p *merkle.Proof) []byte {
	if p.Block == nil {
		return nil
	}
	return p.Block.Value
}

// data decodes the data messages of a frame, and reports whether they come in a batch.
func data(t *testing.T, frame []byte) (proofs []*merkle.Proof, batch bool) {
	t.Helper()
	take := func(message []byte) {
		if message[0] != messages.TypeData {
			t.Fatalf("a message of type %d, want %d", message[0], messages.TypeData)
		}
		proof, err := messages.DecodeData(message[1:])
		if err != nil {
			t.Fatal(err)
		}
		proofs = append(proofs, proof)
	}
	const channel = 1
	if frame[0] == channel {
		take(frame[1:])
		return proofs, false
	}
	if !bytes.HasPrefix(frame, []byte{0, 0, channel}) {
		t.Fatalf("a frame that begins with %x", frame[:3])
	}
	d := compact.NewDecoder(frame[3:])
	for d.Left() > 0 {
		take(d.Buffer(d.Left()))
	}
	if err := d.Err(); err != nil {
		t.Fatal(err)
	}
	return proofs, true
}

// Whatever an answer's length, the frame that it is put into has room for it, and for all that go with it; and is kept if it is of a usual
// length.
func TestAnswersFitTheirFrame(t *testing.T) {
	for _, size := range []int{10, BatchBytes / answersTogether, 100_000, BatchBytes - batchedRoom, BatchBytes, BatchBytes + 1, objects.MaxRaw - batchedRoom, objects.MaxRaw, 15 << 20} {
		var a Batch
		value, had := make([]byte, size), 0
		for a.count == 0 || a.count < answersTogether && a.bytes+size+batchedRoom <= BatchBytes {
			a.put(value, size)
			if had == 0 {
				had = cap(a.frame.b)
			}
		}
		if kept := slices.ContainsFunc(framePools, func(p framePool) bool { return p.size() == had }); cap(a.frame.b) != had || kept != (size+batchedRoom <= objects.MaxRaw) {
			t.Errorf("%d answers of %d bytes: a frame with room for %d bytes became one for %d; it is kept: %v", a.count, size, had, cap(a.frame.b), kept)
		}
	}
}

// Answers go together, as many as are to, each whole; a block that is too long for a batch goes by itself.
func TestAnswersTogether(t *testing.T) {
	conn := replicatetest.NewFrames(100)
	mux := protomux.New(conn, protomux.Options{})
	channel, err := mux.Open(messages.Protocol, make([]byte, 32), nil, replicatetest.Unhearing{})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- mux.Run(t.Context()) }()
	<-conn.Written // the open
	for name, c := range map[string]struct {
		sizes []int // of blocks; 0: an answer without one
		want  []int // answers in each frame
	}{
		"one":             {[]int{5001}, []int{1}},
		"some":            {[]int{5001, 70001, 8003}, []int{3}},
		"lines":           {[]int{10, 11, 12, 13}, []int{4}},
		"without a block": {[]int{0, 9001}, []int{2}},
		"many":            {make([]int, answersTogether+2), []int{answersTogether, 2}},
		"bytes":           {[]int{200 << 10, 200 << 10, 200 << 10}, []int{2, 1}},
		"one is long":     {[]int{10, messages.MaxBlock - 100, 10}, []int{1, 1, 1}},
	} {
		var a Batch
		for i, size := range c.sizes {
			proof := &merkle.Proof{ID: uint64(i)}
			if size > 0 {
				proof.Block = &merkle.BlockProof{Index: uint64(i), Value: bytes.Repeat([]byte{byte(i)}, size)}
			}
			if err := a.Add(channel, proof, nil); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if err := a.Flush(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		next := 0
		for _, want := range c.want {
			frame := <-conn.Written
			proofs, batch := data(t, frame)
			if len(proofs) != want || batch != (want > 1) {
				t.Fatalf("%s: a frame of %d answers, want %d", name, len(proofs), want)
			}
			for _, proof := range proofs {
				if proof.ID != uint64(next) || len(value(proof)) != c.sizes[next] {
					t.Errorf("%s: answer %d has %d bytes, and %d was to come", name, proof.ID, len(value(proof)), next)
				}
				next++
			}
		}
		if next != len(c.sizes) {
			t.Errorf("%s: %d answers of %d", name, next, len(c.sizes))
		}
	}
	mux.Close(io.ErrUnexpectedEOF)
	<-ended
}
