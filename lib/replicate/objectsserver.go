package replicate

import (
	"errors"
	"fmt"
	"sync/atomic"

	"hc/lib/hypercore"
	"hc/lib/hyperdrive"
	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/objects"
	"hc/lib/protomux"
	"hc/lib/replicate/answers"
	"hc/lib/replicate/copies"
	"hc/lib/store"
)

// objectsServer answers an hc peer on hc's own channel of a core: lib/objects/FORMAT.md.
type objectsServer struct {
	conn    *serverConn
	core    *servedCore
	link    link
	channel *protomux.Channel // set by OnOpen
	closed  atomic.Bool

	// These belong to the answering goroutine.
	invalid int
	tail    copies.Tail
}

// openObjects answers a reader's open, if the core is here and the reader may see it.
func (c *serverConn) openObjects(id keys.Key) {
	c.mu.Lock()
	withheld := c.withheld[id]
	c.mu.Unlock()
	if withheld {
		return
	}
	core, err := c.server.take(c.ctx, id)
	if err != nil {
		return // reported on the core's own channel
	}
	g := &objectsServer{conn: c, core: core, link: c.link(core.key)}
	if _, err := c.mux.Open(objects.Protocol, id[:], g.link.capability(), g); err != nil {
		c.server.leave(core)
	}
}

// OnOpen checks the peer's capability, then says what can be asked.
func (g *objectsServer) OnOpen(channel *protomux.Channel, remote []byte) error {
	if err := g.link.checkCapability(remote); err != nil {
		return err
	}
	g.channel = channel
	g.conn.proved()
	return channel.Send(objects.TypeKnows, objects.Knows{Bits: objects.KnowsCopies | objects.KnowsDeltas | objects.KnowsRuns | objects.KnowsMaps}.Append(nil))
}

// OnMessage has a question answered in its turn.
func (g *objectsServer) OnMessage(_ *protomux.Channel, kind uint64, body []byte) error {
	g.conn.heard.Add(1)
	switch kind {
	case objects.TypeAskLeaves:
		m, err := objects.DecodeAskLeaves(body)
		if err != nil {
			return err
		}
		return g.enqueue(m.ID, nodeBytes*len(m.Nodes), func(s *hypercore.Snapshot) error { return g.giveLeaves(s, m) })
	case objects.TypeAskBlocks:
		m, err := objects.DecodeAskBlocks(body)
		if err != nil {
			return err
		}
		return g.enqueue(m.ID, spanBytes*len(m.Spans)+nodeBytes*len(m.Nodes), func(s *hypercore.Snapshot) error { return g.giveBlocks(s, m, nil) })
	case objects.TypeAskDeltas:
		m, err := objects.DecodeAskDeltas(body)
		if err != nil {
			return err
		}
		return g.enqueue(m.ID, spanBytes*(len(m.Spans)+len(m.Held))+nodeBytes*len(m.Nodes), func(s *hypercore.Snapshot) error { return g.giveDeltas(s, m) })
	case objects.TypeAskCopies:
		m, err := objects.DecodeAskCopies(body)
		if err != nil {
			return err
		}
		return g.enqueue(m.ID, spanBytes*len(m.Held)+nodeBytes*len(m.Nodes), func(s *hypercore.Snapshot) error { return g.giveCopies(s, m) })
	case objects.TypeAskRuns:
		m, err := objects.DecodeAskRuns(body)
		if err != nil {
			return err
		}
		return g.enqueue(m.ID, 0, func(s *hypercore.Snapshot) error { return g.giveRuns(s, m) })
	}
	return nil
}

// OnClose gives the core back.
func (g *objectsServer) OnClose(*protomux.Channel, error) {
	g.closed.Store(true)
	if g.channel != nil {
		g.conn.place.closed()
	}
	g.conn.server.leave(g.core)
}

// Bytes of memory that a question takes for each span and node it names.
const (
	spanBytes = 16
	nodeBytes = 8
)

// enqueue queues a question that takes so many bytes of memory.
func (g *objectsServer) enqueue(id uint64, bytes int, give func(*hypercore.Snapshot) error) error {
	return g.conn.enqueue(job{bytes: bytes, do: func() error {
		if g.closed.Load() {
			return nil
		}
		snapshot, _ := g.core.current()
		if snapshot == nil {
			return g.refuse(id, store.ErrBlockMissing)
		}
		if err := give(snapshot); err != nil {
			return g.refuse(id, err)
		}
		return nil
	}})
}

// refuse answers a question with a refusal, as reader.refuse does.
func (g *objectsServer) refuse(id uint64, cause error) error {
	reason := uint64(objects.ReasonNotHere)
	switch {
	case errors.Is(cause, merkle.ErrInvalidRequest):
		if g.invalid++; g.invalid >= maxInvalid {
			return fmt.Errorf("%w: it made %d requests that make no sense: %w", ErrPeer, g.invalid, cause)
		}
		reason = objects.ReasonInvalid
	case errors.Is(cause, merkle.ErrFork):
		reason = objects.ReasonInvalid
	case errors.Is(cause, merkle.ErrNodeMissing), errors.Is(cause, store.ErrBlockMissing), errors.Is(cause, store.ErrConflict):
	case errors.Is(cause, store.ErrDamaged):
		g.conn.server.failed(g.conn.ctx, cause)
	default:
		return cause
	}
	return g.channel.Send(objects.TypeNone, objects.None{ID: id, Reason: reason}.Append(nil))
}

