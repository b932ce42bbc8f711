package hypercore

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"

	"hc/lib/hash"
	"hc/lib/merkle"
	"hc/lib/proof"
	"hc/lib/store"
	"hc/lib/stream"
)

func streamOf(t testing.TB, blocks ...[]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := stream.NewWriter(&b)
	for _, block := range blocks {
		if err := w.Chunk(block); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A stream that is cut anywhere, or has a bit flipped anywhere, appends nothing.
func TestBrokenStreamsAppendNothing(t *testing.T) {
	in := newStore(t)
	key, _ := appended(t, in, "log", AppendOptions{}, []byte("before"))
	whole := streamOf(t, []byte("first"), []byte("second"), []byte{})
	for cut := range whole {
		if _, err := Receive(t.Context(), bytes.NewReader(whole[:cut])).AppendTo(t.Context(), in, "log", AppendOptions{}, nil); err == nil {
			t.Errorf("cut to %d of %d bytes: appended", cut, len(whole))
		}
	}
	for bit := range 8 * len(whole) {
		flipped := bytes.Clone(whole)
		flipped[bit/8] ^= 1 << (bit % 8)
		if _, err := Receive(t.Context(), bytes.NewReader(flipped)).AppendTo(t.Context(), in, "log", AppendOptions{}, nil); err == nil {
			t.Errorf("bit %d flipped: appended", bit)
		}
	}
	if got := readBlocks(t, in, key); len(got) != 1 {
		t.Errorf("%d blocks are there", len(got))
	}
	result, err := Receive(t.Context(), bytes.NewReader(whole)).AppendTo(t.Context(), in, "log", AppendOptions{}, nil)
	if err != nil || result.Length != 4 || result.Blocks != 3 || result.Bytes != 11 {
		t.Errorf("the whole one: %+v, %v", result, err)
	}
}

// A stream that fails after its first batches leaves neither blocks nor a name.
func TestLongBrokenStream(t *testing.T) {
	noLeaks(t)
	in := newStore(t)
	var blocks [][]byte
	for i := range 100 {
		blocks = append(blocks, bytes.Repeat([]byte{byte(i)}, 100_000))
	}
	whole := streamOf(t, blocks...)
	_, err := Receive(t.Context(), bytes.NewReader(whole[:len(whole)-1])).AppendTo(t.Context(), in, "log", AppendOptions{}, nil)
	if !errors.Is(err, stream.ErrTruncated) {
		t.Errorf("%v, want %v", err, stream.ErrTruncated)
	}
	if _, err := in.Resolve("log"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the name: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	from, feed := pipe(t)
	go func() {
		_, _ = feed.Write(whole[:len(whole)/2])
		cancel()
	}()
	if _, err := Receive(ctx, from).AppendTo(ctx, in, "log", AppendOptions{}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	feed.Close()
	if _, err := Receive(t.Context(), bytes.NewReader(whole)).AppendTo(t.Context(), in, "log", AppendOptions{}, nil); err != nil {
		t.Fatal(err)
	}
	key, _ := in.Resolve("log")
	if !sameBlocks(readBlocks(t, in, key), blocks) {
		t.Error("other blocks than were sent")
	}
}

// Reading ahead ends with the append, even if nobody takes the batches any more, and all batches belong to the
// reader.
func TestReadAheadEnds(t *testing.T) {
	block := make([]byte, batchBytes)
	whole := streamOf(t, block, block, block, block, block, block)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		read, empty := newBatches()
		for range cap(empty) {
			empty <- new(hashing)
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			readAhead(ctx, stream.NewReader(bytes.NewReader(whole)), empty, read)
		}()
		synctest.Wait()
		if len(empty) > 0 || len(read) != cap(empty) {
			t.Errorf("%d batches were read, %d were not", len(read), len(empty))
		}
		cancel()
		<-ended
	})
}

// A stream is read before there is a store for it, as far as there are batches. A wait for a stream that hangs ends
// with the waiter's context, or with that of Receive, and the reading ends with the next data.
func TestReceive(t *testing.T) {
	block := make([]byte, batchBytes)
	whole := streamOf(t, block, block, block, block, block, block)
	synctest.Test(t, func(t *testing.T) {
		i := Receive(t.Context(), bytes.NewReader(whole))
		synctest.Wait()
		if len(i.read) != cap(i.read) || len(i.empty) > 0 {
			t.Errorf("%d batches were read, %d were not", len(i.read), len(i.empty))
		}
		i.Close()
	})
	for name, ends := range map[string]struct{ reading, waiting bool }{"who reads": {reading: true}, "who waits": {waiting: true}} {
		synctest.Test(t, func(t *testing.T) {
			reading, stopReading := context.WithCancel(t.Context())
			defer stopReading()
			waiting, stopWaiting := context.WithCancel(t.Context())
			defer stopWaiting()
			from, feed := io.Pipe()
			i := Receive(reading, from)
			failed := make(chan error, 1)
			go func() {
				_, err := i.next(waiting)
				failed <- err
			}()
			synctest.Wait()
			if ends.reading {
				stopReading()
			}
			if ends.waiting {
				stopWaiting()
			}
			if err := <-failed; !errors.Is(err, context.Canceled) {
				t.Errorf("%s has gone: %v", name, err)
			}
			i.Close()
			_ = feed.CloseWithError(io.ErrUnexpectedEOF)
		})
	}
}

// Batches are read ahead, and stay as they are, with their hashes, until they are stored.
func TestBatchesAreHashedAhead(t *testing.T) {
	large := bytes.Repeat([]byte("L"), 5<<20)
	want := [][]byte{[]byte("a"), large, []byte("b"), {}, large, large}
	reader := stream.NewReader(bytes.NewReader(streamOf(t, want...)))
	var batches []*hashing
	for len(batches) == 0 || batches[len(batches)-1].err == nil {
		batches = append(batches, readHashing(reader, new(hashing)))
	}
	var got [][]byte
	for _, h := range batches {
		if err := h.failed(); err != nil {
			t.Fatal(err)
		}
		<-h.hashed
		if h.Bytes > batchBytes+len(large) {
			t.Errorf("a batch of %d bytes", h.Bytes)
		}
		for i, block := range h.Blocks {
			if h.leaves[i] != hash.Leaf(block) {
				t.Errorf("block %d of a batch has another hash", i)
			}
		}
		got = append(got, h.Blocks...)
	}
	if len(batches) < 3 || !sameBlocks(got, want) {
		t.Errorf("%d blocks in %d batches, other ones than were sent", len(got), len(batches))
	}
}

func TestHashAll(t *testing.T) {
	for _, count := range []int{0, 1, 2, 3, 100, 5000} {
		for _, size := range []int{0, 1, 1000} {
			blocks := make([][]byte, count)
			for i := range blocks {
				blocks[i] = bytes.Repeat([]byte{byte(i)}, size*(i%3))
			}
			leaves := make([]hash.Digest, count)
			HashBlocks(leaves, blocks)
			for i, block := range blocks {
				if leaves[i] != hash.Leaf(block) {
					t.Fatalf("%d blocks of %d bytes: leaf %d is another", count, size, i)
				}
			}
		}
	}
}

// Everything that a proof stream proved is in the store, even if it is a part of a larger log, and can be proved from
// there.
func TestKeeper(t *testing.T) {
	from := newStore(t)
	blocks := someBlocks(5000)
	key, _ := appended(t, from, "log", AppendOptions{}, blocks...)
	into := newStore(t)
	for _, claim := range []proof.Claim{{Kind: proof.KindBlocks, From: 40, To: 99}, {Kind: proof.KindHead}, {}} {
		source, err := OpenSource(t.Context(), from, key, SourceOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var bundle bytes.Buffer
		if err := proof.Write(t.Context(), &bundle, source, proof.WriteOptions{Claim: claim}); err != nil {
			t.Fatal(err)
		}
		k := NewKeeper(t.Context(), into)
		if _, err := proof.Verify(t.Context(), &bundle, proof.Options{Key: &key, Claim: &claim}, k); err != nil {
			t.Fatal(err)
		}
		if err := k.Close(); err != nil {
			t.Fatal(err)
		}
		again, err := OpenSource(t.Context(), into, key, SourceOptions{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := verified(t, again, claim)
		want := blocks
		switch claim.Kind {
		case proof.KindBlocks:
			want = blocks[40:100]
		case proof.KindHead:
			want = nil
		}
		if err != nil || !bytes.Equal(got, bytes.Join(want, nil)) {
			t.Errorf("claim %v: %d bytes from the store, %v", claim, len(got), err)
		}
	}
}

// Small blocks are kept in small commits, too: the memory of a keeper does not grow with the stream.
func TestKeeperHoldsLittle(t *testing.T) {
	from, into := newStore(t), newStore(t)
	blocks := make([][]byte, 100_000)
	for i := range blocks {
		blocks[i] = []byte("x\n")
	}
	key, _ := appended(t, from, "log", AppendOptions{Short: true}, blocks...)
	source, err := OpenSource(t.Context(), from, key, SourceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	k := NewKeeper(t.Context(), into)
	watched := &watchedKeeper{Keeper: k}
	in, out := io.Pipe()
	go func() { out.CloseWithError(proof.Write(t.Context(), out, source, proof.WriteOptions{})) }()
	if _, err := proof.Verify(t.Context(), in, proof.Options{Key: &key}, watched); err != nil {
		t.Fatal(err)
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	if watched.most > keepBytes/perBlock+5000 {
		t.Errorf("%d blocks were held", watched.most)
	}
	if got := readBlocks(t, into, key); len(got) != len(blocks) {
		t.Errorf("%d blocks were kept", len(got))
	}
}

type watchedKeeper struct {
	*Keeper
	most int
}

func (k *watchedKeeper) Group(g *proof.Group) error {
	err := k.Keeper.Group(g)
	k.most = max(k.most, len(k.blocks))
	return err
}

func TestSourceFollows(t *testing.T) {
	noLeaks(t)
	dir := t.TempDir() + "/.hc"
	in, other := openAt(t, dir), openAt(t, dir)
	key, _ := appended(t, in, "log", AppendOptions{}, []byte("a"))
	source, err := OpenSource(t.Context(), in, key, SourceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	head, err := source.Head(ctx)
	if err != nil || head.Length != 1 {
		t.Fatalf("%+v, %v", head, err)
	}
	for length := uint64(2); length < 5; length++ {
		appended(t, other, "log", AppendOptions{}, []byte("b"))
		if head, err = source.Next(ctx, head); err != nil || head.Length != length {
			t.Fatalf("length %d: %+v, %v", length, head, err)
		}
	}
	ended := make(chan error, 1)
	go func() {
		_, err := source.Next(ctx, head)
		ended <- err
	}()
	cancel()
	if err := wait(t, ended); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled wait: %v, want %v", err, context.Canceled)
	}
}

func TestSnapshotDoesNotChange(t *testing.T) {
	in := newStore(t)
	key, _ := appended(t, in, "log", AppendOptions{}, []byte("a"))
	old, err := OpenSnapshot(t.Context(), in, key)
	if err != nil {
		t.Fatal(err)
	}
	appended(t, in, "log", AppendOptions{}, []byte("b"))
	now, err := old.Newest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if old.Head().Length != 1 || now.Head().Length != 2 || !now.Writable() {
		t.Errorf("lengths %d and %d", old.Head().Length, now.Head().Length)
	}
	if _, _, err := old.Prove(t.Context(), merkle.Request{Block: &merkle.BlockRequest{Index: 1}}); !errors.Is(err, merkle.ErrInvalidRequest) {
		t.Errorf("block 1 of the old one: %v", err)
	}
}
