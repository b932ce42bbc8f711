package replicate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"hc/lib/budget"
	"hc/lib/hypercore"
	"hc/lib/keys"
	"hc/lib/peer"
	"hc/lib/replicate/bitfield"
	"hc/lib/replicate/copies"
	"hc/lib/store"
)

// ServerOptions configure a Server. The zero value serves every core of the store.
type ServerOptions struct {
	Keys        []keys.Key // only these; nil: all, including those created later
	Accept      []keys.Key // cores for which blocks that a peer has and the store lacks are taken, and synced; needs a writable store
	FollowForks bool       // accepted cores follow a higher fork that the key signed; blocks after the common ones are forgotten
	MaxBytes    uint64     // limit for an accepted core: a longer log is refused; 0: no limit

	// Beside returns the cores that belong to an accepted one, such as the blobs of a drive; they are accepted, too. known
	// is false while that cannot be told yet; Beside is called again when the store has changed. nil: there are none.
	Beside func(ctx context.Context, key keys.Key) (beside []keys.Key, known bool)

	// Guard is called with each head beyond ours that a reader proves of a core that the store writes. Its error goes to
	// Failed. nil: readers are not asked for their heads.
	Guard func(ctx context.Context, proved hypercore.Proved) error

	Peers     int           // connections at once: see [Comers]; one with no core open makes room for the next; 0: no limit
	Handshake time.Duration // a peer that has not shaken hands within this time is dropped; 0: 15 s
	Stall     time.Duration // a peer that takes none of the bytes waiting for it for this long is dropped; 0: 1 min
	Trace     Trace
	Dropped   func(peer string, reason error) // called for each connection that ended badly; may be nil
	Failed    func(reason error)              // called with what this side could not do for a peer; may be nil
}

// Server answers for the cores of a store. Run it, and give it connections with Serve, as many as there are. Safe for
// concurrent use.
type Server struct {
	store    *store.Store
	options  ServerOptions
	places   *places
	turns    turns          // for expensive questions
	frames   *budget.Budget // memory for incoming long frames
	long     longAnswers    // memory for outgoing long answers
	holdings *bitfield.Room // memory for what readers have

	mu       sync.Mutex // guards all below
	accept   map[keys.Key]bool
	alone    []keys.Key               // accepted cores whose companions are not known yet
	cores    map[keys.Key]*servedCore // those with a reader, by discovery key
	conns    map[*serverConn]bool
	registry registry
	sinks    int            // running
	signers  int            // running sinks of peers that reserved the length they bring
	leaves   copies.Indexes // of cores with a reader
}

// NewServer returns a server for the cores of a store.
func NewServer(of *store.Store, options ServerOptions) *Server {
	s := &Server{
		store:    of,
		options:  options,
		places:   newPlaces(options.Peers),
		turns:    newTurns(),
		frames:   budget.New(maxFrames, budget.Window),
		long:     newLongAnswers(),
		holdings: bitfield.NewRoom(maxHoldings),
		cores:    map[keys.Key]*servedCore{},
		conns:    map[*serverConn]bool{},
		registry: registry{byID: map[keys.Key]keys.Key{}, known: map[keys.Key]bool{}, stale: true},
		accept:   map[keys.Key]bool{},
	}
	if options.Keys != nil {
		s.registry.add(options.Keys)
		s.registry.stale, s.registry.fixed = false, true
	}
	s.registry.add(options.Accept)
	for _, key := range options.Accept {
		s.accept[key] = true
	}
	if options.Beside != nil {
		s.alone = slices.Clone(options.Accept)
	}
	return s
}

// accepts reports whether blocks of a core are taken from peers.
func (s *Server) accepts(key keys.Key) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accept[key]
}

// widen accepts the cores that belong to accepted ones, as far as they are known by now. It reports whether any are new.
func (s *Server) widen(ctx context.Context) (more bool) {
	s.mu.Lock()
	alone := s.alone
	s.mu.Unlock()
	for _, key := range alone {
		beside, known := s.options.Beside(ctx, key)
		if !known {
			continue
		}
		s.mu.Lock()
		s.alone = slices.DeleteFunc(slices.Clone(s.alone), func(k keys.Key) bool { return k == key })
		for _, other := range beside {
			s.accept[other] = true
		}
		s.registry.add(beside)
		s.mu.Unlock()
		more = more || len(beside) > 0
	}
	return more
}

// restFactor is how many times as long as its last look at the store the server rests before the next one, so that many
// commits, cores and peers cannot keep it busy looking.
const restFactor = 4

