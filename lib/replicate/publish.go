package replicate

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"hc/lib/compact"
	"hc/lib/hypercore"
	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/protomux"
	"hc/lib/store"
)

// publishProtocol is where a length is reserved; FORMAT.md has all of it.
const publishProtocol = "hc/publish"

// The types of the channel's messages.
const (
	typeState = iota
	typeReserve
	typeAnswer
)

// The codes of an answer.
const (
	answerGranted = iota
	answerTaken
	answerMoved
	answerRefused
	answerOwned
)

// ErrNotAccepted is wrapped when a peer does not take what is pushed to it.
var ErrNotAccepted = errors.New("the peer does not take pushes of this core")

func appendHead(b []byte, h keys.Head) []byte {
	b = compact.AppendUint(compact.AppendUint(b, h.Fork), h.Length)
	return append(b, h.TreeHash[:]...)
}

func decodeHead(d *compact.Decoder) keys.Head {
	return keys.Head{Fork: d.Uint(), Length: d.Uint(), TreeHash: d.Fixed32()}
}

// finishWhole is finish for a message that nothing may stand behind.
func finishWhole(what string, d *compact.Decoder) error {
	if d.Err() == nil && d.Left() > 0 {
		return fmt.Errorf("%w: %s: %d bytes behind it", ErrMessage, what, d.Left())
	}
	return finish(what, d)
}

type reserveMessage struct {
	base, next keys.Head
	signature  [64]byte
	manifest   []byte // nil: compat
}

func (m reserveMessage) append(b []byte) []byte {
	b = appendHead(appendHead(b, m.base), m.next)
	b = append(b, m.signature[:]...)
	return compact.AppendBuffer(b, m.manifest)
}

func decodeReserve(b []byte) (m reserveMessage, err error) {
	d := compact.NewDecoder(b)
	m.base, m.next, m.signature = decodeHead(d), decodeHead(d), d.Fixed64()
	if manifest := d.Buffer(maxManifest); len(manifest) > 0 {
		m.manifest = append([]byte(nil), manifest...)
	}
	return m, finishWhole("reserve", d)
}

func decodeState(b []byte) (keys.Head, error) {
	d := compact.NewDecoder(b)
	h := decodeHead(d)
	return h, finishWhole("state", d)
}

func appendAnswer(b []byte, code byte, h keys.Head) []byte { return appendHead(append(b, code), h) }

func decodeAnswer(b []byte) (code uint64, h keys.Head, err error) {
	d := compact.NewDecoder(b)
	code, h = d.Uint(), decodeHead(d)
	return code, h, finishWhole("answer", d)
}

func signedHead(h store.Head) keys.Head {
	if h.Length == 0 {
		return keys.Head{}
	}
	return keys.Head{Fork: h.Fork, Length: h.Length, TreeHash: h.TreeHash}
}

// granter is a mirror's side of the channel.
type granter struct {
	conn    *serverConn
	core    *servedCore
	link    link
	channel *protomux.Channel // set by OnOpen
}

// OnOpen checks the peer's capability, then says what is here.
func (g *granter) OnOpen(channel *protomux.Channel, remote []byte) error {
	if err := g.link.checkCapability(remote); err != nil {
		return err
	}
	g.channel = channel
	g.conn.mu.Lock()
	if g.conn.granters == nil {
		g.conn.granters = map[keys.Key]*granter{}
	}
	g.conn.granters[g.core.key] = g
	g.conn.mu.Unlock()
	return g.conn.enqueue(job{do: g.sayState})
}

// OnMessage has a reservation looked at by the goroutine that answers: it waits for locks and for the disk.
func (g *granter) OnMessage(_ *protomux.Channel, kind uint64, body []byte) error {
	if kind != typeReserve {
		return nil
	}
	m, err := decodeReserve(body)
	if err != nil {
		return err
	}
	return g.conn.enqueue(job{do: func() error { return g.answer(m) }})
}

// OnClose gives the core back.
func (g *granter) OnClose(*protomux.Channel, error) {
	g.conn.mu.Lock()
	delete(g.conn.granters, g.core.key)
	g.conn.mu.Unlock()
	g.conn.server.leave(g.core)
}

// disown ends the connection with one who brings more of a core that is signed here: our owner hears of it, and so does who
// reserved it.
func (c *serverConn) disown(seen *hypercore.SeenError) {
	c.server.failed(c.ctx, seen)
	c.mu.Lock()
	g := c.granters[seen.Key]
	c.mu.Unlock()
	if g == nil || g.channel.Send(typeAnswer, appendAnswer(nil, answerOwned, signedHead(seen.Here))) != nil {
		c.mux.Close(seen)
		return
	}
	c.mux.Close(nil) // when that is sent
}

func (g *granter) sayState() error {
	snapshot, err := g.core.open(g.conn.ctx)
	if err != nil {
		return err
	}
	return g.channel.Send(typeState, appendHead(nil, signedHead(headOf(snapshot))))
}

