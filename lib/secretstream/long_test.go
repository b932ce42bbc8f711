package secretstream

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"hc/lib/budget"
)

// A long frame that never ends delays others for a while, not for ever; a peer whose frame arrives continues.
func TestLongFramesShareABudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		long := budget.New(3<<20, budget.Window)
		message := bytes.Repeat([]byte("long"), 1<<19)
		type read struct {
			message []byte
			err     error
		}
		results := map[bool]chan read{true: make(chan read, 2), false: make(chan read, 2)}
		connect := func(honest bool) (*Conn, net.Conn) {
			left, right := net.Pipe()
			go func() {
				to, err := Handshake(t.Context(), right, Options{Long: long})
				for err == nil {
					var got []byte
					got, err = to.ReadMessage()
					results[honest] <- read{bytes.Clone(got), err}
				}
			}()
			from, err := Handshake(t.Context(), left, Options{Initiator: true})
			if err != nil {
				t.Fatal(err)
			}
			return from, left
		}
		_, slow := connect(false)
		if _, err := slow.Write(append([]byte{0xff, 0xff, 0x2f}, message[:1<<20]...)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		from, _ := connect(true)
		go func() {
			for range 2 {
				if err := errors.Join(from.WriteMessage(message), from.Flush()); err != nil {
					t.Error(err)
				}
			}
			from.Close()
		}()
		if r := <-results[false]; !errors.Is(r.err, ErrSlow) {
			t.Errorf("the slow one: %d bytes, %v", len(r.message), r.err)
		}
		for range 2 {
			if r := <-results[true]; r.err != nil || !bytes.Equal(r.message, message) {
				t.Errorf("the honest one: %d bytes, %v", len(r.message), r.err)
			}
		}
		slow.Close()
	})
}

// A message over the limit is refused before its bytes have come.
func TestLimitMessages(t *testing.T) {
	from, to := pooled(t, nil)
	const limit = 1000
	to.LimitMessages(limit)
	go func() {
		for _, size := range []int{limit, limit + 1} {
			_ = from.WriteMessage(make([]byte, size))
		}
		_ = from.Flush()
	}()
	if got, err := to.ReadMessage(); err != nil || len(got) != limit {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if got, err := to.ReadMessage(); !errors.Is(err, ErrFrame) || errors.Is(err, io.EOF) {
		t.Errorf("%d bytes, %v, want %v", len(got), err, ErrFrame)
	}
}
