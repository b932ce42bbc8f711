package replicate

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"

	"hc/lib/hypercore"
	"hc/lib/objects"
	"hc/lib/proof"
	"hc/lib/protomux"
)

// blocksOf returns that many blocks, of so many random bytes each.
func blocksOf(count, size int) (blocks [][]byte) {
	random := rand.NewChaCha8([32]byte{byte(count)})
	for range count {
		block := make([]byte, size)
		_, _ = random.Read(block)
		blocks = append(blocks, block)
	}
	return blocks
}

// answerer returns what answers for a core, on no connection.
func (c *testCore) answerer() (*giver, *hypercore.Snapshot) {
	c.t.Helper()
	snapshot, err := hypercore.OpenSnapshot(c.t.Context(), c.store, c.key)
	if err != nil {
		c.t.Fatal(err)
	}
	return &giver{conn: &serverConn{server: NewServer(c.store, ServerOptions{}), ctx: c.t.Context()}}, snapshot
}

// An answer's payloads stand in its frame, one behind the other and as they are told, whether they are runs as they are stored, parts of
// such, or one block that is too large for a frame that is kept.
func TestAnswerIsMadeInItsFrame(t *testing.T) {
	core := &testCore{t: t, store: newStore(t)}
	core.blocks = blocksOf(20, 64<<10)
	for i := range 40 {
		core.blocks = append(core.blocks, bytes.Repeat(fmt.Appendf(nil, "%d,", i), 2000))
	}
	core.blocks = append(core.blocks, blocksOf(1, 3<<20)...)
	core.append(core.blocks...)
	g, snapshot := core.answerer()
	frame := takeFrame(objects.MaxRaw)
	for _, spans := range [][]objects.Span{{{First: 0, Count: 20}}, {{First: 1, Count: 30}}, {{First: 3, Count: 2}, {First: 19, Count: 9}, {First: 40, Count: 1}}, {{First: 60, Count: 1}}} {
		answer, err := g.blocks(snapshot, objects.AskBlocks{Spans: spans}, nil, objects.MaxRaw, frame)
		if err != nil {
			t.Fatal(err)
		}
		var payloads [][]byte
		for _, piece := range answer.Pieces {
			payloads = append(payloads, piece.Payload)
		}
		if !bytes.Equal(frame.b[frontRoom:], bytes.Join(payloads, nil)) {
			t.Errorf("%v: the frame has %d bytes that are not its %d payloads", spans, len(frame.b)-frontRoom, len(payloads))
		}
		if room := cap(frame.b) - len(frame.b); room < protomux.TailRoom {
			t.Errorf("%v: %d bytes of room behind the payloads", spans, room)
		}
		blocks, err := answer.Unpack()
		if err != nil {
			t.Fatal(err)
		}
		at := 0
		for _, span := range spans {
			for block := span.First; block < span.First+span.Count; block++ {
				if at == len(blocks) || !bytes.Equal(blocks[at], core.blocks[block]) {
					t.Fatalf("%v: block %d differs, of %d that came", spans, block, len(blocks))
				}
				at++
			}
		}
		frame.b = frame.b[:frontRoom]
	}
	if frame.giveBack(); cap(frame.b) <= longFrame {
		t.Errorf("a frame with %d bytes of room had a block of 3 MiB", cap(frame.b))
	}
}

// An answer of blocks that are stored as they are allocates nothing for their bytes, given a frame.
func TestAnswerAllocatesNoBlocks(t *testing.T) {
	core := &testCore{t: t, store: newStore(t)}
	core.blocks = blocksOf(32, 64<<10-100)
	core.append(core.blocks...)
	g, snapshot := core.answerer()
	frame := &answerFrame{make([]byte, frontRoom, longFrame)}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const times = 10
	for range times {
		answer, err := g.blocks(snapshot, objects.AskBlocks{Spans: []objects.Span{{First: 0, Count: 32}}}, nil, objects.MaxRaw, frame)
		if raw, count := answer.Size(); err != nil || count != 32 || raw < 2_000_000 {
			t.Fatalf("%d blocks, %d bytes, %v", count, raw, err)
		}
		frame.b = frame.b[:frontRoom]
	}
	runtime.ReadMemStats(&after)
	if got := (after.TotalAlloc - before.TotalAlloc) / times; got > 128<<10 {
		t.Errorf("%d bytes allocated for an answer of 2 MiB", got)
	}
}

// Readers get what they asked for while others take frames, use them, and give them back: no frame is given back before what is in it was
// sent, and none is used by two. The blocks are of all kinds that a frame has, those of one answer have more lengths than fit before it.
func TestFramesAreNotShared(t *testing.T) {
	core := &testCore{t: t, store: newStore(t)}
	core.blocks = blocksOf(60, 50_000)
	for i := range 20_000 {
		core.blocks = append(core.blocks, fmt.Appendf(nil, "%d,", i))
	}
	core.append(core.blocks...)
	connect := core.server(ServerOptions{})
	stop := make(chan struct{})
	var others, readers sync.WaitGroup
	for range 2 {
		others.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				frame := takeFrame(objects.MaxRaw)
				b := frame.b[:cap(frame.b)]
				for at := 0; at < len(b); at += 512 {
					b[at]++
				}
				frame.giveBack()
			}
		})
	}
	for range 3 {
		into, conn := newStore(t), connect()
		readers.Go(func() {
			got, err := read(t, into, core.key, proof.Claim{Kind: proof.KindAll}, FetchOptions{}, conn)
			if err != nil || !bytes.Equal(got, core.bytes()) {
				t.Errorf("%d bytes of %d, %v", len(got), len(core.bytes()), err)
			}
		})
	}
	readers.Wait()
	close(stop)
	others.Wait()
}

// A head that needs more room than a frame has before its payloads is put there all the same.
func TestAnswerWithLongHead(t *testing.T) {
	var lengths []uint32
	var payload []byte
	for i := range uint32(10_000) {
		lengths = append(lengths, 3)
		payload = append(payload, byte(i), byte(i>>8), 'x')
	}
	answer := objects.Blocks{ID: 5, Pieces: []objects.Piece{{Count: len(lengths), Raw: len(payload), Lengths: lengths, Payload: payload}}}
	for _, room := range []int{0, longFrame} {
		frame := &answerFrame{append(make([]byte, frontRoom, frontRoom+len(payload)+room), payload...)}
		head := answer.Head()
		at := frame.before(head)
		if at < protomux.HeadRoom || !bytes.Equal(frame.b[at:], append(head, payload...)) {
			t.Errorf("%d bytes from %d on are not head and payload", len(frame.b)-at, at)
		}
	}
}
