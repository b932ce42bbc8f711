package replicate

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"hc/lib/hypercore"
	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/peer"
	"hc/lib/proof"
)

// FetchOptions say what is wanted of a core. The zero value is all of it, once.
type FetchOptions struct {
	Claim   proof.Claim   // what the reader of the proof stream asks for
	Live    bool          // go on with what is appended later
	Window  int           // bytes that may be under way or unread; 0: 8 MiB
	Stall   time.Duration // a peer that owes answers and is silent for so long is dropped; 0: 30 s
	Trace   Trace
	Dropped func(peer string, reason error) // told of each peer that is lost; nil: nobody
}

// Peer is a connection with the name that errors call it by.
type Peer struct {
	Name string
	Conn peer.Conn
}

const (
	defaultWindow = 8 << 20
	defaultStall  = 30 * time.Second
	maxRequests   = 256     // under way at one peer; stock keeps 48
	saveBytes     = 4 << 20 // verified bytes that are saved together
	saveEvery     = time.Second
	maxUnsaved    = 16 << 20
	maxAhead      = 64 << 10 // blocks asked for ahead of the reader
)

// Fetch takes the core from peers until ctx ends, which is how the reader of the download says that it has all it wants;
// what verified by then is saved. It tells the download when nothing more will come, and returns why: nil where all that
// was wanted is here.
func Fetch(ctx context.Context, d *hypercore.Download, peers []Peer, options FetchOptions) error {
	f := newFetcher(d, options)
	ctx, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	for _, p := range peers {
		s := f.add(ctx, p.Name)
		running.Go(func() {
			err := s.run(p.Conn)
			p.Conn.Close()
			f.ended(s, err)
		})
	}
	err := f.loop(ctx)
	stop()
	running.Wait()
	f.saver.Wait()
	if saveErr := d.Save(context.WithoutCancel(ctx)); saveErr != nil && err == nil {
		err = saveErr
	}
	d.Finish(err)
	return err
}

// fetcher is the one goroutine that decides what is asked of whom.
type fetcher struct {
	d        *hypercore.Download
	options  FetchOptions
	sessions []*session
	events   chan event

	expected expected
	parked   []parked // proofs whose anchor another answer will bring
	retry    []uint64 // blocks whose request failed
	cursor   uint64   // next block to ask for
	from, to uint64   // wanted, to exclusive; proof.Open while the log's end is the end
	ranged   bool     // from and to are known
	failures []error  // of sessions that are gone
	recent   uint64   // bytes of a block, as lately seen

	saver    sync.WaitGroup
	saved    chan error // result of the save under way
	saving   bool
	lastSave time.Time
}

type parked struct {
	proof *merkle.Proof
	asked *asked
}

func newFetcher(d *hypercore.Download, options FetchOptions) *fetcher {
	if options.Window == 0 {
		options.Window = defaultWindow
	}
	if options.Stall == 0 {
		options.Stall = defaultStall
	}
	f := &fetcher{
		d:        d,
		options:  options,
		events:   make(chan event, 64),
		expected: expected{},
		saved:    make(chan error, 1),
		lastSave: time.Now(),
	}
	f.setRange()
	return f
}

func (f *fetcher) add(ctx context.Context, name string) *session {
	s := &session{
		name:     name,
		link:     link{key: f.d.Key()},
		events:   f.events,
		ctx:      ctx,
		lacks:    map[uint64]bool{},
		requests: map[uint64]*asked{},
		heard:    time.Now(),
	}
	f.sessions = append(f.sessions, s)
	return s
}

// ended tells the loop that a session is gone. The loop may be over; then nobody listens, and nothing is lost.
func (f *fetcher) ended(s *session, err error) {
	select {
	case f.events <- event{session: s, closed: true, err: err}:
	case <-s.ctx.Done():
	}
}

// loop runs until ctx ends or nothing more can come. A nil error means that nothing that was wanted is missing.
func (f *fetcher) loop(ctx context.Context) error {
	ticker := time.NewTicker(saveEvery / 4)
	defer ticker.Stop()
	for {
		changed := f.d.Changed()
		over, err := f.plan(ctx)
		if err != nil {
			return err
		}
		if over {
			f.d.Finish(nil)
			changed = nil // nothing more is asked; wait for the reader
		}
		select {
		case <-ctx.Done():
			return f.reason(nil)
		case e := <-f.events:
			if err := f.handle(ctx, e); err != nil {
				return err
			}
			if err := f.handleMore(ctx); err != nil {
				return err
			}
		case <-changed:
		case err := <-f.saved:
			f.saving = false
			if err != nil {
				return err
			}
		case <-ticker.C:
			f.dropStalled()
		}
		f.save(ctx)
	}
}

// handleMore takes what else has come already, so that planning is not done for each block.
func (f *fetcher) handleMore(ctx context.Context) error {
	for range cap(f.events) {
		select {
		case e := <-f.events:
			if err := f.handle(ctx, e); err != nil {
				return err
			}
		default:
			return nil
		}
	}
	return nil
}

// save starts to commit what verified, when it is worth it.
func (f *fetcher) save(ctx context.Context) {
	bytes, any := f.d.Unsaved()
	if f.saving || !any || bytes < saveBytes && time.Since(f.lastSave) < saveEvery {
		return
	}
	f.saving, f.lastSave = true, time.Now()
	ctx = context.WithoutCancel(ctx) // what was begun is a few MiB; given up, it would only leave them as waste in the log
	f.saver.Go(func() { f.saved <- f.d.Save(ctx) })
}

func (f *fetcher) dropStalled() {
	for _, s := range f.sessions {
		if len(s.requests) > 0 && time.Since(s.heard) > f.options.Stall {
			s.mux.Close(fmt.Errorf("%w: silent for %v with %d answers owed", ErrPeer, f.options.Stall, len(s.requests)))
		}
	}
}

// reason returns what to tell when no peer is left, or nil while there is one. alternative is told where no peer failed.
func (f *fetcher) reason(alternative error) error {
	if len(f.sessions) > 0 || len(f.failures) == 0 {
		return alternative
	}
	for _, failure := range f.failures { // verification stands before network
		if errors.Is(failure, merkle.ErrUnverified) || errors.Is(failure, keys.ErrSignature) || errors.Is(failure, keys.ErrManifest) {
			return failure
		}
	}
	return f.failures[len(f.failures)-1]
}
