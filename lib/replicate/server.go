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

// ServerOptions say what is served. The zero value serves every core of the store.
type ServerOptions struct {
	Keys        []keys.Key // only these; nil: all, those that are made later included
	Accept      []keys.Key // of these it takes, synced, what a peer has and the store lacks; the store must be writable
	FollowForks bool       // of these, to a higher fork that the key signed, too: what is behind the common blocks is forgotten
	MaxBytes    uint64     // of a core that is accepted: a longer log is refused; 0: no limit

	// Beside returns the cores that belong to an accepted one, as the blobs of a drive do, which are then accepted, too. known
	// is false while that cannot be told yet; it is asked again when the store has changed. nil: none belong to any.
	Beside func(ctx context.Context, key keys.Key) (beside []keys.Key, known bool)

	// Guard is told of each head beyond ours that a reader proved of a core which the store writes; nil: nobody is asked for
	// one. An error is told to Failed.
	Guard func(ctx context.Context, proved hypercore.Proved) error

	Peers     int           // connections at once: see [Comers]; one on which no core is open gives way to the next; 0: no limit
	Handshake time.Duration // a peer that has not shaken hands by then is dropped; 0: 15 s
	Stall     time.Duration // a peer that takes no byte of what waits for it for so long is dropped; 0: 1 min
	Trace     Trace
	Dropped   func(peer string, reason error) // told of each connection that ended badly; nil: nobody
	Failed    func(reason error)              // told of what this side could not do for a peer; nil: nobody
}

// Server answers for the cores of a store. Run it, and give it connections with Serve, as many as there are. Safe for
// concurrent use.
type Server struct {
	store    *store.Store
	options  ServerOptions
	places   *places
	turns    turns          // of dear questions
	frames   *budget.Budget // of those that come
	holdings *bitfield.Room // of what readers have

	mu       sync.Mutex // guards all below
	accept   map[keys.Key]bool
	alone    []keys.Key               // accepted cores of which it is not known yet what belongs to them
	cores    map[keys.Key]*servedCore // by discovery key; those that somebody reads
	conns    map[*serverConn]bool
	registry registry
	sinks    int            // that run
	signers  int            // likewise, of those who reserved what they bring
	leaves   copies.Indexes // of cores that are read
}

// NewServer returns a server for the cores of a store.
func NewServer(of *store.Store, options ServerOptions) *Server {
	s := &Server{
		store:    of,
		options:  options,
		places:   newPlaces(options.Peers),
		turns:    newTurns(),
		frames:   budget.New(maxFrames),
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

// accepts reports whether what peers have of a core is taken.
func (s *Server) accepts(key keys.Key) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accept[key]
}

// widen accepts what belongs to accepted cores, as far as that is known by now. It reports whether there is anything new.
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

// restFactor is how many times as long as a look at the store took the server rests before the next one, so that many
// commits, cores and peers together cannot keep it busy with looking.
const restFactor = 4

// Run announces, until ctx ends, what is committed to the store by any process: new blocks to who reads their core, and
// new cores to who has asked for them before.
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

// refresh looks at every core that is read by somebody, and for cores that were asked for in vain. What fails with one
// core does not keep others from being announced.
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

// failed tells of an error, if it is one, and is ours.
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

// ServeUntil is Serve which tells, once, when the peer has all that is here of all these cores.
func (s *Server) ServeUntil(ctx context.Context, name string, conn peer.Conn, cores []keys.Key, synced func()) error {
	defer conn.Close()
	c := &serverConn{server: s, name: name}
	if synced != nil {
		c.goal = newGoal(cores, synced)
	}
	err := s.serve(ctx, c, conn)
	if err == nil || ctx.Err() != nil || errors.Is(err, syscall.ECONNRESET) { // who hangs up with something unread resets
		return nil
	}
	err = fmt.Errorf("%s: %w", name, err)
	if s.options.Dropped != nil {
		s.options.Dropped(name, err)
	}
	return err
}

// serve runs a connection until it ends, when there is a place for it.
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

// connect shakes hands, and returns what runs the connection until it ends.
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
			defer stop() // else the reading of what the peer says might wait for ever for room among what is answered
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
