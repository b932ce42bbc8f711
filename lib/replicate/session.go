package replicate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"hc/lib/keys"
	"hc/lib/lent"
	"hc/lib/merkle"
	"hc/lib/objects"
	"hc/lib/protomux"
	"hc/lib/replicate/messages"
)

// event is what a session's read loop reports to the fetcher. Exactly one of the pointers, or closed or opened, is set.
type event struct {
	session  *session
	opened   bool
	sync     *messages.Sync
	proof    *merkle.Proof
	noData   *messages.NoData
	have     *messages.Range
	bitfield *messages.Bitfield
	answer   *objectsAnswer
	knows    *objects.Knows
	decided  bool              // it is known whether the peer has the channel for many blocks:
	objects  *protomux.Channel // this one; nil: it has not
	closed   bool
	err      error        // with closed
	bytes    int          // bytes that the fetcher's gate let in, to be given back
	more     bool         // with proof: the next message has arrived, too
	memory   *lent.Memory // with proof: a hold on the memory it lies in; nil: the collector's
}

// release ends the holds that came with an event, once it has been handled.
func (e *event) release() {
	e.memory.Release()
	if e.answer != nil {
		e.answer.await()
		e.answer.release()
	}
}

// session is the fetcher's side of one connection. Its read loop decodes messages and passes them on as events.
type session struct {
	name    string
	peer    Dialer        // that it began with
	line    *line         // the shared connection, once it runs
	waited  time.Duration // wait before this retry; 0: it is the first attempt
	link    link
	limits  limits
	events  chan<- event
	gate    *gate
	unpacks *unpackers
	pool    *lent.Pool      // memory to read into on a connection of its own; nil: blocks cannot be lent
	ctx     context.Context // ends with the fetcher, or when the peer is dropped
	stop    context.CancelCauseFunc

	mux        *protomux.Mux     // set before the first event
	channel    *protomux.Channel // likewise
	ownObjects *protomux.Channel // for many blocks at once, if the peer opens it, too
	stores     bool              // blocks are stored, in the form they arrive in if possible
	lent       lendings          // blocks that the peer was told we hold, so that others may come as deltas against them
	adopted    bool              // the channel is a server's, which reports our state
	shared     bool              // other sessions have channels on the connection, too
	ended      chan error        // if shared: why the channel has closed

	heldBlock  func(ctx context.Context, block uint64) ([]byte, error) // returns one of the blocks lent
	heldLength func(ctx context.Context, block uint64) (int, error)    // returns its length

	answers atomic.Int64  // answers received
	read    *atomic.Int64 // bytes received
	waiting atomic.Bool   // the read loop waits for us: the peer's silence is not its fault
	held    func() bool   // of a server's channel: whether the read loop waits for the server, which is not the peer's fault either

	standing // belongs to the fetcher's goroutine
}

// run opens the core on a connection to the peer and reads until the end.
func (s *session) run(p Dialer) error {
	if p.line != nil {
		s.shared = true
		return s.runOn(p.line.now())
	}
	own := newLine(p, s.limits, s.pool)
	s.read = &own.read
	return own.run(s.ctx, s.open)
}

// runOn uses a connection that others use, too. It leaves the connection open for them, unless the peer has to be dropped.
func (s *session) runOn(l *line) error {
	s.line = l
	s.read = &l.read
	if err := l.use(s.ctx); err != nil {
		return err
	}
	s.ended = make(chan error, 1)
	channel, err := s.openOn(l.mux, l.handshakeHash)
	if err != nil {
		return err
	}
	select {
	case err := <-s.ended:
		return err
	case <-s.ctx.Done():
	}
	cause := context.Cause(s.ctx)
	if !errors.Is(cause, context.Canceled) { // see drop
		l.mux.Close(cause)
	}
	channel.Close()
	s.ownObjects.Close()
	return cause
}

// open opens the core's channel on a connection of its own.
func (s *session) open(mux *protomux.Mux, handshakeHash [64]byte) error {
	_, err := s.openOn(mux, handshakeHash)
	return err
}

func (s *session) openOn(mux *protomux.Mux, handshakeHash [64]byte) (*protomux.Channel, error) {
	s.mux = mux
	s.link.handshakeHash, s.link.initiator = handshakeHash, true
	var err error
	if s.ownObjects, err = s.openObjects(); err != nil {
		return nil, err
	}
	id := keys.DiscoveryKey(s.link.key)
	return mux.Open(messages.Protocol, id[:], s.link.open(), s)
}

