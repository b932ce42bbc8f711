package replicate

import (
	"context"
	"errors"
	"sync"
	"time"

	"hc/lib/hypercore"
	"hc/lib/store"
)

// When verified blocks are saved.
const (
	saveBytes  = 4 << 20 // bytes of memory of verified blocks that are worth a save
	saveEvery  = time.Second
	maxUnsaved = 9 << 20
)

// saves are made one at a time, beside the fetcher's goroutine.
type saves struct {
	d       *hypercore.Download
	running sync.WaitGroup
	done    chan error // the result of the save under way
	busy    bool       // a save is under way, or its result has not been taken
	next    time.Time  // when one is due, however little there is to save
}

func newSaves(d *hypercore.Download) *saves {
	return &saves{d: d, done: make(chan error, 1), next: time.Now().Add(saveEvery)}
}

// begin starts a save if it is time for one. It is a few MiB, and is not abandoned when ctx ends: that would leave them in
// the log as waste.
func (s *saves) begin(ctx context.Context) {
	now := time.Now()
	if s.busy || !s.due(now) {
		return
	}
	s.busy, s.next = true, now.Add(saveEvery)
	ctx = context.WithoutCancel(ctx)
	s.running.Go(func() { s.done <- s.d.Save(ctx) })
}

func (s *saves) due(now time.Time) bool {
	memory, any := s.d.Unsaved()
	if !any {
		return false
	}
	return s.d.SaveWanted() || memory >= saveBytes && !now.Before(s.next.Add(-saveEvery)) || now.After(s.next)
}

// ended takes the result of a save. If the log was locked, by an append, say, the next one waits a little longer.
func (s *saves) ended(err error) error {
	s.busy = false
	if errors.Is(err, store.ErrLocked) {
		s.next = time.Now().Add(2 * saveEvery)
		return nil
	}
	return err
}

// full reports whether verified blocks have to be saved before more are requested or taken in: an answer of a few KiB may
// have thousands of blocks.
func (s *saves) full() bool {
	memory, _ := s.d.Unsaved()
	return memory >= maxUnsaved
}

// last waits for the save under way, and saves the rest.
func (s *saves) last(ctx context.Context) error {
	s.running.Wait()
	return s.d.Save(context.WithoutCancel(ctx))
}
