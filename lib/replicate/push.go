package replicate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hc/lib/keys"
	"hc/lib/protomux"
	"hc/lib/replicate/publish"
)

// PushOptions say how cores are pushed.
type PushOptions struct {
	// Secret returns the secret key of a core, with which the head is reserved before any of it is shown; nil: no head is
	// reserved, which is right for who did not sign it, and for a mirror that is no hc.
	Secret func(keys.Key) (keys.Secret, error)

	Patience time.Duration // with a peer that is not known to take what is pushed, and asks for nothing; 0: 30 s
}

// Push connects to a mirror, and returns when that has, synced if it is an hc, all that is here of the cores.
//
// ErrNotAccepted if it does not take them, or asks for nothing; a conflict (store.ErrConflict) if another signer was first, or the mirror's log
// is neither the beginning of ours nor, of who signs nothing, goes on from it: then nothing of ours has left. What is appended meanwhile is
// pushed, too, but not waited for.
func (s *Server) Push(ctx context.Context, to Dialer, cores []keys.Key, options PushOptions) error {
	if err := s.push(ctx, to, cores, options); err != nil {
		return fmt.Errorf("pushing to %s: %w", to.Name, err)
	}
	return nil
}

// PushDrive pushes both cores of a drive, the blobs before the names, so that no reader of the mirror sees names without their
// bytes. A mirror that has not had the drive yet does not know its blobs: it gets the names first.
func (s *Server) PushDrive(ctx context.Context, to Dialer, names, blobs keys.Key, options PushOptions) error {
	err := s.pushInOrder(ctx, to, options, blobs, names)
	if errors.Is(err, ErrNotAccepted) {
		err = s.pushInOrder(ctx, to, options, names, blobs)
	}
	return err
}

func (s *Server) pushInOrder(ctx context.Context, to Dialer, options PushOptions, cores ...keys.Key) error {
	for _, key := range cores {
		if err := s.Push(ctx, to, []keys.Key{key}, options); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) push(ctx context.Context, to Dialer, cores []keys.Key, options PushOptions) error {
	conn, err := to.Dial(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if options.Patience == 0 {
		options.Patience = defaultStall
	}
	synced := make(chan struct{})
	c := &serverConn{server: s, name: to.Name, initiator: true, failure: make(chan error, 1)}
	c.goal = newGoal(cores, func() { close(synced) })
	if options.Secret != nil {
		c.withheld = map[keys.Key]bool{}
		for _, key := range cores {
			c.withheld[keys.DiscoveryKey(key)] = true
		}
	}
	run, err := s.connect(ctx, c, conn)
	if err != nil {
		return err
	}
	p := &pushing{conn: c, patience: options.Patience, ended: make(chan error, 1)}
	go func() { p.ended <- run() }()
	err = s.pushAll(c, cores, options, p.wait)
	switch {
	case err == nil:
		err = p.wait(synced)
	case !p.over && c.foundEnded(err):
		err = p.wait(nil) // what ended the connection is why
	}
	if !p.over {
		c.mux.Close(err) // nil: when all is sent
		<-p.ended
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// pushing is a push whose connection is there.
type pushing struct {
	conn     *serverConn
	patience time.Duration
	ended    chan error // how the connection ended
	over     bool       // that was read
}

// wait returns nil once done is closed, or why the push cannot go on.
func (p *pushing) wait(done <-chan struct{}) error {
	looks := time.NewTicker(p.patience)
	defer looks.Stop()
	for heard := int64(-1); ; {
		select {
		case <-done:
			return nil
		case err := <-p.conn.failure:
			return err
		case err := <-p.ended:
			p.over = true
			return p.conn.lost(err)
		case <-looks.C:
		}
		now := p.conn.heard.Load()
		if now == heard && p.conn.doubts.Load() > 0 {
			return fmt.Errorf("%w: it has asked for nothing for %v", ErrNotAccepted, p.patience)
		}
		heard = now
	}
}

// foundEnded reports whether an error says no more than that the connection is over.
func (c *serverConn) foundEnded(err error) bool {
	return errors.Is(err, protomux.ErrClosed) && !errors.Is(err, ErrLost) || c.ctx.Err() != nil && errors.Is(err, context.Canceled)
}

// lost is why a push cannot go on whose connection has ended: what the peer said before that, else how it ended.
func (c *serverConn) lost(err error) error {
	select {
	case told := <-c.failure:
		return told
	default:
	}
	if err == nil {
		err = errHungUp
	}
	return fmt.Errorf("%w: %w", ErrLost, err)
}

var errHungUp = errors.New("the peer hung up before it had all: what runs there says why (hc-serve with --verbose)")

// pushAll opens the cores' channels, each when it is known that the peer's log does not conflict with ours, and, if it is to be, our
// head is reserved.
func (s *Server) pushAll(c *serverConn, cores []keys.Key, options PushOptions, wait func(<-chan struct{}) error) error {
	for _, key := range cores {
		if err := s.reserve(c, key, options, wait); err != nil {
			return err
		}
		if err := c.show(keys.DiscoveryKey(key)); err != nil {
			return err
		}
	}
	return nil
}

// reserve returns when the peer has promised our head's length to us.
func (s *Server) reserve(c *serverConn, key keys.Key, options PushOptions, wait func(<-chan struct{}) error) error {
	var secret *keys.Secret
	if options.Secret != nil {
		own, err := options.Secret(key)
		if err != nil {
			return err
		}
		secret = &own
	}
	id := keys.DiscoveryKey(key)
	core, err := s.take(c.ctx, id)
	if err != nil {
		return err
	}
	v := &reserver{conn: c, core: core, link: c.link(key), secret: secret, granted: make(chan struct{})}
	c.doubts.Add(1)
	if _, err := c.mux.Open(publish.Protocol, id[:], v.link.capability(), v); err != nil {
		s.leave(core)
		return err
	}
	return wait(v.granted)
}

// show opens a core's channel, which the peer did not ask for.
func (c *serverConn) show(id keys.Key) error {
	c.mu.Lock()
	delete(c.withheld, id)
	c.mu.Unlock()
	core, err := c.server.take(c.ctx, id)
	if err != nil {
		return err
	}
	err = c.openChannel(id, core)
	if errors.Is(err, protomux.ErrOpen) { // the peer asked for it meanwhile
		return nil
	}
	return err
}

// fail tells a push why it cannot go on; the first reason counts.
func (c *serverConn) fail(err error) {
	select {
	case c.failure <- err:
	default:
	}
}

// refused tells a push that a channel did not open.
func (c *serverConn) refused(r *reader, err error) {
	if c.failure != nil && errors.Is(err, protomux.ErrRejected) {
		c.fail(fmt.Errorf("%w: %v", ErrNotAccepted, r.core.key))
	}
}
