package replicate

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hc/lib/hypercore"
	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/objects"
	"hc/lib/proof"
	"hc/lib/protomux"
	"hc/lib/replicate/messages"
)

// heapPeak samples the heap while run runs. The collector runs often then, so that little of it is garbage.
func heapPeak(run func()) (grown int64) {
	defer debug.SetGCPercent(debug.SetGCPercent(20))
	runtime.GC()
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	stop, done := make(chan struct{}), make(chan struct{})
	var peak atomic.Uint64
	go func() {
		defer close(done)
		ticker := time.NewTicker(2 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				runtime.ReadMemStats(&now)
				peak.Store(max(peak.Load(), now.HeapAlloc))
			case <-stop:
				return
			}
		}
	}()
	run()
	close(stop)
	<-done
	return int64(peak.Load()) - int64(before.HeapAlloc)
}

// Blocks of a few bytes, of which one answer has thousands, are saved before they pile up in memory.
func TestManyShortBlocksTakeLittleMemory(t *testing.T) {
	noLeaks(t)
	core := &testCore{t: t, store: newStore(t)}
	core.blocks = make([][]byte, lots(400_000))
	for i := range core.blocks {
		core.blocks[i] = fmt.Appendf(nil, "%06d\n", i)
	}
	core.append(core.blocks...)
	into := newStore(t)
	d, err := hypercore.NewDownload(t.Context(), core.key, hypercore.DownloadOptions{Store: into})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := Fetch(t.Context(), d, []Dialer{over("peer", core.serving(ServerOptions{}))}, FetchOptions{keep: true}); err != nil {
			t.Error(err)
		}
	}()
	most := 0
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
			memory, _ := d.Unsaved()
			most = max(most, memory)
			runtime.Gosched()
		}
	}
	const answer = objects.MaxBlocks * 1024 // what one more answer may add
	if t.Logf("%d KiB", most>>10); most > maxUnsaved+answer {
		t.Errorf("%d KiB of verified blocks are not saved", most>>10)
	}
}

// Bodies of many MiB where a few bytes were expected do not pile up: neither unread nor parked until what they build on
// has come.
func TestHostileBodiesTakeLittleMemory(t *testing.T) {
	noLeaks(t)
	core := newCore(t, 300)
	const junk = 12 << 20
	const frontRoom, backRoom = 8 << 10, 1 << 10 // for the head, and for what encrypts
	buf := make([]byte, frontRoom+junk, frontRoom+junk+backRoom)
	var writing sync.Mutex // guards buf
	for _, into := range []bool{true, false} {
		var first *merkle.Request
		sent := 0
		bad := &liar{capable: true, onRequest: func(l *liar, ch *protomux.Channel, r merkle.Request) error {
			switch {
			case r.Block == nil:
				return l.honest(ch, r, nil)
			case first == nil:
				first = &r // all others build on it
				return nil
			}
			sent++
			l.later(func(context.Context) {
				writing.Lock()
				defer writing.Unlock()
				block := &merkle.BlockProof{Index: r.Block.Index, Value: buf[frontRoom : frontRoom+junk-1]}
				head := messages.AppendDataHead(nil, &merkle.Proof{ID: r.ID, Block: block})
				at := frontRoom - len(head)
				copy(buf[at:], head)
				buf[frontRoom+junk-1] = 0 // nodes
				_ = ch.WriteInPlace(messages.TypeData, buf, at)
			})
			return nil
		}}
		store := newStore(t)
		if !into {
			store = nil
		}
		grown := heapPeak(func() {
			_, err := read(t, store, core.key, proof.Claim{}, FetchOptions{Stall: shortStall}, core.lying(bad))
			if err == nil {
				t.Error("read something")
			}
		})
		t.Logf("with a store %v: %d MiB for %d bodies of %d MiB", into, grown>>20, sent, junk>>20)
		if sent == 0 || grown > 160<<20 {
			t.Errorf("with a store %v: %d MiB for %d bodies", into, grown>>20, sent)
		}
	}
}

// An honest log whose blocks are far larger than its average takes little memory, too.
func TestLargeBlocksBehindSmallOnes(t *testing.T) {
	noLeaks(t)
	core := &testCore{t: t, store: newStore(t)}
	for range 2000 {
		core.blocks = append(core.blocks, []byte("x"))
	}
	large := make([]byte, 4<<20)
	for i := range large {
		large[i] = byte(i * i >> 7)
	}
	for range 40 {
		core.blocks = append(core.blocks, large)
	}
	core.append(core.blocks...)
	want := core.bytes()
	for _, kept := range []bool{true, false} {
		into := newStore(t)
		if !kept {
			into = nil
		}
		var got int64
		grown := heapPeak(func() {
			peers := []Dialer{over("server", core.serving(ServerOptions{}))}
			in, out := io.Pipe()
			go func() {
				out.CloseWithError(WriteProof(t.Context(), out, keys.Ref{Key: core.key}, PipeOptions{Store: into, Peers: peers}))
			}()
			count := &slowWriter{}
			if _, err := proof.Verify(t.Context(), in, proof.Options{Key: &core.key, Out: count}, nil); err != nil {
				t.Error(err)
			}
			got = count.bytes
		})
		t.Logf("kept %v: %d MiB for 40 blocks of %d MiB", kept, grown>>20, len(large)>>20)
		if got != int64(len(want)) || grown > 160<<20 {
			t.Errorf("kept %v: %d of %d bytes came, %d MiB", kept, got, len(want), grown>>20)
		}
	}
}

// slowWriter takes its time for large writes.
type slowWriter struct{ bytes int64 }

func (w *slowWriter) Write(p []byte) (int, error) {
	w.bytes += int64(len(p))
	if len(p) > 1<<20 {
		time.Sleep(10 * time.Millisecond)
	}
	return len(p), nil
}
