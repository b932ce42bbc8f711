package replicate

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"hc/lib/hypercore"
	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/protomux"
	"hc/lib/replicate/publish"
	"hc/lib/store"
)

// ErrNotAccepted says that a peer does not take what is pushed to it.
var ErrNotAccepted = errors.New("the peer does not take pushes of this core")

// granter is the mirror's side of the channel for reservations.
type granter struct {
	conn    *serverConn
	core    *servedCore
	link    link
	channel *protomux.Channel // set by OnOpen
	granted bool              // it has granted a reservation; guarded by conn.mu
}

// OnOpen checks the peer's capability, then says what is here.
func (g *granter) OnOpen(channel *protomux.Channel, remote []byte) error {
	if err := g.link.checkCapability(remote); err != nil {
		return err
	}
	g.channel = channel
	g.conn.proved()
	g.conn.mu.Lock()
	if g.conn.granters == nil {
		g.conn.granters = map[keys.Key]*granter{}
	}
	g.conn.granters[g.core.key] = g
	g.conn.mu.Unlock()
	return g.conn.enqueue(job{do: g.sayState})
}

// OnMessage leaves a reservation to the goroutine that answers: it waits for locks and for the disk.
func (g *granter) OnMessage(_ *protomux.Channel, kind uint64, body []byte) error {
	if kind != publish.TypeReserve {
		return nil
	}
	m, err := publish.DecodeReserve(body)
	if err != nil {
		return err
	}
	return g.conn.enqueue(job{bytes: len(body), do: func() error { return g.answer(m) }})
}

// OnClose gives the core back.
func (g *granter) OnClose(*protomux.Channel, error) {
	if g.channel != nil {
		g.conn.place.closed()
	}
	g.conn.mu.Lock()
	delete(g.conn.granters, g.core.key)
	g.conn.mu.Unlock()
	g.conn.server.leave(g.core)
}

// disown ends the connection to a peer that brings more of a core that is signed here. The error is reported here, and to
// the peer if it has opened the channel for reservations.
func (c *serverConn) disown(seen *hypercore.SeenError) {
	c.server.failed(c.ctx, seen)
	c.mu.Lock()
	g := c.granters[seen.Key]
	c.mu.Unlock()
	if g == nil || g.channel.Send(publish.TypeAnswer, publish.AppendAnswer(nil, publish.Owned, signedHead(seen.Here))) != nil {
		c.mux.Close(seen)
		return
	}
	c.mux.Close(nil) // once that is sent
}

// signs reports whether the peer has reserved a head of the core, which only its signer can.
func (c *serverConn) signs(key keys.Key) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.granters[key]
	return g != nil && g.granted
}

func (g *granter) sayState() error {
	snapshot, err := g.core.open(g.conn.ctx)
	if err != nil {
		return err
	}
	return g.channel.Send(publish.TypeState, publish.AppendState(nil, signedHead(headOf(snapshot))))
}

func (g *granter) answer(m publish.Reserve) error {
	auth, err := keys.NewAuth(g.core.key, m.Manifest)
	if err == nil {
		err = auth.VerifyReservation(keys.Reservation{Connection: g.conn.handshakeHash, Base: m.Base, Next: m.Next}, m.Signature)
	}
	if err != nil {
		return g.channel.Send(publish.TypeAnswer, publish.AppendAnswer(nil, publish.Refused, keys.Head{}))
	}
	err = g.conn.server.store.Reserve(g.conn.ctx, g.core.key, m.Base, m.Next)
	var taken *store.Taken
	switch {
	case err == nil:
		g.conn.mu.Lock()
		g.granted = true
		g.conn.mu.Unlock()
		return g.channel.Send(publish.TypeAnswer, publish.AppendAnswer(nil, publish.Granted, m.Next))
	case !errors.As(err, &taken):
		g.conn.server.failed(g.conn.ctx, err)
		return err
	case taken.Published && taken.By != m.Base:
		if err := g.channel.Send(publish.TypeAnswer, publish.AppendAnswer(nil, publish.Moved, taken.By)); err != nil {
			return err
		}
		return g.sayState()
	}
	return g.channel.Send(publish.TypeAnswer, publish.AppendAnswer(nil, publish.Taken, taken.By))
}

// reserver is the signer's side of the channel. Without a secret key it belongs to a peer that brings what another signed,
// and only compares.
type reserver struct {
	conn   *serverConn
	core   *servedCore
	link   link
	secret *keys.Secret // nil: nothing is reserved

	granted chan struct{} // closed when the mirror has granted the reservation, or none is needed
	told    sync.Once
	heard   bool // the mirror has said that it takes pushes; belongs to the read loop
}