func (g *granter) answer(m reserveMessage) error {
	auth, err := keys.NewAuth(g.core.key, m.manifest)
	if err == nil {
		err = auth.VerifyReservation(keys.Reservation{Connection: g.conn.handshakeHash, Base: m.base, Next: m.next}, m.signature)
	}
	if err != nil {
		return g.channel.Send(typeAnswer, appendAnswer(nil, answerRefused, keys.Head{}))
	}
	err = g.conn.server.store.Reserve(g.conn.ctx, g.core.key, m.base, m.next)
	var taken *store.Taken
	switch {
	case err == nil:
		return g.channel.Send(typeAnswer, appendAnswer(nil, answerGranted, m.next))
	case !errors.As(err, &taken):
		g.conn.server.failed(g.conn.ctx, err)
		return err
	case taken.Published && taken.By != m.base:
		if err := g.channel.Send(typeAnswer, appendAnswer(nil, answerMoved, taken.By)); err != nil {
			return err
		}
		return g.sayState()
	}
	return g.channel.Send(typeAnswer, appendAnswer(nil, answerTaken, taken.By))
}

// reserver is a signer's side of the channel, or that of one who brings what another one signed, and only looks.
type reserver struct {
	conn   *serverConn
	core   *servedCore
	link   link
	secret *keys.Secret // nil: nothing is reserved

	granted chan struct{} // closed when the mirror has promised, or nothing has to be
	told    sync.Once
	heard   bool // the read loop's own: that the mirror takes what is pushed
}

// OnOpen checks that the mirror knows the key, too.
func (v *reserver) OnOpen(_ *protomux.Channel, remote []byte) error {
	return v.link.checkCapability(remote)
}

// OnMessage asks when it knows what the mirror has, and takes its answer.
func (v *reserver) OnMessage(channel *protomux.Channel, kind uint64, body []byte) error {
	switch kind {
	case typeState:
		base, err := decodeState(body)
		if err != nil {
			return err
		}
		if !v.heard {
			v.heard = true
			v.conn.doubts.Add(-1)
		}
		return v.ask(channel, base)
	case typeAnswer:
		code, head, err := decodeAnswer(body)
		if err != nil {
			return err
		}
		v.answered(code, head)
	}
	return nil
}

// OnClose tells that there will be no answer.
func (v *reserver) OnClose(_ *protomux.Channel, err error) {
	switch {
	case errors.Is(err, protomux.ErrRejected) && v.secret == nil: // no hc, which may take it anyhow; or one that does not
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

// end tells, the first time, how it came out.
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
	if base == next || v.secret == nil && base.Fork == next.Fork && base.Length > next.Length { // which is compared at the end
		v.end(nil)
		return nil
	}
	if err := v.extends(snapshot, base, next); err != nil || v.secret == nil {
		v.end(err)
		return nil
	}
	var err error
	m := reserveMessage{base: base, next: next, manifest: snapshot.Auth().Manifest()}
	r := keys.Reservation{Connection: v.conn.handshakeHash, Base: base, Next: next}
	if m.signature, err = snapshot.Auth().SignReservation(*v.secret, r); err != nil {
		v.end(err)
		return nil
	}
	return channel.Send(typeReserve, m.append(nil))
}

// extends checks that our log goes on from what the mirror has.
func (v *reserver) extends(snapshot *hypercore.Snapshot, base, next keys.Head) error {
	switch {
	case base.Length == 0 || base.Fork < next.Fork:
		return nil
	case base.Fork > next.Fork || base.Length > next.Length:
		return fmt.Errorf("%w: the mirror has core %v at fork %d with %d blocks, here is fork %d with %d%s",
			store.ErrConflict, v.core.key, base.Fork, base.Length, next.Fork, next.Length, v.advice())
	}
	roots, err := merkle.RootsFrom(v.conn.ctx, snapshot, base.Length)
	if err != nil {
		return fmt.Errorf("%w: the mirror has %d blocks of core %v, and what is here does not tell whether they are the same%s: %w",
			store.ErrConflict, base.Length, v.core.key, v.advice(), err)
	}
	if merkle.TreeHash(roots) != base.TreeHash {
		return fmt.Errorf("%w%s", anotherHistory(v.core.key, base.Length, base.TreeHash), v.advice())
	}
	return nil
}

// advice is what a signer does next.
func (v *reserver) advice() string {
	if v.secret == nil {
		return ""
	}
	return ": fetch its head and append on top of that"
}

func (v *reserver) answered(code uint64, head keys.Head) {
	switch code {
	case answerGranted:
		v.end(nil)
	case answerTaken:
		v.end(fmt.Errorf("%w: another signer was first: length %d of core %v at fork %d is promised to tree hash %v: fetch the head when that is published, and append on top of it",
			store.ErrConflict, head.Length, v.core.key, head.Fork, head.TreeHash))
	case answerMoved: // its state comes next
	case answerOwned: // also behind a grant
		v.conn.fail(fmt.Errorf("%w: the peer signs core %v itself, and took nothing of it beyond its %d blocks: of two stores with one key only one may sign",
			store.ErrConflict, v.core.key, head.Length))
	default:
		v.end(fmt.Errorf("%w: the mirror says that no signer of core %v made the reservation", keys.ErrKey, v.core.key))
	}
}
