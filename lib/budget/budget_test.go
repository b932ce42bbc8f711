package budget

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// peer is a peer whose progress a test sets, and which gives back its share when it is dropped.
type peer struct {
	moved   atomic.Uint64
	dropped atomic.Bool
	share   *Share
}

func take(t *testing.T, b *Budget, bytes int) *peer {
	t.Helper()
	p := &peer{}
	var err error
	if p.share, err = b.Take(t.Context(), bytes, Peer{p.moved.Load, p.drop}); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *peer) drop() {
	p.dropped.Store(true)
	p.share.Release()
}

// A caller that comes when everything is taken waits, in order of arrival, and is not overtaken by one that needs
// less.
func TestTakeInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(100, Window)
		first := take(t, b, 80)
		got := make(chan int, 4)
		for _, bytes := range []int{50, 10, 300, 5} {
			go func() {
				p := take(t, b, bytes)
				got <- bytes
				time.Sleep(time.Millisecond)
				p.share.Release()
				p.share.Release()
			}()
			synctest.Wait()
		}
		if len(got) != 0 {
			t.Errorf("%d did not wait", <-got)
		}
		first.share.Release()
		time.Sleep(time.Second)
		synctest.Wait()
		if <-got+<-got != 60 || <-got != 300 || <-got != 5 || b.used != 0 {
			t.Errorf("they came to their turn in another order, or %d bytes are taken", b.used)
		}
	})
}

// Where the latest goes first, the others get their turn after it.
func TestTakeLastFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewLastFirst(100, Window)
		first := take(t, b, 80)
		var order []int
		for _, bytes := range []int{50, 60, 90} {
			go func() {
				p := take(t, b, bytes)
				order = append(order, bytes)
				time.Sleep(time.Millisecond)
				p.share.Release()
			}()
			synctest.Wait()
		}
		first.share.Release()
		time.Sleep(time.Second)
		synctest.Wait()
		if !slices.Equal(order, []int{90, 60, 50}) || b.used != 0 {
			t.Errorf("their turns: %v, %d bytes are taken", order, b.used)
		}
	})
}

// As long as nobody waits a peer may be as slow as it likes. When somebody does, peers that are too slow are dropped,
// and no others.
func TestSlowOnesGoForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(100, Window)
		slow, fast := take(t, b, 50), take(t, b, 50)
		quarter := func(times int) {
			for range times {
				time.Sleep(Window / 4)
				slow.moved.Add(leastRate * uint64(Window/time.Second) / 8)
				fast.moved.Add(leastRate * uint64(Window/time.Second) / 2)
			}
		}
		quarter(40)
		if slow.dropped.Load() || fast.dropped.Load() {
			t.Fatal("one was dropped for nobody")
		}
		var third *peer
		go func() { third = take(t, b, 20) }()
		quarter(9)
		synctest.Wait()
		if !slow.dropped.Load() || fast.dropped.Load() || third == nil {
			t.Errorf("slow: dropped %v, fast: dropped %v, the third: %v", slow.dropped.Load(), fast.dropped.Load(), third)
		}
		fast.share.Release()
		third.share.Release()
	})
}

// A caller that gives up waiting leaves nothing behind, and those after it get their turn.
func TestGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(100, Window)
		first := take(t, b, 80)
		ctx, stop := context.WithCancel(t.Context())
		gaveUp := make(chan error, 1)
		go func() {
			_, err := b.Take(ctx, 50, Peer{first.moved.Load, first.drop})
			gaveUp <- err
		}()
		synctest.Wait()
		var third *peer
		go func() { third = take(t, b, 20) }()
		synctest.Wait()
		if third != nil {
			t.Error("overtaken")
		}
		stop()
		if err := <-gaveUp; !errors.Is(err, context.Canceled) {
			t.Errorf("%v, want %v", err, context.Canceled)
		}
		synctest.Wait()
		if third == nil || b.used != 100 {
			t.Errorf("the third: %v, %d bytes are taken", third, b.used)
		}
		first.share.Release()
		third.share.Release()
	})
}

// A nil budget bounds nothing.
func TestNoBudget(t *testing.T) {
	var b *Budget
	share, err := b.Take(t.Context(), 1<<40, Peer{})
	if share.Release(); err != nil || share.Bytes() != 0 {
		t.Errorf("%d bytes, %v", share.Bytes(), err)
	}
}
