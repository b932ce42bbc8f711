package replicate

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// A connection costs its peer a handshake, for which no key is needed. So a connection is idle until its peer opens a core
// here whose key it knows. An idle one is dropped when its place is needed, and after a while in any case. A stock peer
// opens what it shares at once; one of a swarm that shares nothing with us comes again.
const (
	idleCrowded = 15 * time.Second // longest idle time while most places are taken
	idleAlone   = 2 * time.Minute  // likewise, while they are not
)

// Comers is how many connections beyond [ServerOptions].Peers a listener should take: they wait for a place, or take that
// of an idle one.
const Comers = 16

// places are the places for a server's connections. Safe for concurrent use.
type places struct {
	most int // 0: any number, for as long as they like

	mu    sync.Mutex // guards all below, and the places
	taken map[*place]bool
	freed chan struct{} // closed, and replaced, when one may be had
}

// place is one connection's place. It is nil for a connection that we made.
type place struct {
	of    *places
	drop  context.CancelCauseFunc
	cores int         // open channels on which the peer proved that it knows the key
	since time.Time   // when cores became 0
	looks *time.Timer // checks whether it has been idle for too long
}

func newPlaces(most int) *places {
	return &places{most: most, taken: map[*place]bool{}, freed: make(chan struct{})}
}

// enter takes a place, if need be that of the connection that has been idle the longest, or waits for one. drop ends the
// connection.
func (p *places) enter(ctx context.Context, drop context.CancelCauseFunc) (*place, error) {
	for {
		taken, freed := p.tryEnter(drop)
		if taken != nil {
			return taken, nil
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (p *places) tryEnter(drop context.CancelCauseFunc) (taken *place, freed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.most > 0 && len(p.taken) >= p.most {
		useless := p.longestIdle()
		if useless == nil {
			return nil, p.freed
		}
		useless.end("another peer needs its place")
	}
	taken = &place{of: p, drop: drop, since: time.Now()}
	if p.most > 0 {
		taken.looks = time.AfterFunc(idleCrowded, taken.look)
	}
	p.taken[taken] = true
	return taken, nil
}

// longestIdle returns the place that has been idle the longest, nil if none is idle. p.mu is held.
func (p *places) longestIdle() (longest *place) {
	for other := range p.taken {
		if other.cores == 0 && (longest == nil || other.since.Before(longest.since)) {
			longest = other
		}
	}
	return longest
}

// changed wakes those that wait for a place. p.mu is held.
func (p *places) changed() {
	close(p.freed)
	p.freed = make(chan struct{})
}

// end drops the connection, and frees its place at once. of.mu is held.
func (l *place) end(why string) {
	delete(l.of.taken, l)
	l.of.changed()
	l.drop(fmt.Errorf("%w: for %v it has had no core of ours open: %s", ErrPeer, time.Since(l.since).Round(time.Second), why))
}

// leave frees the place when the connection has ended.
func (l *place) leave() {
	l.of.mu.Lock()
	defer l.of.mu.Unlock()
	if l.looks != nil {
		l.looks.Stop()
	}
	if l.of.taken[l] {
		delete(l.of.taken, l)
		l.of.changed()
	}
}

// opened counts a channel whose peer proved to know the core's key.
func (l *place) opened() {
	if l == nil {
		return
	}
	l.of.mu.Lock()
	defer l.of.mu.Unlock()
	l.cores++
}

// closed counts one channel less.
func (l *place) closed() {
	if l == nil {
		return
	}
	l.of.mu.Lock()
	defer l.of.mu.Unlock()
	if l.cores--; l.cores > 0 {
		return
	}
	l.since = time.Now()
	if l.looks != nil {
		l.looks.Reset(idleCrowded)
	}
	l.of.changed()
}

// look drops the connection if it has been idle for too long.
func (l *place) look() {
	l.of.mu.Lock()
	defer l.of.mu.Unlock()
	if l.cores > 0 || !l.of.taken[l] {
		return
	}
	longest := idleAlone
	if 2*len(l.of.taken) > l.of.most {
		longest = idleCrowded
	}
	if time.Since(l.since) >= longest {
		l.end("the time is up")
		return
	}
	l.looks.Reset(idleCrowded)
}
