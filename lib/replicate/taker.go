package replicate

import (
	"bytes"
	"errors"
	"slices"
	"time"

	"hc/lib/hash"
	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/objects"
	"hc/lib/protomux"
	"hc/lib/store"
)

// taker is a session's second channel, on which hc peers answer: lib/objects/FORMAT.md. It decodes, decompresses and hashes in
// the read loop, and hands on events.
type taker struct{ session *session }

// gift is an answer of an hc peer.
type gift struct {
	id     uint64
	leaves []merkle.Node   // of leaf hashes
	copies *objects.Copies // of leaf hashes, but for those that are here
	like   []uint64        // which blocks the leaves are of, where they are not those of the block itself
	blocks [][]byte        // else of blocks
	hashes []hash.Digest   // of these
	frames []giftFrame     // as which some of them came
	nodes  []merkle.Node
	runs   *objects.Runs
	none   bool // else there is none
	deltas bool // some of the blocks came as what they differ from others
	maps   bool // or as maps of others
	noBase bool // and one of these is not here: there are none
	reason uint64
	wire   int // bytes that it took
}

// giftFrame is blocks of an answer that came together, compressed or not, or one as what it differs from another.
type giftFrame struct {
	at, count int
	data      []byte
	raw       bool // they are what data has
	delta     bool
	base      uint64
}

func (g *gift) bytes() (sum int) {
	for _, block := range g.blocks {
		sum += len(block)
	}
	for _, frame := range g.frames {
		if !frame.raw {
			sum += len(frame.data)
		}
	}
	return sum
}

// openObjects opens the second channel. Nothing is asked of the peer before it is known whether he opens it, too, but for a while.
func (s *session) openObjects() (*protomux.Channel, error) {
	id := keys.DiscoveryKey(s.link.key)
	s.undecided = time.Now().Add(patience)
	return s.mux.Open(objects.Protocol, id[:], s.link.capability(), &taker{s})
}

// OnOpen checks that the peer knows the key.
func (t *taker) OnOpen(channel *protomux.Channel, remote []byte) error {
	if err := t.session.link.checkCapability(remote); err != nil {
		return err
	}
	return t.session.emit(event{decided: true, objects: channel})
}

// OnMessage decodes an answer. Who asks in place of answering is told that nobody gives here.
func (t *taker) OnMessage(channel *protomux.Channel, kind uint64, body []byte) error {
	err := t.heard(channel, kind, body)
	if t.session.ctx.Err() != nil { // nobody waits for it any more
		return nil
	}
	return err
}

func (t *taker) heard(channel *protomux.Channel, kind uint64, body []byte) error {
	s := t.session
	switch kind {
	case objects.TypeLeaves:
		s.answers.Add(1)
		if err := s.enter(len(body)); err != nil {
			return err
		}
		m, err := objects.DecodeLeaves(body)
		return s.emitDecoded(event{gift: &gift{id: m.ID, leaves: m.Leaves, nodes: m.Nodes, wire: len(body)}, bytes: len(body)}, err)
	case objects.TypeCopies:
		s.answers.Add(1)
		if err := s.enter(len(body)); err != nil {
			return err
		}
		m, err := objects.DecodeCopies(body)
		return s.emitDecoded(event{gift: &gift{id: m.ID, copies: &m, wire: len(body)}, bytes: len(body)}, err)
	case objects.TypeRuns:
		s.answers.Add(1)
		m, err := objects.DecodeRuns(body)
		return s.emitDecoded(event{gift: &gift{id: m.ID, runs: &m}}, err)
	case objects.TypeKnows:
		m, err := objects.DecodeKnows(body)
		return s.emitDecoded(event{knows: &m}, err)
	case objects.TypeBlocks:
		return t.heardBlocks(body)
	case objects.TypeNone:
		s.answers.Add(1)
		m, err := objects.DecodeNone(body)
		return s.emitDecoded(event{gift: &gift{id: m.ID, none: true, reason: m.Reason}}, err)
	case objects.TypeAskLeaves, objects.TypeAskBlocks, objects.TypeAskDeltas, objects.TypeAskCopies, objects.TypeAskRuns:
		return refuseQuestion(channel, body)
	}
	return nil
}

func refuseQuestion(channel *protomux.Channel, question []byte) error {
	id, err := objects.QuestionID(question)
	if err != nil {
		return err
	}
	return channel.Send(objects.TypeNone, objects.None{ID: id, Reason: objects.ReasonInvalid}.Append(nil))
}

func (t *taker) heardBlocks(body []byte) error {
	s := t.session
	m, err := objects.DecodeBlocks(body)
	if err != nil {
		return err
	}
	raw, count := m.Size()
	if err := s.enter(raw); err != nil {
		return err
	}
	s.answers.Add(1)
	g := &gift{id: m.ID, nodes: m.Nodes, hashes: make([]hash.Digest, count), wire: len(body)}
	g.deltas = slices.ContainsFunc(m.Pieces, func(p objects.Piece) bool { return p.Delta })
	g.maps = slices.ContainsFunc(m.Pieces, func(p objects.Piece) bool { return p.Map })
	if g.blocks, err = m.UnpackWith(s.lender()); errors.Is(err, errNoBase) {
		g.noBase, err = true, nil
	}
	if err == nil && !g.noBase {
		hash.Leaves(g.hashes, g.blocks)
		g.keepFrames(m.Pieces, s.stores)
	}
	return s.emitDecoded(event{gift: g, bytes: raw}, err)
}

// OnClose says that this is the end of it: a stock peer never opens the channel.
func (t *taker) OnClose(*protomux.Channel, error) {
	_ = t.session.emit(event{decided: true}) // the session's own end tells of the connection's
}

// keepFrames keeps the frames that may be stored as they are. It copies those that the blocks do not alias: the read loop uses its
// buffer again.
func (g *gift) keepFrames(pieces []objects.Piece, stores bool) {
	at := 0
	for _, p := range pieces {
		switch {
		case !stores:
		case p.Zstd && store.FrameFits(p.Count, p.Raw, len(p.Payload)):
			g.frames = append(g.frames, giftFrame{at: at, count: p.Count, data: bytes.Clone(p.Payload)})
		case p.Delta && store.DeltaFits(p.Raw, len(p.Payload)):
			g.frames = append(g.frames, giftFrame{at: at, count: p.Count, data: bytes.Clone(p.Payload), delta: true, base: p.Base})
		case !p.Zstd && !p.Delta && !p.Map && store.RawFits(p.Count, p.Raw):
			g.frames = append(g.frames, giftFrame{at: at, count: p.Count, data: p.Payload, raw: true})
		}
		at += p.Count
	}
}