// emit passes on an event, and waits until there is room for it.
func (s *session) emit(e event) error {
	e.session = s
	select {
	case s.events <- e:
		return nil
	default:
	}
	s.waiting.Store(true)
	defer s.waiting.Store(false)
	select {
	case s.events <- e:
		return nil
	case <-s.ctx.Done():
		s.gate.leave(e.bytes)
		e.release()
		return s.ctx.Err()
	}
}

func (s *session) enter(bytes int) error {
	s.waiting.Store(true)
	defer s.waiting.Store(false)
	return s.gate.enter(s.ctx, bytes)
}

// OnOpen checks that the peer knows the key.
func (s *session) OnOpen(channel *protomux.Channel, remote []byte) error {
	if err := s.link.check(remote); err != nil {
		return err
	}
	s.channel = channel
	return s.unheard(s.emit(event{opened: true}))
}

// unheard drops an error that only means that this session is over: that is no reason to end a shared connection.
func (s *session) unheard(err error) error {
	if s.shared && s.ctx.Err() != nil {
		return nil
	}
	return err
}

// OnMessage passes on a message.
func (s *session) OnMessage(channel *protomux.Channel, kind uint64, body []byte) error {
	return s.unheard(s.heard(channel, kind, body))
}

// heard decodes a message. Kinds that a reader has no use for are ignored.
func (s *session) heard(channel *protomux.Channel, kind uint64, body []byte) error {
	switch kind {
	case messages.TypeSync:
		m, err := messages.DecodeSync(body)
		return s.emitDecoded(event{sync: &m}, err)
	case messages.TypeData:
		return s.heardData(body)
	case messages.TypeNoData:
		s.answers.Add(1)
		m, err := messages.DecodeNoData(body)
		return s.emitDecoded(event{noData: &m}, err)
	case messages.TypeRange:
		m, err := messages.DecodeRange(body)
		return s.emitDecoded(event{have: &m}, err)
	case messages.TypeBitfield:
		if err := s.enter(len(body)); err != nil {
			return err
		}
		m, err := messages.DecodeBitfield(body)
		return s.emitDecoded(event{bitfield: &m, bytes: len(body)}, err)
	case messages.TypeRequest: // a 10.x peer asks without having been told that we have anything
		request, err := messages.DecodeRequest(body)
		if err != nil {
			return err
		}
		return channel.Send(messages.TypeNoData, messages.NoData{Request: request.ID, Reason: messages.ReasonNotAvailable}.Append(nil))
	}
	return nil
}

func (s *session) heardData(body []byte) error {
	if err := s.enter(len(body)); err != nil {
		return err
	}
	s.answers.Add(1)
	e := event{bytes: len(body), more: s.mux.Buffered()}
	if len(body) >= leastHeld {
		e.memory = s.own()
	}
	if e.memory == nil {
		body = bytes.Clone(body) // the read loop reuses its buffer
	}
	var err error
	if e.proof, err = messages.DecodeData(body); err == nil && e.memory != nil {
		e.proof.Upgrade, e.proof.Manifest = cloneHead(e.proof)
	}
	return s.emitDecoded(e, err)
}

// leastHeld is the size in bytes from which a message is worth a hold on the memory it was read into.
const leastHeld = 4 << 10

// own returns a hold on the memory of the current message, or nil if the message has to be copied.
func (s *session) own() *lent.Memory {
	if s.pool == nil {
		return nil
	}
	return s.mux.Own()
}

// cloneHead returns copies of the parts of a proof that outlive its block, independent of the memory it lies in.
func cloneHead(p *merkle.Proof) (*merkle.UpgradeProof, []byte) {
	if p.Upgrade == nil {
		return nil, bytes.Clone(p.Manifest)
	}
	upgrade := *p.Upgrade
	upgrade.Signature = bytes.Clone(upgrade.Signature)
	return &upgrade, bytes.Clone(p.Manifest)
}

func (s *session) emitDecoded(e event, err error) error {
	if err != nil {
		s.gate.leave(e.bytes)
		e.release()
		return err
	}
	return s.emit(e)
}

// OnClose ends the connection if this is its only channel, else reports why the channel has closed.
func (s *session) OnClose(_ *protomux.Channel, err error) {
	if errors.Is(err, protomux.ErrRejected) {
		err = fmt.Errorf("%w: %v", ErrNotOffered, s.link.key)
	}
	if !s.shared {
		s.mux.Close(err)
		return
	}
	if errors.Is(err, io.EOF) || errors.Is(err, protomux.ErrClosed) { // as Mux.Run reports it
		err = nil
	}
	s.ended <- err
}
