package answers

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"

	"hc/lib/objects"
	"hc/lib/protomux"
	"hc/lib/replicate/replicatetest"
)

// An answer's payloads stand in its frame, one behind the other and as they are told, whether they are runs as they are stored, parts of
// such, or one block that is too large for a frame that is kept.
func TestAnswerIsMadeInItsFrame(t *testing.T) {
	want := replicatetest.Blocks(20, 64<<10)
	for i := range 40 {
		want = append(want, bytes.Repeat(fmt.Appendf(nil, "%d,", i), 2000))
	}
	want = append(want, replicatetest.Blocks(1, 3<<20)...)
	snapshot := replicatetest.Snapshot(t, want)
	frame := Take(objects.MaxRaw)
	for _, spans := range [][]objects.Span{{{First: 0, Count: 20}}, {{First: 1, Count: 30}}, {{First: 3, Count: 2}, {First: 19, Count: 9}, {First: 40, Count: 1}}, {{First: 60, Count: 1}}} {
		pieces, _, err := Pack(t.Context(), snapshot, spans, frame, PackOptions{Most: objects.MaxRaw})
		if err != nil {
			t.Fatal(err)
		}
		answer := objects.Blocks{Pieces: pieces}
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
				if at == len(blocks) || !bytes.Equal(blocks[at], want[block]) {
					t.Fatalf("%v: block %d differs, of %d that came", spans, block, len(blocks))
				}
				at++
			}
		}
		frame.b = frame.b[:frontRoom]
	}
	if frame.GiveBack(); cap(frame.b) <= longFrame {
		t.Errorf("a frame with %d bytes of room had a block of 3 MiB", cap(frame.b))
	}
}

// An answer of blocks that are stored as they are allocates nothing for their bytes, given a frame.
func TestAnswerAllocatesNoBlocks(t *testing.T) {
	snapshot := replicatetest.Snapshot(t, replicatetest.Blocks(32, 64<<10-100))
	frame := &Frame{make([]byte, frontRoom, longFrame)}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const times = 10
	for range times {
		pieces, _, err := Pack(t.Context(), snapshot, []objects.Span{{First: 0, Count: 32}}, frame, PackOptions{Most: objects.MaxRaw})
		if raw, count := (objects.Blocks{Pieces: pieces}).Size(); err != nil || count != 32 || raw < 2_000_000 {
			t.Fatalf("%d blocks, %d bytes, %v", count, raw, err)
		}
		frame.b = frame.b[:frontRoom]
	}
	runtime.ReadMemStats(&after)
	if got := (after.TotalAlloc - before.TotalAlloc) / times; got > 128<<10 {
		t.Errorf("%d bytes allocated for an answer of 2 MiB", got)
	}
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
		frame := &Frame{append(make([]byte, frontRoom, frontRoom+len(payload)+room), payload...)}
		head := answer.Head()
		at := frame.before(head)
		if at < protomux.HeadRoom || !bytes.Equal(frame.b[at:], append(head, payload...)) {
			t.Errorf("%d bytes from %d on are not head and payload", len(frame.b)-at, at)
		}
	}
}

// Where few are connected an answer is as long as one may be. Where many are it is short, in a short frame, and ends where a run does; but what
// is larger by itself comes all the same.
func TestCrowdedAnswers(t *testing.T) {
	snapshot := replicatetest.Snapshot(t, append(replicatetest.Blocks(40, 64<<10), replicatetest.Blocks(1, 3<<20/2)...))
	connected := func(conns, want int) {
		t.Helper()
		if most := Most(conns); most != want {
			t.Errorf("%d get %d bytes, want %d", conns, most, want)
		}
	}
	connected(fewConns, objects.MaxRaw)
	connected(fewConns+1, crowdedRaw)
	connected(manyConns, crowdedRaw)
	connected(manyConns+1, packedRaw)
	for _, most := range []int{crowdedRaw, packedRaw} {
		frame := Take(most)
		length := cap(frame.b)
		for at := uint64(0); at < 40; {
			pieces, _, err := Pack(t.Context(), snapshot, []objects.Span{{First: at, Count: 40 - at}}, frame, PackOptions{Most: most})
			if err != nil {
				t.Fatal(err)
			}
			if raw, _ := (objects.Blocks{Pieces: pieces}).Size(); raw > most || cap(frame.b) != length || length > most+frontRoom+backRoom {
				t.Errorf("block %d: an answer of %d bytes, in a frame of %d", at, raw, cap(frame.b))
			}
			for _, piece := range pieces {
				extent, err := snapshot.Extent(t.Context(), at, 40)
				if err != nil || !extent.Whole || int(extent.Count) != piece.Count {
					t.Fatalf("block %d: a piece of %d blocks, where a run has %d, %v", at, piece.Count, extent.Count, err)
				}
				at += extent.Count
			}
			frame.b = frame.b[:frontRoom]
		}
		pieces, _, err := Pack(t.Context(), snapshot, []objects.Span{{First: 40, Count: 1}}, frame, PackOptions{Most: most})
		if raw, count := (objects.Blocks{Pieces: pieces}).Size(); err != nil || count != 1 || raw != 3<<20/2 {
			t.Errorf("a block of 1.5 MiB: %d blocks of %d bytes, %v", count, raw, err)
		}
		frame.GiveBack()
	}
}
