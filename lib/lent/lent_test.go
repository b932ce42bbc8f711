package lent

import (
	"runtime"
	"sync"
	"testing"
	"time"
)

// Memory is reused when its last hold ends, and not before.
func TestLastHold(t *testing.T) {
	p := NewPool(1 << 20)
	m := p.Take(100 << 10)
	if len(m.Bytes()) < 100<<10 {
		t.Fatalf("%d bytes", len(m.Bytes()))
	}
	m.Hold()
	m.Release()
	other := p.Take(100 << 10)
	if other == m {
		t.Fatal("what is held was lent again")
	}
	m.Release()
	if again := p.Take(80 << 10); again != m {
		t.Error("what nobody holds is not used again")
	}
}

func TestSizes(t *testing.T) {
	for _, n := range []int{0, 1, 64 << 10, 65 << 10, 68 << 10, 69633, 2 << 20, 2<<20 + 100<<10, 15 << 20, 1<<24 + 100} {
		size := sizeOf(n)
		if size < n || size > max(68<<10, 2*n) {
			t.Errorf("%d bytes for %d", size, n)
		}
		if sizeOf(size) != size {
			t.Errorf("%d bytes for %d, which is a size", sizeOf(size), size)
		}
	}
	for n := 100 << 10; n < 8<<20; n += 77 << 10 {
		if size := sizeOf(n); size < n || size > n+n/3 {
			t.Errorf("%d bytes for %d", size, n)
		}
	}
	if size := sizeOf(2<<20 + 1000); size >= 5<<19 {
		t.Errorf("2 MiB and what stands around them take %d bytes", size)
	}
}

// Idle memory counts against the limit, which is a quarter larger for it, and makes room for memory that is lent.
func TestLimit(t *testing.T) {
	const size = leastSize + leastSize/slack
	p := NewPool(4 * size)
	var all []*Memory
	for i := range 6 {
		if full := p.Full(); full != (i >= 4) {
			t.Errorf("with %d out of 4 lent it is full: %v", i, full)
		}
		all = append(all, p.Take(1))
	}
	for _, m := range all {
		m.Release()
	}
	if p.out() != 0 || p.spare != 5*size || len(p.idle) != 5 {
		t.Errorf("%d bytes are lent, %d kept in %d pieces", p.out(), p.spare, len(p.idle))
	}
	large := p.Take(3 * size)
	if p.spare+p.out() > 5*size || p.out() != len(large.Bytes()) {
		t.Errorf("%d bytes are kept beside %d that are lent", p.spare, p.out())
	}
}

// A pool is notified of memory that was collected while it was held.
func TestLost(t *testing.T) {
	p := NewPool(1 << 20)
	func() { p.Take(1).Hold() }()
	lent := p.out
	for end := time.Now().Add(time.Minute); lent() > 0; runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("%d bytes count as lent", lent())
		}
		runtime.GC()
	}
}

func TestNil(t *testing.T) {
	var m *Memory
	m.Hold()
	m.Release()
	var p *Pool
	if !p.Full() {
		t.Error("a pool that is none has room")
	}
	m = p.Take(100)
	m.Hold()
	m.Release()
	m.Release()
}

func TestReleasedTwice(t *testing.T) {
	m := NewPool(1 << 20).Take(1)
	m.Release()
	for name, do := range map[string]func(){"released twice": m.Release, "held behind its end": m.Hold} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("memory was %s", name)
				}
			}()
			do()
			m.holders.Store(0)
		}()
		m.holders.Store(0)
	}
}

// Holders in many goroutines each read what the first one wrote.
func TestHolders(t *testing.T) {
	p := NewPool(256 << 10)
	var readers sync.WaitGroup
	for round := range 200 {
		m := p.Take(1)
		b := m.Bytes()[:100]
		for i := range b {
			b[i] = byte(round)
		}
		for range 4 {
			m.Hold()
			readers.Go(func() {
				defer m.Release()
				for _, x := range b {
					if x != byte(round) {
						t.Errorf("byte %d in round %d", x, round)
						return
					}
				}
			})
		}
		m.Release()
	}
	readers.Wait()
	if p.out() != 0 || p.spare > 320<<10 {
		t.Errorf("%d bytes are lent, %d kept", p.out(), p.spare)
	}
}
