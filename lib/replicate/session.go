package replicate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

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
}

// session is the fetcher's side of one connection. Its read loop decodes and hands on events; all state below is the
// fetcher's own goroutine's.
type session struct {
	name    string
	mux     *protomux.Mux
	channel *protomux.Channel
	link    link
	events  chan<- event
	ctx     context.Context // ends with the fetcher

	opened   bool
	synced   bool
	remote   syncMessage
	blocks   remoteBlocks
	lacks    map[uint64]bool // blocks that it answered noData for, since it last announced something
	wanted   uint64          // segments that it was asked about
	requests map[uint64]*asked
	nextID   uint64
	freeIDs  []uint64
	heard    time.Time
	outdated bool  // on another fork, or it answered noData for the head: nothing is asked of it
	dropped  bool  // its connection is being closed
	refutal  error // a proof that did not verify, while the probe for its cause is under way
}

// segment is how many blocks one want asks about: stock's.
const segment = 1 << 21

// maxLacks bounds what is remembered of a peer's refusals.
const maxLacks = 1 << 16

// run opens the core on the connection and reads until the end.
func (s *session) run(conn peer.Conn) error {
	mux, secret, err := connect(s.ctx, conn, true)
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
	channel, err := mux.Open(Protocol, id[:], s.link.open(), s)
	if err != nil {
		return err
	}
	s.channel = channel
	return mux.Run(s.ctx)
}

func (s *session) emit(e event) error {
	e.session = s
	select {
	case s.events <- e:
		return nil
	case <-s.ctx.Done():
		return s.ctx.Err()
	}
}

// OnOpen checks that the peer knows the key, too.
func (s *session) OnOpen(_ *protomux.Channel, remote []byte) error {
	if err := s.link.check(remote); err != nil {
		return err
	}
	return s.emit(event{opened: true})
}

// OnMessage decodes a message. What a reader has no use for is ignored.
func (s *session) OnMessage(_ *protomux.Channel, kind uint64, body []byte) error {
	switch kind {
	case typeSync:
		m, err := decodeSync(body)
		return s.emitDecoded(event{sync: &m}, err)
	case typeData:
		proof, err := decodeData(bytes.Clone(body)) // the read loop uses its buffer again
		return s.emitDecoded(event{proof: proof}, err)
	case typeNoData:
		m, err := decodeNoData(body)
		return s.emitDecoded(event{noData: &m}, err)
	case typeRange:
		m, err := decodeRange(body)
		return s.emitDecoded(event{have: &m}, err)
	case typeBitfield:
		m, err := decodeBitfield(body)
		return s.emitDecoded(event{bitfield: &m}, err)
	}
	return nil
}

func (s *session) emitDecoded(e event, err error) error {
	if err != nil {
		return err
	}
	return s.emit(e)
}

// OnClose tells the fetcher why the channel is gone.
func (s *session) OnClose(_ *protomux.Channel, err error) {
	if errors.Is(err, protomux.ErrRejected) {
		s.mux.Close(fmt.Errorf("%w: %v", ErrNotOffered, s.link.key))
		return
	}
	s.mux.Close(err)
}

// send writes a request and remembers it.
func (s *session) send(a *asked) error {
	a.request.ID = s.newID()
	a.session, a.at = s, time.Now()
	if len(s.requests) == 0 {
		s.heard = a.at // silence counts from when there is something to say
	}
	s.requests[a.request.ID] = a
	return ignoreClosed(s.channel.Send(typeRequest, appendRequest(nil, a.request)))
}

func (s *session) newID() uint64 {
	if last := len(s.freeIDs) - 1; last >= 0 {
		id := s.freeIDs[last]
		s.freeIDs = s.freeIDs[:last]
		return id
	}
	s.nextID++
	return s.nextID
}

// answered takes a request off the list of those under way; nil if there is none of that id.
func (s *session) answered(id uint64) *asked {
	a := s.requests[id]
	if a != nil {
		delete(s.requests, id)
		s.freeIDs = append(s.freeIDs, id)
	}
	return a
}

// usable reports whether anything can be asked of the peer.
func (s *session) usable() bool { return s.synced && !s.outdated && !s.dropped }

// probing reports whether the peer owes a head that is to tell a rewritten log from a bad peer.
func (s *session) probing() bool {
	for _, a := range s.requests {
		if a.probe {
			return true
		}
	}
	return false
}

// refuse notes that the peer does not have a block after all.
func (s *session) refuse(block uint64) {
	if len(s.lacks) >= maxLacks {
		clear(s.lacks)
	}
	s.lacks[block] = true
}
