package replicate

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"hc/lib/hypercore"
	"hc/lib/keys"
	"hc/lib/lent"
	"hc/lib/merkle"
	"hc/lib/objects"
	"hc/lib/peer"
	"hc/lib/proof"
	"hc/lib/store"
)

// FetchOptions say what is wanted of a core. The zero value is all of it, once.
type FetchOptions struct {
	Claim     proof.Claim   // what the reader of the proof stream asks for
	Live      bool          // go on with what is appended later
	Window    int           // bytes that may be under way or unread; 0: 8 MiB
	Handshake time.Duration // a peer that has not shaken hands by then is dropped; 0: 15 s
	Stall     time.Duration // a peer that owes answers and is silent for so long is dropped; 0: 30 s
	Trace     Trace
	Dropped   func(peer string, reason error) // told of each peer that is lost; nil: nobody
	Worked    func(peer string)               // told of each peer that has sent something which verified; nil: nobody

	// More is called once for each fetch, and returns peers that are found meanwhile, until ctx ends. As long as it is open a fetch
	// waits for one, if it has no other.
	More func(ctx context.Context) <-chan Dialer

	NoDedup bool                          // ask for every block, also for those that the store has from elsewhere
	Copied  func(block uint64, bytes int) // told of each block that the store had from elsewhere; nil: nobody

	fresh    bool // nothing of what the first head has is in the store under other names, whatever is there by then
	lonely   time.Duration
	keep     bool   // nobody reads: take what there is, and end
	maxBytes uint64 // of the log; 0: no limit
}

// Dialer makes the connection to one peer, which errors call by its name.
type Dialer struct {
	Name string
	Dial func(ctx context.Context) (peer.Conn, error)

	line *lines // one connection for several fetches; nil: one for each
}

const (
	defaultWindow = 8 << 20
	defaultStall  = 30 * time.Second
	patience      = 3 * time.Second // for one peer to say what it has, while another one has said so
	saveBytes     = 4 << 20         // of memory that verified blocks take, which are saved together
	saveEvery     = time.Second
	lookEvery     = saveEvery / 4
	maxUnsaved    = 9 << 20
	maxAhead      = 64 << 10  // blocks asked for ahead of the reader
	planBehind    = 256 << 10 // bytes of an answer's blocks that the next questions do not wait behind
	lentWindows   = 3         // halves of a window that may lie where they were read, unread or unsaved; more is copied
)

// Fetch takes the core from peers until ctx ends, which is how the reader of the download says that it has all it wants;
// what verified by then is saved. It tells the download when nothing more will come, and returns why: nil where all that
// was wanted is here.
func Fetch(ctx context.Context, d *hypercore.Download, peers []Dialer, options FetchOptions) error {
	f := newFetcher(d, options)
	ctx, stop := context.WithCancel(ctx)
	for _, p := range peers {
		f.begin(ctx, p)
	}
	if options.More != nil {
		f.more = options.More(ctx)
	}
	err := f.loop(ctx)
	stop()
	f.running.Wait()
	err = f.finish(ctx, err)
	d.Finish(err)
	return err
}

// finish saves what verified.
func (f *fetcher) finish(ctx context.Context, err error) error {
	f.saver.Wait()
	if f.unwelcome {
		return err
	}
	if saveErr := f.d.Save(context.WithoutCancel(ctx)); err == nil {
		err = saveErr
	}
	return err
}

