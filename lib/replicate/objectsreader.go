package replicate

import (
	"errors"
	"slices"
	"time"

	"hc/lib/hash"
	"hc/lib/keys"
	"hc/lib/lent"
	"hc/lib/merkle"
	"hc/lib/objects"
	"hc/lib/protomux"
	"hc/lib/store"
)

// objectsReader is a session's second channel, on which hc peers answer: lib/objects/FORMAT.md. It decodes in the read loop,
// and passes on events; see unpack.go.
type objectsReader struct{ session *session }

// objectsAnswer is an answer from an hc peer.
type objectsAnswer struct {
	id     uint64
	leaves []merkle.Node   // leaf hashes
	copies *objects.Copies // leaf hashes, except for those that are here
	like   []uint64        // the block that each leaf is taken from, which may be an equal one
	blocks [][]byte        // or blocks
	hashes []hash.Digest   // of blocks
	frames []answerFrame   // in which some of the blocks came
	nodes  []merkle.Node
	runs   *objects.Runs
	none   bool // or a refusal
	maps   bool // some of the blocks came as block maps
	noBase bool // a block came as a delta or as a map, and its base is not here: there are no blocks
	reason uint64
	wire   int            // bytes that it took
	memory []*lent.Memory // for each block a hold on the memory it lies in; nil: the collector's

	unpacked chan struct{} // with blocks: closed once they are unpacked; nil: there is nothing to unpack
	err      error         // then: why that failed
}

// await waits until the answer is unpacked.
func (g *objectsAnswer) await() {
	if g.unpacked != nil {
		<-g.unpacked
	}
}

// hold takes every hold of the answer once more.
func (g *objectsAnswer) hold() {
	for _, m := range g.memory {
		m.Hold()
	}
	for _, f := range g.frames {
		f.memory.Hold()
	}
}

// release ends the holds that came with an answer, or those of hold.
func (g *objectsAnswer) release() {
	for _, m := range g.memory {
		m.Release()
	}
	for _, f := range g.frames {
		f.memory.Release()
	}
}

// answerFrame holds blocks of an answer that came together, compressed or not, or one block as a delta.
type answerFrame struct {
	at, count int
	data      []byte
	raw       bool // data is the blocks themselves
	delta     bool
	base      uint64
	memory    *lent.Memory // a hold on the memory of data; nil: the collector's
}

func (g *objectsAnswer) bytes() (sum int) {
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

// openObjects opens the second channel. For up to patience, nothing is asked of the peer until it has opened or rejected it.
func (s *session) openObjects() (*protomux.Channel, error) {
	id := keys.DiscoveryKey(s.link.key)
	s.undecided = time.Now().Add(patience)
	return s.mux.Open(objects.Protocol, id[:], s.link.capability(), &objectsReader{s})
}

// OnOpen checks that the peer knows the key.
func (t *objectsReader) OnOpen(channel *protomux.Channel, remote []byte) error {
	if err := t.session.link.checkCapability(remote); err != nil {
		return err
	}
	return t.session.emit(event{decided: true, objects: channel})
}

// OnMessage decodes an answer. A question is refused: nobody answers here.
func (t *objectsReader) OnMessage(channel *protomux.Channel, kind uint64, body []byte) error {
	err := t.heard(channel, kind, body)
	if t.session.ctx.Err() != nil || errors.Is(err, errNobodyAsks) { // nobody waits for it any more
		return nil
	}
	return err
}

func (t *objectsReader) heard(channel *protomux.Channel, kind uint64, body []byte) error {
	s := t.session
	switch kind {
	case objects.TypeLeaves:
		s.answers.Add(1)
		if err := s.enter(len(body)); err != nil {
			return err
		}
		m, err := objects.DecodeLeaves(body)
		return s.emitDecoded(event{answer: &objectsAnswer{id: m.ID, leaves: m.Leaves, nodes: m.Nodes, wire: len(body)}, bytes: len(body)}, err)
	case objects.TypeCopies:
		s.answers.Add(1)
		if err := s.enter(len(body)); err != nil {
			return err
		}
		m, err := objects.DecodeCopies(body)
		return s.emitDecoded(event{answer: &objectsAnswer{id: m.ID, copies: &m, wire: len(body)}, bytes: len(body)}, err)
	case objects.TypeRuns:
		s.answers.Add(1)
		m, err := objects.DecodeRuns(body)
		return s.emitDecoded(event{answer: &objectsAnswer{id: m.ID, runs: &m}}, err)
	case objects.TypeKnows:
		m, err := objects.DecodeKnows(body)
		return s.emitDecoded(event{knows: &m}, err)
	case objects.TypeBlocks:
		return t.heardBlocks(body)
	case objects.TypeNone:
		s.answers.Add(1)
		m, err := objects.DecodeNone(body)
		s.lent.answered(m.ID)
		return s.emitDecoded(event{answer: &objectsAnswer{id: m.ID, none: true, reason: m.Reason}}, err)
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

// heardBlocks starts to unpack blocks, and passes the answer on meanwhile.
func (t *objectsReader) heardBlocks(body []byte) error {
	s := t.session
	m, err := objects.DecodeBlocks(body)
	if err != nil {
		return err
	}
	raw, _ := m.Size()
	if err := s.enter(raw); err != nil {
		return err
	}
	s.answers.Add(1)
	g := &objectsAnswer{id: m.ID, nodes: m.Nodes, wire: len(body), unpacked: make(chan struct{})}
	g.maps = slices.ContainsFunc(m.Pieces, func(p objects.Piece) bool { return p.Map })
	if err := s.beginUnpacking(g, s.parcel(m)); err != nil {
		s.gate.leave(raw)
		return err
	}
	return s.emit(event{answer: g, bytes: raw})
}

// OnClose reports that the peer does not have the channel, or no longer: a stock peer never opens it.
func (t *objectsReader) OnClose(*protomux.Channel, error) {
	_ = t.session.emit(event{decided: true}) // if the connection has ended, the session reports that
}

// mayStay reports whether the blocks of a piece may be stored in the form they came in.
func mayStay(p objects.Piece) bool {
	switch {
	case p.Zstd:
		return store.FrameFits(p.Count, p.Raw, len(p.Payload))
	case p.Delta:
		return store.DeltaFits(p.Raw, len(p.Payload))
	case p.Map:
		return false
	}
	return store.RawFits(p.Count, p.Raw)
}