// Run announces, until ctx ends, what any process commits to the store: new blocks to the readers of their core, and new
// cores to the peers that have asked for them before.
func (s *Server) Run(ctx context.Context) error {
	changes, err := s.store.Watch(ctx)
	if err != nil {
		return fmt.Errorf("watching the store: %w", err)
	}
	for {
		began := time.Now()
		s.refresh(ctx)
		if took := time.Since(began); took > time.Millisecond && !rest(ctx, restFactor*took) {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case _, open := <-changes:
			if !open {
				return nil
			}
		}
	}
}

func rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// refresh looks at every core that has a reader, and for cores that were asked for and not here. A failure with one core
// does not keep others from being announced.
func (s *Server) refresh(ctx context.Context) {
	s.mu.Lock()
	s.registry.changed()
	cores, conns := make([]*servedCore, 0, len(s.cores)), make([]*serverConn, 0, len(s.conns))
	for _, core := range s.cores {
		cores = append(cores, core)
	}
	for conn := range s.conns {
		conns = append(conns, conn)
	}
	s.mu.Unlock()
	for _, core := range cores {
		s.failed(ctx, core.refresh(ctx))
	}
	s.widen(ctx)
	for _, conn := range conns {
		conn.retry(ctx)
	}
}

// failed reports an error, if there is one and it is not the end of ctx.
func (s *Server) failed(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil && s.options.Failed != nil {
		s.options.Failed(err)
	}
}

// Has reports whether the core with that discovery key is here and served.
func (s *Server) Has(ctx context.Context, id keys.Key) bool {
	key, err := s.key(ctx, id)
	if err != nil {
		return false
	}
	_, err = s.store.View(ctx, key, false) // one that is accepted may not be here yet
	return err == nil
}

// Serve answers on one connection, as the responder of the handshake, until it ends.
func (s *Server) Serve(ctx context.Context, name string, conn peer.Conn) error {
	return s.ServeUntil(ctx, name, conn, nil, nil)
}

// ServeUntil is like Serve, and calls synced once, when the peer has everything that is here of the given cores.
func (s *Server) ServeUntil(ctx context.Context, name string, conn peer.Conn, cores []keys.Key, synced func()) error {
	defer conn.Close()
	c := &serverConn{server: s, name: name}
	if synced != nil {
		c.goal = newGoal(cores, synced)
	}
	err := s.serve(ctx, c, conn)
	if err == nil || ctx.Err() != nil || errors.Is(err, syscall.ECONNRESET) { // a peer that hangs up with bytes unread resets
		return nil
	}
	err = fmt.Errorf("%s: %w", name, err)
	if s.options.Dropped != nil {
		s.options.Dropped(name, err)
	}
	return err
}

// serve waits for a place for the connection, and runs it until it ends.
func (s *Server) serve(ctx context.Context, c *serverConn, conn peer.Conn) (err error) {
	ctx, drop := context.WithCancelCause(ctx)
	defer drop(nil)
	if c.place, err = s.places.enter(ctx, drop); err != nil {
		return err
	}
	defer c.place.leave()
	run, err := s.connect(ctx, c, conn)
	if err != nil {
		return err
	}
	return run()
}

// connect shakes hands, and returns a function that runs the connection until it ends.
func (s *Server) connect(ctx context.Context, c *serverConn, conn peer.Conn) (run func() error, err error) {
	c.read, c.work, c.sought = new(atomic.Int64), make(chan struct{}, 1), map[keys.Key]bool{}
	limits := limits{handshake: s.options.Handshake, stall: s.options.Stall, long: s.frames}
	mux, secret, err := connect(ctx, counted{conn, c.read}, c.initiator, limits, nil)
	if err != nil {
		return nil, err
	}
	if c.place != nil {
		secret.LimitMessages(strangerMessage)
	}
	ctx, stop := context.WithCancel(ctx)
	c.ctx, c.mux, c.secret, c.handshakeHash = ctx, mux, secret, secret.HandshakeHash()
	mux.OnPair(c.pair)
	s.mu.Lock()
	s.conns[c] = true
	s.mu.Unlock()
	return func() error {
		defer stop()
		var answering sync.WaitGroup
		answering.Go(func() {
			defer stop() // else the read loop might wait for ever for room in the queue
			c.answer()
		})
		err := mux.Run(ctx)
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
		stop()
		answering.Wait()
		c.sinks.Wait()
		return err
	}, nil
}
