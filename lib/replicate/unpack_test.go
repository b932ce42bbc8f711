package replicate

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"hc/lib/lent"
	"hc/lib/objects"
	"hc/lib/protomux"
	"hc/lib/replicate/replicatetest"
)

// As much is unpacked at a time as there are processors; the end waits for it, and lets nothing begin behind it.
func TestUnpackersAreBounded(t *testing.T) {
	u := newUnpackers()
	let := make(chan struct{})
	var done atomic.Int64
	most := runtime.GOMAXPROCS(0)
	for range most {
		err := u.begin(t.Context(), func() {
			<-let
			done.Add(1)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if err := u.begin(gone, func() { t.Error("it ran") }); !errors.Is(err, context.Canceled) {
		t.Errorf("one more, of a peer that is gone: %v", err)
	}
	waits, ended := make(chan error, 1), make(chan int64, 1)
	go func() { waits <- u.begin(t.Context(), func() {}) }()
	go func() {
		u.end()
		ended <- done.Load()
	}()
	close(let)
	if err := <-waits; err != nil && !errors.Is(err, errNobodyAsks) {
		t.Error(err)
	}
	select {
	case n := <-ended:
		if n != int64(most) {
			t.Errorf("at the end %d of %d were done", n, most)
		}
	case <-time.After(waitLimit):
		t.Fatal("there is no end")
	}
	if err := u.begin(t.Context(), func() { t.Error("it ran behind the end") }); !errors.Is(err, errNobodyAsks) {
		t.Errorf("behind the end: %v", err)
	}
}

// Answers are handed on in the order in which they came, each whole once it was waited for. Of what is unpacked of one that nobody takes any
// more nothing is held, nor of one that cannot be unpacked, which says why.
func TestAnswersAreUnpackedBeside(t *testing.T) {
	f := newFetcher(mustDownload(t), FetchOptions{})
	f.pool = lent.NewPool(1) // full as long as anything is out
	s := f.add(t.Context(), "peer")
	s.mux = protomux.New(replicatetest.NewFrames(1), protomux.Options{})
	text := bytes.Repeat([]byte("a line of text\n"), 4000)
	whole, _ := objects.Pack(nil, [][]byte{text[:30000], text[30000:]}, true)
	broken := whole
	broken.Payload = bytes.Repeat([]byte("no frame"), 10)
	for id, piece := range []objects.Piece{whole, whole, broken, whole} {
		body := append(objects.Blocks{ID: uint64(id), Pieces: []objects.Piece{piece}}.Head(), piece.Payload...)
		if err := (&objectsReader{s}).OnMessage(nil, objects.TypeBlocks, body); err != nil {
			t.Fatal(err)
		}
		clear(body) // as the read loop's buffer is used again
	}
	for id := range uint64(4) {
		e := <-f.events
		e.answer.await()
		switch {
		case e.answer.id != id:
			t.Errorf("answer %d comes in place of %d", e.answer.id, id)
		case id == 2 && !errors.Is(e.answer.err, objects.ErrMessage):
			t.Errorf("a broken one: %v", e.answer.err)
		case id != 2 && (e.answer.err != nil || len(e.answer.blocks) != 2 || !bytes.Equal(bytes.Join(e.answer.blocks, nil), text)):
			t.Errorf("answer %d: %d blocks, %v", id, len(e.answer.blocks), e.answer.err)
		}
		e.release()
	}
	f.unpacks.end()
	if f.pool.Full() {
		t.Error("something is held")
	}
}