// fetcher is the one goroutine that decides what is asked of whom.
type fetcher struct {
	d        *hypercore.Download
	options  FetchOptions
	sessions []*session
	met      int            // peers that took part so far
	running  sync.WaitGroup // of them
	more     <-chan Dialer  // peers that are found; nil: nobody looks
	alone    time.Time      // since when there is no peer
	waited   waited
	events   chan event
	gate     *gate
	unpacks  *unpackers
	pool     *lent.Pool // of what is read; nil: who reads the blocks keeps them
	began    time.Time

	expected    expected
	asking      map[uint64]bool // blocks that are under way, or parked
	underWay    int             // bytes that are expected of them
	parked      []parked        // proofs whose anchor another answer will bring
	parkedBytes int
	retry       []uint64 // blocks whose request failed, ascending
	anew        []uint64 // what of that is to be asked for once more, ascending
	soon, later []span   // what a scattered reader wants, those of soon first
	cursor      uint64   // next block to ask for
	from, to    uint64   // wanted, to exclusive; proof.Open while the log's end is the end
	ranged      bool     // from and to are known
	failures    []error  // of sessions that are gone, the last one of each peer
	failed      []string // which peers these are
	away        []away   // of these, those that are tried again
	recent      uint64   // bytes of a block, near the most that came lately
	usual       uint64   // likewise, as most that came lately have
	gathered    []event  // of gather
	patience    *time.Timer
	pace        pace
	unwelcome   bool // what verified is not to be saved

	mayHold bool              // the store may have blocks from elsewhere
	lacking uint64            // of these, at the log's beginning, it has none
	hashed  map[uint64]hashed // blocks whose leaf hashes came before them
	hashing int               // blocks whose leaf hashes are under way
	credit  int               // bytes that leaf hashes may cost
	atOnce  int               // leaf hashes that are asked for at once

	held      []objects.Span // what the store had of the core
	heldAt    uint64         // when the log had this length
	forgetful bool           // it did not have all of that

	saver    sync.WaitGroup
	saved    chan error // result of the save under way
	saving   bool
	nextSave time.Time
}

type parked struct {
	proof  *merkle.Proof
	memory *lent.Memory // of proof, a hold
	gift   *gift        // instead, with holds
	asked  *asked
}

func newFetcher(d *hypercore.Download, options FetchOptions) *fetcher {
	if options.Window == 0 {
		options.Window = defaultWindow
	}
	if options.Stall == 0 {
		options.Stall = defaultStall
	}
	if options.lonely == 0 {
		options.lonely = lonely
	}
	f := &fetcher{
		d:        d,
		options:  options,
		events:   make(chan event, 64),
		gate:     newGate(options.Window),
		unpacks:  newUnpackers(),
		began:    time.Now(),
		expected: expected{},
		asking:   map[uint64]bool{},
		mayHold:  d.MayHold() && !options.NoDedup,
		hashed:   map[uint64]hashed{},
		credit:   firstCredit,
		atOnce:   firstCheck,
		saved:    make(chan error, 1),
		nextSave: time.Now().Add(saveEvery),
		patience: time.NewTimer(time.Hour),
	}
	f.patience.Stop()
	if d.Lends() {
		f.pool = lent.NewPool(lentWindows * options.Window / 2)
	}
	f.setRange()
	return f
}

func (f *fetcher) add(ctx context.Context, name string) *session {
	s := &session{
		name:    name,
		link:    link{key: f.d.Key()},
		limits:  limits{handshake: f.options.Handshake},
		read:    new(atomic.Int64),
		events:  f.events,
		gate:    f.gate,
		unpacks: f.unpacks,
		pool:    f.pool,
		stores:  f.d.Stores(), heldBlock: f.d.HeldBlock, heldLength: f.d.HeldLength,
	}
	s.ctx, s.stop = context.WithCancelCause(ctx)
	s.lacks, s.requests, s.since = map[uint64]bool{}, map[uint64]*asked{}, time.Now()
	s.questions, s.lateQuestions, s.atOnce = map[uint64]*asked{}, map[uint64]bool{}, firstQuestion
	f.sessions = append(f.sessions, s)
	f.met++
	return s
}

