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

// PushOptions configure a push.
type PushOptions struct {
	// Secret returns the secret key of a core. With it the head is reserved before any of it is shown. nil: no head is
	// reserved, which is right for a peer that did not sign it, and for a mirror that is not hc.
	Secret func(keys.Key) (keys.Secret, error)

	Patience time.Duration // how long to wait for a peer that asks for nothing and has not said it takes pushes; 0: 30 s
}

// Push connects to a mirror, and returns once it has everything that is here of the cores, synced if it is hc. What is
// appended meanwhile is pushed, too, but not waited for.
//
// The error is ErrNotAccepted if the mirror does not take the cores, or asks for nothing. It is store.ErrConflict if another
// signer was first, or if our log does not extend the mirror's; without Secret, the mirror's may extend ours instead. After
// a conflict nothing of ours has been sent.
func (s *Server) Push(ctx context.Context, to Dialer, cores []keys.Key, options PushOptions) error {
	if err := s.push(ctx, to, cores, options); err != nil {
		return fmt.Errorf("pushing to %s: %w", to.Name, err)
	}
	return nil
}

// PushDrive pushes both cores of a drive, the blobs before the names, so that no reader of the mirror sees names without
// their bytes. A mirror that does not have the drive yet does not know its blobs, and gets the names first.
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
		err = p.wait(nil) // returns why the connection ended
	}
	if !p.over {
		c.mux.Close(err) // nil: once everything is sent
		<-p.ended
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// pushing is a push with an open connection.
type pushing struct {
	conn     *serverConn
	patience time.Duration
	ended    chan error // how the connection ended
	over     bool       // ended has been read
}

// wait returns nil once done is closed, or else why the push cannot continue.
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

// foundEnded reports whether an error says only that the connection is over.
func (c *serverConn) foundEnded(err error) bool {
	return errors.Is(err, protomux.ErrClosed) && !errors.Is(err, ErrLost) || c.ctx.Err() != nil && errors.Is(err, context.Canceled)
}

// lost returns why a push failed whose connection has ended: the reason that the peer gave, else how the connection ended.
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

var errHungUp = errors.New("the peer hung up before it had everything: the program there says why (hc-serve with --verbose)")

// pushAll opens the cores' channels, each once it is known that the peer's log does not conflict with ours and, with a
// secret key, once our head is reserved.
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

// reserve returns once the peer has promised us our head's length or, without a secret key, once there is no conflict.
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

// show opens a core's channel from our side.
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

// fail tells a push why it cannot continue; the first reason counts.
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
