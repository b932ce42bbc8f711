package replicate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/peer"
	"hc/lib/protomux"
)

// event is what a session's read loop tells the fetcher. Exactly one of the pointers, or closed or opened, is set.
type event struct {
	session  *session
	opened   bool
	sync     *syncMessage
	proof    *merkle.Proof
	noData   *noDataMessage
	have     *rangeMessage
	bitfield *bitfieldMessage
	closed   bool
	err      error // with closed
	bytes    int   // that the fetcher's gate let in, to be given back
	more     bool  // with proof: the next message has come, too
}

// session is the fetcher's side of one connection. Its read loop decodes and hands on events.
type session struct {
	name   string
	link   link
	limits limits
	events chan<- event
	gate   *gate
	ctx    context.Context // ends with the fetcher, or when the peer is dropped
	stop   context.CancelCauseFunc

	mux     *protomux.Mux     // set before the first event
	channel *protomux.Channel // likewise
	adopted bool              // the channel is a server's, which tells our state

	answers atomic.Int64  // answers that came
	read    *atomic.Int64 // bytes that came
	waiting atomic.Bool   // the read loop waits for us: that the peer is silent is not its fault

	standing // the fetcher's own goroutine's
}

// run opens the core on the connection and reads until the end.
func (s *session) run(dial func(ctx context.Context) (peer.Conn, error)) error {
	conn, err := dial(s.ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	mux, secret, err := connect(s.ctx, counted{conn, s.read}, true, s.limits)
	if errors.Is(err, peer.ErrUnreachable) { // a command that ended without a word; how it did is why
		if closeErr := conn.Close(); closeErr != nil {
			return closeErr
		}
	}
	if err != nil {
		return err
	}
	s.mux = mux
	s.link.handshakeHash, s.link.initiator = secret.HandshakeHash(), true
	id := keys.DiscoveryKey(s.link.key)
	if s.channel, err = mux.Open(Protocol, id[:], s.link.open(), s); err != nil {
		return err
	}
	return mux.Run(s.ctx)
}

// counted counts what is read from a connection.
type counted struct {
	peer.Conn
	read *atomic.Int64
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.read.Add(int64(n))
	return n, err
}

// emit hands on an event, and waits for room for it.
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
		return s.ctx.Err()
	}
}

func (s *session) enter(bytes int) error {
	s.waiting.Store(true)
	defer s.waiting.Store(false)
	return s.gate.enter(s.ctx, bytes)
}

// OnOpen checks that the peer knows the key, too.
func (s *session) OnOpen(_ *protomux.Channel, remote []byte) error {
	if err := s.link.check(remote); err != nil {
		return err
	}
	return s.emit(event{opened: true})
}

// OnMessage decodes a message. What a reader has no use for is ignored.
func (s *session) OnMessage(channel *protomux.Channel, kind uint64, body []byte) error {
	switch kind {
	case typeSync:
		m, err := decodeSync(body)
		return s.emitDecoded(event{sync: &m}, err)
	case typeData:
		return s.heardData(body)
	case typeNoData:
		s.answers.Add(1)
		m, err := decodeNoData(body)
		return s.emitDecoded(event{noData: &m}, err)
	case typeRange:
		m, err := decodeRange(body)
		return s.emitDecoded(event{have: &m}, err)
	case typeBitfield:
		if err := s.enter(len(body)); err != nil {
			return err
		}
		m, err := decodeBitfield(body)
		return s.emitDecoded(event{bitfield: &m, bytes: len(body)}, err)
	case typeRequest: // of a 10.x peer, who asks without having been told that we have anything
		request, err := decodeRequest(body)
		if err != nil {
			return err
		}
		return channel.Send(typeNoData, noDataMessage{Request: request.ID, Reason: reasonNotAvailable}.append(nil))
	}
	return nil
}

func (s *session) heardData(body []byte) error {
	if err := s.enter(len(body)); err != nil {
		return err
	}
	s.answers.Add(1)
	proof, err := decodeData(bytes.Clone(body)) // the read loop uses its buffer again
	return s.emitDecoded(event{proof: proof, bytes: len(body), more: s.mux.Buffered()}, err)
}

func (s *session) emitDecoded(e event, err error) error {
	if err != nil {
		s.gate.leave(e.bytes)
		return err
	}
	return s.emit(e)
}

// OnClose ends the connection with its only channel.
func (s *session) OnClose(_ *protomux.Channel, err error) {
	if errors.Is(err, protomux.ErrRejected) {
		s.mux.Close(fmt.Errorf("%w: %v", ErrNotOffered, s.link.key))
		return
	}
	s.mux.Close(err)
}