// loop runs until ctx ends or nothing more can come. A nil error means that nothing that was wanted is missing.
func (f *fetcher) loop(ctx context.Context) error {
	defer f.unpacks.end()
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		if ctx.Err() != nil { // before the sessions' ends, which it brings, are taken for losses
			return nil
		}
		changed := f.d.Changed()
		over, err := f.plan(ctx)
		if err != nil {
			return err
		}
		if over && f.options.keep {
			return nil
		}
		if over {
			f.d.Finish(nil)
			changed = nil // nothing more is asked; wait for the reader
		}
		select {
		case <-ctx.Done():
			return nil
		case e := <-f.listen(ctx):
			if err := f.handleAll(ctx, e); err != nil {
				return err
			}
			for _, block := range f.d.Evict(2 * f.options.Window) {
				f.again(block)
			}
		case p, found := <-f.more:
			f.join(ctx, p, found)
		case <-changed:
		case err := <-f.saved:
			f.saving = false
			if errors.Is(err, store.ErrLocked) { // by an append, say; there is time
				err, f.nextSave = nil, time.Now().Add(2*saveEvery)
			}
			if err != nil {
				return err
			}
		case now := <-ticker.C:
			if err := f.look(ctx, now); err != nil {
				return err
			}
		}
	}
}

// listen starts a save if it is time for one, and returns where events come from: nothing is taken in while the disk is
// behind.
func (f *fetcher) listen(ctx context.Context) <-chan event {
	memory, any := f.d.Unsaved()
	if now := time.Now(); any && !f.saving && (f.d.SaveWanted() || memory >= saveBytes && !now.Before(f.nextSave.Add(-saveEvery)) || now.After(f.nextSave)) {
		f.saving, f.nextSave = true, now.Add(saveEvery)
		ctx = context.WithoutCancel(ctx) // what was begun is a few MiB; given up, it would only leave them as waste in the log
		f.saver.Go(func() { f.saved <- f.d.Save(ctx) })
	}
	if memory >= maxUnsaved {
		return nil
	}
	return f.events
}

// handleAll takes in an event and what else has come already, so that planning is not done for each block. Behind many blocks it is: the
// peer gets his next question while those that come behind them are unpacked.
func (f *fetcher) handleAll(ctx context.Context, e event) error {
	for n := 1; ; n++ {
		events := f.gather(ctx, e)
		for _, e := range events {
			if err := f.handle(ctx, e); err != nil {
				return err
			}
		}
		last := events[len(events)-1]
		f.gate.leave(last.bytes)
		if n == cap(f.events) || last.gift != nil && last.bytes >= planBehind {
			return nil
		}
		select {
		case e = <-f.events:
		default:
			return nil
		}
	}
}

// look drops peers that misbehave, and says what could not be said before.
func (f *fetcher) look(ctx context.Context, now time.Time) error {
	f.passSlow(ctx, now)
	f.redial(ctx, now)
	for _, s := range f.sessions {
		if s.dropped {
			continue
		}
		if err := s.misbehaves(now, f.options.Stall); err != nil {
			f.drop(s, err)
		} else if s.untold {
			if err := f.sayState(s); err != nil {
				return err
			}
		}
	}
	return f.unpark(ctx)
}

// peersGone is why no peer is left.
type peersGone struct{ error }

func (e *peersGone) Unwrap() error { return e.error }

// lost decides what it means that no peer is left: that is the end, unless all that was wanted is here.
func (f *fetcher) lost() (over bool, err error) {
	reason := &peersGone{f.reason()}
	if f.options.Live || !f.complete() {
		return true, reason
	}
	f.d.Settle()
	f.d.Finish(reason) // told only where the reader looks for more than it said
	return true, nil
}

// reason returns what to tell when no peer is left.
func (f *fetcher) reason() error {
	if len(f.failures) == 0 {
		return ErrLost
	}
	unreachable := true
	for _, failure := range f.failures { // verification stands before network
		if errors.Is(failure, merkle.ErrUnverified) || errors.Is(failure, keys.ErrSignature) || errors.Is(failure, keys.ErrManifest) {
			return failure
		}
		unreachable = unreachable && errors.Is(failure, peer.ErrUnreachable)
	}
	if unreachable {
		return errors.Join(f.failures...)
	}
	return f.failures[len(f.failures)-1]
}
