package secretstream

import (
	"bytes"
	"context"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"testing"

	"hc/lib/lent"
)

// A message that was made one's own stays what it is while the next ones come, and its memory is used again when it was
// released. Short ones, and those that come when the pool has no more, are not handed on.
func TestOwn(t *testing.T) {
	const limit = 4 << 20
	pool := lent.NewPool(limit)
	from, to := pooled(t, pool)
	r := rand.New(rand.NewPCG(1, 2))
	sizes := []int{10, 300 << 10, longFrame - overhead, longFrame - overhead - 1, 2 << 20, 1, 1, 2<<20 - 5, 700 << 10, 64 << 10, 64 << 10, 260 << 10, 1 << 20}
	messages := make([][]byte, 8*len(sizes))
	for i := range messages {
		messages[i] = make([]byte, sizes[i%len(sizes)])
		for j := 0; j < len(messages[i]); j += 61 {
			messages[i][j] = byte(r.Uint32())
		}
	}
	go func() {
		for _, m := range messages {
			if from.WriteMessage(m) != nil {
				return
			}
		}
		_ = from.Flush()
	}()
	var readers sync.WaitGroup
	waiting := make(chan struct{}, 3)
	owned := 0
	for i, want := range messages {
		got, err := to.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		memory := to.Own()
		if long := len(want) >= longFrame-overhead; memory != nil && !long {
			t.Fatalf("message %d of %d bytes is handed on", i, len(want))
		}
		if memory == nil {
			if !bytes.Equal(got, want) {
				t.Fatalf("message %d came wrong", i)
			}
			continue
		}
		owned++
		again := to.Own()
		readers.Go(func() {
			waiting <- struct{}{}
			defer func() { <-waiting }()
			if !bytes.Equal(got, want) {
				t.Errorf("message %d changed", i)
			}
			memory.Release()
			if again != nil && !bytes.Equal(got, want) {
				t.Errorf("message %d changed while it is held", i)
			}
			again.Release()
		})
	}
	readers.Wait()
	if owned < len(messages)/8 {
		t.Errorf("%d messages were handed on", owned)
	}
}

// A caller that holds every message gets no more than the pool's limit, and one message; without a pool it gets none.
func TestOwnIsBounded(t *testing.T) {
	const limit, size = 2 << 20, 512 << 10
	for name, pool := range map[string]*lent.Pool{"a pool": lent.NewPool(limit), "none": nil} {
		from, to := pooled(t, pool)
		go func() {
			for range 16 {
				if from.WriteMessage(make([]byte, size)) != nil {
					return
				}
			}
			_ = from.Flush()
		}()
		var holds []*lent.Memory // what nobody refers to is the collector's, and the pool lends as much again
		held := 0
		for range 16 {
			if _, err := to.ReadMessage(); err != nil {
				t.Fatal(err)
			}
			if memory := to.Own(); memory != nil {
				holds = append(holds, memory)
				held += len(memory.Bytes())
			}
		}
		runtime.KeepAlive(holds)
		if held > limit+2*size || pool != nil && held < limit/2 || pool == nil && held > 0 {
			t.Errorf("%s: %d bytes are held", name, held)
		}
	}
}

// pooled returns both ends of a connection, of which the second one has a pool.
func pooled(t *testing.T, pool *lent.Pool) (a, b *Conn) {
	t.Helper()
	left, right := net.Pipe()
	t.Cleanup(func() { left.Close(); right.Close() })
	done := make(chan error, 1)
	go func() {
		var err error
		a, err = Handshake(context.Background(), left, Options{Initiator: true})
		done <- err
	}()
	b, err := Handshake(t.Context(), right, Options{Memory: pool})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return a, b
}
