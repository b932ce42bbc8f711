package replicate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"hc/lib/hypercore"
	"hc/lib/keys"
	"hc/lib/peer"
	"hc/lib/store"
)

// ServerOptions say what is served. The zero value serves every core of the store.
type ServerOptions struct {
	Keys    []keys.Key // only these; nil: all, those that are made later included
	Trace   Trace
	Dropped func(peer string, reason error) // told of each connection that ended badly; nil: nobody
}

// Server answers for the cores of a store. Run it, and give it connections with Serve, as many as there are. Safe for
// concurrent use.
type Server struct {
	store   *store.Store
	options ServerOptions

	mu    sync.Mutex               // guards all below
	cores map[keys.Key]*servedCore // by discovery key; those that somebody asked for
	conns map[*serverConn]bool
}

// NewServer returns a server for the cores of a store.
func NewServer(of *store.Store, options ServerOptions) *Server {
	return &Server{
		store:   of,
		options: options,
		cores:   map[keys.Key]*servedCore{},
		conns:   map[*serverConn]bool{},
	}
}

// Run announces, until ctx ends, what is committed to the store by any process: new blocks to who reads their core, and
// new cores to who has asked for them before.
func (s *Server) Run(ctx context.Context) error {
	changes, err := s.store.Watch(ctx)
	if err != nil {
		return fmt.Errorf("watching the store: %w", err)
	}
	for {
		if err := s.refresh(ctx); err != nil && ctx.Err() == nil {
			return err
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

// refresh looks at every core that is read by somebody, and for cores that were asked for in vain.
func (s *Server) refresh(ctx context.Context) error {
	s.mu.Lock()
	cores, conns := make([]*servedCore, 0, len(s.cores)), make([]*serverConn, 0, len(s.conns))
	for _, core := range s.cores {
		cores = append(cores, core)
	}
	for conn := range s.conns {
		conns = append(conns, conn)
	}
	s.mu.Unlock()
	for _, core := range cores {
		if err := core.refresh(ctx, s.store); err != nil {
			return err
		}
	}
	for _, conn := range conns {
		if err := conn.retry(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Serve answers on one connection, as the responder of the handshake, until it ends.
func (s *Server) Serve(ctx context.Context, name string, conn peer.Conn) error {
	defer conn.Close()
	err := s.serve(ctx, conn)
	if err == nil || ctx.Err() != nil {
		return nil
	}
	err = fmt.Errorf("%s: %w", name, err)
	if s.options.Dropped != nil {
		s.options.Dropped(name, err)
	}
	return err
}

func (s *Server) serve(ctx context.Context, conn peer.Conn) error {
	mux, secret, err := connect(ctx, conn, false)
	if err != nil {
		return err
	}
	c := &serverConn{server: s, mux: mux, handshakeHash: secret.HandshakeHash()}
	ctx, c.stop = context.WithCancel(ctx)
	defer c.stop()
	c.ctx = ctx
	mux.OnPair(c.pair)
	s.mu.Lock()
	s.conns[c] = true
	s.mu.Unlock()
	err = mux.Run(ctx)
	c.stop()
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	c.workers.Wait()
	return err
}

// find returns the core with that discovery key, or an error wrapping store.ErrNotFound.
func (s *Server) find(ctx context.Context, id keys.Key) (*servedCore, error) {
	s.mu.Lock()
	core := s.cores[id]
	s.mu.Unlock()
	if core != nil {
		return core, nil
	}
	served := s.options.Keys
	if served == nil {
		var err error
		if served, err = s.store.Cores(ctx); err != nil {
			return nil, err
		}
	}
	at := slices.IndexFunc(served, func(key keys.Key) bool { return keys.DiscoveryKey(key) == id })
	if at < 0 {
		return nil, fmt.Errorf("core %v: %w", id, store.ErrNotFound)
	}
	snapshot, err := hypercore.OpenSnapshot(ctx, s.store, served[at])
	if err != nil {
		return nil, err
	}
	core = &servedCore{key: served[at], readers: map[*reader]bool{}}
	if err := core.show(ctx, snapshot); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if other := s.cores[id]; other != nil {
		return other, nil
	}
	s.cores[id] = core
	return core, nil
}

// servedCore is a core with those who read it.
type servedCore struct {
	key keys.Key

	mu       sync.Mutex // guards all below
	snapshot *hypercore.Snapshot
	held     []span // ranges of blocks that are here, at most maxSpans
	readers  map[*reader]bool
}

// span is a range of blocks, end exclusive.
type span struct{ start, end uint64 }

// maxSpans bounds the ranges that are announced one by one; beyond it a peer learns of blocks by asking with want.
const maxSpans = 1024

func (c *servedCore) current() (*hypercore.Snapshot, []span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.snapshot, c.held
}

// show makes a newer snapshot the one that is served.
func (c *servedCore) show(ctx context.Context, snapshot *hypercore.Snapshot) error {
	held, err := heldSpans(ctx, snapshot)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.snapshot, c.held = snapshot, held
	return nil
}

func heldSpans(ctx context.Context, snapshot *hypercore.Snapshot) (held []span, err error) {
	for from := uint64(0); len(held) < maxSpans; {
		start, end, ok, err := snapshot.Have(ctx, from)
		if err != nil || !ok {
			return held, err
		}
		held = append(held, span{start, end})
		from = end
	}
	return held, nil
}

// refresh takes in what was committed since, and tells the readers.
func (c *servedCore) refresh(ctx context.Context, of *store.Store) error {
	before, heldBefore := c.current()
	snapshot, err := hypercore.OpenSnapshot(ctx, of, c.key)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := c.show(ctx, snapshot); err != nil {
		return err
	}
	_, held := c.current()
	if snapshot.Head().Length == before.Head().Length && snapshot.Head().Fork == before.Head().Fork && slices.Equal(held, heldBefore) {
		return nil
	}
	for _, r := range c.listeners() {
		r.announce(heldBefore)
	}
	return nil
}

func (c *servedCore) listeners() []*reader {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := make([]*reader, 0, len(c.readers))
	for r := range c.readers {
		list = append(list, r)
	}
	return list
}

func (c *servedCore) listen(r *reader, on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if on {
		c.readers[r] = true
		return
	}
	delete(c.readers, r)
}