// check refuses a question about another fork, or about blocks or nodes beyond the log.
func (g *objectsServer) check(head store.Head, fork, end uint64, nodes []uint64) error {
	if fork != head.Fork {
		return fmt.Errorf("%w: %d asked for, %d here", merkle.ErrFork, fork, head.Fork)
	}
	if end > head.Length {
		return fmt.Errorf("%w: block %d of a log of %d", merkle.ErrInvalidRequest, end-1, head.Length)
	}
	for _, index := range nodes {
		if merkle.RightSpan(index) >= 2*head.Length {
			return fmt.Errorf("%w: node %d of a log of %d blocks", merkle.ErrInvalidRequest, index, head.Length)
		}
	}
	return nil
}

func (g *objectsServer) giveLeaves(snapshot *hypercore.Snapshot, m objects.AskLeaves) error {
	done, err := g.conn.server.turns.take(g.conn.ctx)
	if err != nil {
		return err
	}
	answer, err := g.leaves(snapshot, m)
	done()
	if err != nil {
		return err
	}
	return g.sendLeaves(objects.TypeLeaves, answer, answer.Leaves, answer.Nodes)
}

// sendLeaves sends an answer of leaf hashes and nodes, without blocks.
func (g *objectsServer) sendLeaves(kind uint64, answer interface{ Append([]byte) []byte }, leaves, nodes []merkle.Node) error {
	if trace := g.conn.server.options.Trace; trace != nil {
		trace(true, tracedNodes(leaves, nodes))
	}
	return g.channel.Send(kind, answer.Append(nil))
}

func (g *objectsServer) leaves(snapshot *hypercore.Snapshot, m objects.AskLeaves) (answer objects.Leaves, err error) {
	answer.ID = m.ID
	end := m.First + m.Count
	if err := g.check(snapshot.Head(), m.Fork, end, m.Nodes); err != nil {
		return answer, err
	}
	indexes := make([]uint64, 0, m.Count)
	for block := m.First; block < end; block++ {
		indexes = append(indexes, 2*block)
	}
	if answer.Leaves, err = g.nodes(snapshot, indexes); err != nil {
		return answer, err
	}
	answer.Nodes, err = g.nodes(snapshot, m.Nodes)
	return answer, err
}

func (g *objectsServer) nodes(snapshot *hypercore.Snapshot, indexes []uint64) ([]merkle.Node, error) {
	nodes := make([]merkle.Node, 0, len(indexes))
	for _, index := range indexes {
		node, err := snapshot.Node(g.conn.ctx, index)
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, node)
	}
	return nodes, nil
}

// giveBlocks answers with blocks. deltas is the question, if it allows deltas.
func (g *objectsServer) giveBlocks(snapshot *hypercore.Snapshot, m objects.AskBlocks, deltas *objects.AskDeltas) error {
	most := g.conn.mostRaw()
	frame := answers.Take(most)
	defer frame.GiveBack()
	leave := func() {}
	defer func() { leave() }()
	options := answers.PackOptions{Most: most, Long: func(bytes int) (err error) {
		leave, err = g.conn.awaitRoom(bytes)
		return err
	}}
	answer, err := g.blocks(snapshot, m, deltas, options, frame)
	if err != nil {
		return err
	}
	if trace := g.conn.server.options.Trace; trace != nil {
		_, count := answer.Size()
		for i, proof := range tracedBlocks(m.Spans, count) {
			if i == 0 {
				proof.Block.Nodes = answer.Nodes
			}
			trace(true, proof)
		}
	}
	return frame.Send(g.channel, answer)
}

// blocks makes an answer whose payloads are in the frame.
func (g *objectsServer) blocks(snapshot *hypercore.Snapshot, m objects.AskBlocks, deltas *objects.AskDeltas, options answers.PackOptions, frame *answers.Frame) (answer objects.Blocks, err error) {
	answer.ID = m.ID
	last := m.Spans[len(m.Spans)-1]
	if err := g.check(snapshot.Head(), m.Fork, last.First+last.Count, m.Nodes); err != nil {
		return answer, err
	}
	if deltas != nil {
		options.Base = g.baseFinder(snapshot, *deltas)
		if deltas.Maps && m.Count() <= hyperdrive.MaxMapBlocks {
			options.Maps = deltas.Held
		}
	}
	pieces, count, err := answers.Pack(g.conn.ctx, snapshot, m.Spans, frame, options)
	if count == 0 {
		return answer, err
	}
	if err != nil && !errors.Is(err, store.ErrBlockMissing) { // the blocks before it are good
		g.conn.server.failed(g.conn.ctx, err)
	}
	wanted := m.Nodes
	if m.Prove {
		wanted = append(wanted, merkle.Subtrees(last.First+uint64(count), last.First+last.Count)...)
	}
	answer.Pieces = pieces
	answer.Nodes, err = g.nodes(snapshot, wanted)
	return answer, err
}

// mostRaw returns the limit in bytes of the blocks of an answer that has several runs.
func (c *serverConn) mostRaw() int {
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	return answers.Most(len(c.server.conns))
}

// tracedBlocks returns the blocks of an answer as a Trace sees them.
func tracedBlocks(spans []objects.Span, count int) (all []*merkle.Proof) {
	for _, span := range spans {
		for block := span.First; block < span.First+span.Count && len(all) < count; block++ {
			all = append(all, &merkle.Proof{Block: &merkle.BlockProof{Index: block}})
		}
	}
	return all
}

// tracedNodes returns leaf hashes and their siblings as a Trace sees them.
func tracedNodes(leaves, nodes []merkle.Node) *merkle.Proof {
	return &merkle.Proof{Hash: &merkle.HashProof{Nodes: append(append([]merkle.Node(nil), leaves...), nodes...)}}
}
