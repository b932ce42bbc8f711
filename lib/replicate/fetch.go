package replicate

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"hc/lib/hypercore"
	"hc/lib/lent"
	"hc/lib/peer"
	"hc/lib/proof"
)

// FetchOptions say what to fetch of a core. The zero value is all of it, once.
type FetchOptions struct {
	Claim     proof.Claim   // what the reader of the proof stream asks for
	Live      bool          // continue with blocks that are appended later
	Window    int           // bytes that may be under way or unread; 0: 8 MiB
	Handshake time.Duration // a peer that has not shaken hands within this time is dropped; 0: 15 s
	Stall     time.Duration // a peer that owes answers and is silent for this long is dropped; 0: 30 s
	Trace     Trace
	Dropped   func(peer string, reason error) // called for each peer that is lost; may be nil
	Worked    func(peer string)               // called for each peer that has sent something that verified; may be nil

	// More is called once for each fetch. It returns a channel of peers that are found meanwhile, until ctx ends. While the
	// channel is open, a fetch without peers waits for one.
	More func(ctx context.Context) <-chan Dialer

	NoDedup bool                          // ask for every block, even for those that the store has from elsewhere
	Copied  func(block uint64, bytes int) // called for each block that the store had from elsewhere; may be nil

	fresh    bool // the store had no blocks to dedup against: none of the first head's are looked for there
	lonely   time.Duration
	keep     bool   // nobody reads: take what there is, and end
	maxBytes uint64 // of the log; 0: no limit
}

// Dialer makes connections to one peer. Errors refer to the peer by Name.
type Dialer struct {
	Name string
	Dial func(ctx context.Context) (peer.Conn, error)

	line *lines // one connection for several fetches; nil: one for each
}

const (
	defaultWindow = 8 << 20
	defaultStall  = 30 * time.Second
	patience      = 3 * time.Second // for one peer to say what it has, when another has already said so
	lookEvery     = saveEvery / 4
	maxAhead      = 64 << 10  // blocks asked for ahead of the reader
	planBehind    = 256 << 10 // bytes of an answer from which the next questions are asked right after it
	lentWindows   = 3         // half windows of unread or unsaved blocks that may stay in the memory they were read into; the rest is copied
)

// Fetch downloads the core from peers until nothing more can come, or until ctx ends: that is how the reader of the
// download says that it has all it wants. Everything verified by then is saved. Fetch tells the download when nothing
// more will come, and returns why: nil if everything wanted is here.
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

// finish saves everything that has been verified.
func (f *fetcher) finish(ctx context.Context, err error) error {
	if f.unwelcome {
		f.saves.running.Wait()
		return err
	}
	if saveErr := f.saves.last(ctx); err == nil {
		err = saveErr
	}
	return err
}

// fetcher decides what to ask of which peer. One goroutine runs it.
type fetcher struct {
	d         *hypercore.Download
	options   FetchOptions
	events    chan event // from the sessions
	gathered  []event    // of gather
	gate      *gate
	unpacks   *unpackers
	pool      *lent.Pool // memory to read into; nil: the reader keeps the blocks
	began     time.Time
	saves     *saves
	unwelcome bool // verified blocks are not to be saved

	// Peers.
	sessions []*session
	met      int            // peers that have taken part so far
	running  sync.WaitGroup // of the sessions
	more     <-chan Dialer  // peers found meanwhile; nil: nobody looks for any
	alone    time.Time      // since when there has been no peer
	waited   waited
	patience *time.Timer
	losses   losses
	away     []away // those of the lost peers that are tried again

	// What to ask for.
	plans     uint64 // made so far, and one more
	ordered   ordered
	scattered scattered
	leaves    leafChecks
	told      toldSpans

	// What is under way.
	underWay underWay
	parking  parking
	pace     pace
	recent   uint64 // bytes of a block, near the largest of those that came lately
	usual    uint64 // bytes of a typical block among those that came lately
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
		plans:    1,
		ordered:  newOrdered(options.Claim),
		underWay: newUnderWay(),
		leaves:   newLeafChecks(d.MayHold() && !options.NoDedup),
		saves:    newSaves(d),
		patience: time.NewTimer(time.Hour),
	}
	f.patience.Stop()
	if d.Lends() {
		f.pool = lent.NewPool(lentWindows * options.Window / 2)
	}
	f.start()
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

// loop runs until ctx ends or nothing more can come. A nil error means that nothing wanted is missing.
func (f *fetcher) loop(ctx context.Context) error {
	defer f.unpacks.end()
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		if ctx.Err() != nil { // checked first: it ends the sessions, too, which are then no losses
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
			changed = nil // nothing more to ask; wait for the reader
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
		case err := <-f.saves.done:
			if err := f.saves.ended(err); err != nil {
				return err
			}
		case now := <-ticker.C:
			if err := f.look(ctx, now); err != nil {
				return err
			}
		}
	}
}

// listen starts a save if it is time for one, and returns the channel to take events from. It is nil, so that nothing is
// taken in, while the disk lags behind.
func (f *fetcher) listen(ctx context.Context) <-chan event {
	f.saves.begin(ctx)
	if f.saves.full() {
		return nil
	}
	return f.events
}

// handleAll takes in an event and all others that have arrived by now, to avoid planning for each block. After a large
// answer it returns early: the peer gets its next question while the answers that follow are unpacked.
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
		if n == cap(f.events) || last.answer != nil && last.bytes >= planBehind || f.saves.full() {
			return nil
		}
		select {
		case e = <-f.events:
		default:
			return nil
		}
	}
}

// look drops peers that misbehave, and sends the state that could not be sent before.
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