// OnOpen checks that the mirror knows the key.
func (v *reserver) OnOpen(_ *protomux.Channel, remote []byte) error {
	return v.link.checkCapability(remote)
}

// OnMessage asks for the reservation once the mirror has told its state, and takes the answer.
func (v *reserver) OnMessage(channel *protomux.Channel, kind uint64, body []byte) error {
	switch kind {
	case publish.TypeState:
		base, err := publish.DecodeState(body)
		if err != nil {
			return err
		}
		if !v.heard {
			v.heard = true
			v.conn.doubts.Add(-1)
		}
		return v.ask(channel, base)
	case publish.TypeAnswer:
		code, head, err := publish.DecodeAnswer(body)
		if err != nil {
			return err
		}
		v.answered(code, head)
	}
	return nil
}

// OnClose ends the reservation: there will be no answer.
func (v *reserver) OnClose(_ *protomux.Channel, err error) {
	switch {
	case errors.Is(err, protomux.ErrRejected) && v.secret == nil: // a peer that is not hc, which may still take the core, or an hc that does not
		err = nil
	case errors.Is(err, protomux.ErrRejected):
		err = fmt.Errorf("%w: %v", ErrNotAccepted, v.core.key)
	case err == nil:
		err = fmt.Errorf("%w: it closed the channel", ErrLost)
	case errors.Is(err, io.EOF):
		err = fmt.Errorf("%w: %w", ErrLost, errHungUp)
	default:
		err = fmt.Errorf("%w: %w", ErrLost, err)
	}
	v.end(err)
	v.conn.server.leave(v.core)
}

// end reports the outcome, the first time that it is called.
func (v *reserver) end(err error) {
	v.told.Do(func() {
		if err == nil {
			close(v.granted)
		} else {
			v.conn.fail(err)
		}
	})
}

func (v *reserver) ask(channel *protomux.Channel, base keys.Head) error {
	snapshot, _ := v.core.current()
	next := signedHead(headOf(snapshot))
	if base == next || v.secret == nil && base.Fork == next.Fork && base.Length > next.Length { // compared at the end of the push
		v.end(nil)
		return nil
	}
	if err := v.extends(snapshot, base, next); err != nil || v.secret == nil {
		v.end(err)
		return nil
	}
	var err error
	m := publish.Reserve{Base: base, Next: next, Manifest: snapshot.Auth().Manifest()}
	r := keys.Reservation{Connection: v.conn.handshakeHash, Base: base, Next: next}
	if m.Signature, err = snapshot.Auth().SignReservation(*v.secret, r); err != nil {
		v.end(err)
		return nil
	}
	return channel.Send(publish.TypeReserve, m.Append(nil))
}

// extends checks that our log extends the mirror's.
func (v *reserver) extends(snapshot *hypercore.Snapshot, base, next keys.Head) error {
	switch {
	case base.Length == 0 || base.Fork < next.Fork:
		return nil
	case base.Fork > next.Fork || base.Length > next.Length:
		return fmt.Errorf("%w: the mirror has core %v at fork %d with %d blocks, this store at fork %d with %d%s",
			store.ErrConflict, v.core.key, base.Fork, base.Length, next.Fork, next.Length, v.advice())
	}
	roots, err := merkle.RootsFrom(v.conn.ctx, snapshot, base.Length)
	if err != nil {
		return fmt.Errorf("%w: the mirror has %d blocks of core %v, and this store cannot tell whether they are the same%s: %w",
			store.ErrConflict, base.Length, v.core.key, v.advice(), err)
	}
	if merkle.TreeHash(roots) != base.TreeHash {
		return fmt.Errorf("%w%s", anotherHistory(v.core.key, base.Length, base.TreeHash), v.advice())
	}
	return nil
}

// advice tells a signer what to do next.
func (v *reserver) advice() string {
	if v.secret == nil {
		return ""
	}
	return ": fetch its head and append on top of that"
}

func (v *reserver) answered(code uint64, head keys.Head) {
	switch code {
	case publish.Granted:
		v.end(nil)
	case publish.Taken:
		v.end(fmt.Errorf("%w: another signer was first: length %d of core %v at fork %d is promised to tree hash %v: fetch the head once that is published, and append on top of it",
			store.ErrConflict, head.Length, v.core.key, head.Fork, head.TreeHash))
	case publish.Moved: // its state comes next
	case publish.Owned: // also after a grant
		v.conn.fail(fmt.Errorf("%w: the peer signs core %v itself, and took nothing beyond its own %d blocks: of two stores with one key only one may sign",
			store.ErrConflict, v.core.key, head.Length))
	default:
		v.end(fmt.Errorf("%w: the mirror says that no signer of core %v made the reservation", keys.ErrKey, v.core.key))
	}
}
