package replicate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/protomux"
	"hc/lib/store"
)

// serverConn is the server's side of one connection.
type serverConn struct {
	server        *Server
	mux           *protomux.Mux
	handshakeHash [64]byte
	ctx           context.Context
	stop          context.CancelFunc
	workers       sync.WaitGroup

	mu     sync.Mutex
	sought []keys.Key // discovery keys that were asked for and are not here (yet)
}

// maxSought bounds what is remembered of a peer's vain questions.
const maxSought = 1024

// pair answers an open that we did not ask for: with our own, if the core is here. Otherwise it is rejected, and opened
// from our side should the core come to be.
func (c *serverConn) pair(protocol string, id, _ []byte) {
	if protocol != Protocol || len(id) != keys.Size {
		return
	}
	if err := c.open(c.ctx, keys.Key(id)); errors.Is(err, store.ErrNotFound) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if len(c.sought) < maxSought && !slices.Contains(c.sought, keys.Key(id)) {
			c.sought = append(c.sought, keys.Key(id))
		}
	} else if err != nil {
		c.mux.Close(err)
	}
}

func (c *serverConn) open(ctx context.Context, id keys.Key) error {
	core, err := c.server.find(ctx, id)
	if err != nil {
		return err
	}
	r := &reader{
		conn: c,
		core: core,
		link: link{key: core.key, handshakeHash: c.handshakeHash},
		work: make(chan struct{}, 1),
		done: make(chan struct{}),
	}
	_, err = c.mux.Open(Protocol, id[:], r.link.open(), r)
	return err
}

// retry opens the cores that were sought in vain and are here now.
func (c *serverConn) retry(ctx context.Context) error {
	c.mu.Lock()
	sought := slices.Clone(c.sought)
	c.mu.Unlock()
	for _, id := range sought {
		err := c.open(ctx, id)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		c.mu.Lock()
		c.sought = slices.DeleteFunc(c.sought, func(other keys.Key) bool { return other == id })
		c.mu.Unlock()
		if err != nil && !errors.Is(err, protomux.ErrClosed) {
			return err
		}
	}
	return nil
}

// Limits of what one reader may ask for. Stock keeps 48 requests under way, we 256.
const (
	maxQueued  = 8192 // requests that wait for their turn
	maxInvalid = 64   // requests that no honest peer makes; stock's number
)

// reader is one peer's channel on one of our cores. Requests are answered by a worker of its own, in order, so that a
// peer that does not read holds up nobody but itself.
type reader struct {
	conn *serverConn
	core *servedCore
	link link

	mu      sync.Mutex // guards all below
	channel *protomux.Channel
	remote  syncMessage
	said    syncMessage // what we told last
	queue   []merkle.Request
	invalid int
	ended   bool

	work chan struct{} // holds a token while the queue may have something
	done chan struct{}
}

// OnOpen checks the peer's capability, then says what is here.
func (r *reader) OnOpen(channel *protomux.Channel, remote []byte) error {
	if err := r.link.check(remote); err != nil {
		return err
	}
	r.mu.Lock()
	r.channel = channel
	r.mu.Unlock()
	r.core.listen(r, true)
	r.conn.workers.Go(r.answer)
	if err := r.sayState(); err != nil {
		return err
	}
	_, held := r.core.current()
	return r.sayHeld(held, nil)
}

// OnClose ends the worker.
func (r *reader) OnClose(*protomux.Channel, error) {
	r.core.listen(r, false)
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.ended {
		r.ended = true
		close(r.done)
	}
}

// OnMessage handles what a reader may say.
func (r *reader) OnMessage(_ *protomux.Channel, kind uint64, body []byte) error {
	switch kind {
	case typeSync:
		m, err := decodeSync(body)
		if err != nil {
			return err
		}
		return r.heardState(m)
	case typeRequest:
		request, err := decodeRequest(body)
		if err != nil {
			return err
		}
		return r.enqueue(request)
	case typeCancel:
		id, err := decodeCancel(body)
		if err != nil {
			return err
		}
		r.cancel(id)
	case typeWant:
		m, err := decodeWant(body)
		if err != nil {
			return err
		}
		return r.heardWant(m)
	}
	return nil
}

// heardState acknowledges a reader that is behind: it asks for an upgrade only of whom it knows to know its length.
func (r *reader) heardState(m syncMessage) error {
	r.mu.Lock()
	r.remote = m
	said := r.said
	r.mu.Unlock()
	if state := r.state(); state != said || m.Fork == state.Fork && m.Length < state.Length {
		return r.sayState()
	}
	return nil
}

func (r *reader) state() syncMessage {
	snapshot, _ := r.core.current()
	head := snapshot.Head()
	r.mu.Lock()
	defer r.mu.Unlock()
	state := syncMessage{
		Uploading:   true,
		Downloading: true, // else stock closes the channel of a reader that has all
		HasManifest: !snapshot.Auth().Compat(),
		Fork:        head.Fork,
		Length:      head.Length,
	}
	sameFork := r.remote.Fork == head.Fork || r.remote.Length == 0
	state.CanUpgrade = sameFork && r.remote.Length <= head.Length
	if r.remote.Fork == head.Fork {
		state.RemoteLength = r.remote.Length
	}
	return state
}

func (r *reader) sayState() error {
	state := r.state()
	r.mu.Lock()
	r.said = state
	channel := r.channel
	r.mu.Unlock()
	return ignoreClosed(channel.Send(typeSync, state.append(nil)))
}

// sayHeld announces the spans that are not within those that were announced before.
func (r *reader) sayHeld(held, before []span) error {
	for _, now := range held {
		start := now.start
		for _, old := range before {
			if old.start <= start && start < old.end {
				start = old.end
			}
		}
		if start >= now.end {
			continue
		}
		if now.start == 0 {
			start = 0 // a prefix is one number on the other side
		}
		m := rangeMessage{Start: start, Length: now.end - start}
		if err := r.channel.Send(typeRange, m.append(nil)); err != nil {
			return ignoreClosed(err)
		}
	}
	return nil
}

// announce tells the reader what is new. Errors show as the connection's end.
func (r *reader) announce(before []span) {
	r.mu.Lock()
	dropped := r.said.Fork
	r.mu.Unlock()
	snapshot, held := r.core.current()
	if snapshot.Head().Fork != dropped {
		before = nil
	}
	if r.sayHeld(held, before) == nil {
		_ = r.sayState()
	}
}

// heardWant says which blocks of a segment are here: with ranges where that is one prefix, else with a bitfield.
func (r *reader) heardWant(m wantMessage) error {
	snapshot, held := r.core.current()
	length := snapshot.Head().Length
	if m.Start >= length || m.Length == 0 {
		return nil
	}
	if m.Length > segment && !m.Any {
		return nil // stock ignores it, too
	}
	end := min(m.Start+m.Length, length)
	if len(held) > 0 && held[0].start == 0 && held[0].end >= end {
		return ignoreClosed(r.channel.Send(typeRange, rangeMessage{Length: held[0].end}.append(nil)))
	}
	start, stop, ok, err := snapshot.Have(r.conn.ctx, m.Start)
	if err != nil || !ok || start >= end {
		return err
	}
	if m.Any {
		return ignoreClosed(r.channel.Send(typeRange, rangeMessage{Start: start, Length: 1}.append(nil)))
	}
	field := bitfieldMessage{Start: m.Start &^ 31, Words: make([]uint32, (end-m.Start&^31+31)/32)}
	for ok && start < end {
		for block := max(start, field.Start); block < min(stop, end); block++ {
			field.Words[(block-field.Start)/32] |= 1 << (block % 32)
		}
		if start, stop, ok, err = snapshot.Have(r.conn.ctx, stop); err != nil {
			return err
		}
	}
	return ignoreClosed(r.channel.Send(typeBitfield, field.append(nil)))
}

func (r *reader) enqueue(request merkle.Request) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.queue) >= maxQueued {
		return fmt.Errorf("%w: it asked for %d things at once", ErrPeer, maxQueued)
	}
	r.queue = append(r.queue, request)
	select {
	case r.work <- struct{}{}:
	default:
	}
	return nil
}

func (r *reader) cancel(id uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queue = slices.DeleteFunc(r.queue, func(request merkle.Request) bool { return request.ID == id })
}

// answer is the worker: it answers requests until the channel or the connection ends.
func (r *reader) answer() {
	for {
		select {
		case <-r.conn.ctx.Done():
			return
		case <-r.done:
			return
		case <-r.work:
		}
		for {
			request, ok := r.dequeue()
			if !ok {
				break
			}
			if err := r.reply(request); err != nil {
				if !errors.Is(err, protomux.ErrClosed) && r.conn.ctx.Err() == nil {
					r.conn.mux.Close(err)
				}
				return
			}
		}
	}
}

func (r *reader) dequeue() (merkle.Request, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.queue) == 0 || r.ended {
		return merkle.Request{}, false
	}
	request := r.queue[0]
	r.queue[0] = merkle.Request{}
	r.queue = r.queue[1:]
	return request, true
}

func (r *reader) reply(request merkle.Request) error {
	snapshot, _ := r.core.current()
	proof, err := snapshot.Prove(r.conn.ctx, request)
	if err != nil {
		return r.refuse(request, err)
	}
	if r.conn.server.options.Trace != nil {
		r.conn.server.options.Trace(true, proof)
	}
	if proof.Block == nil {
		return r.channel.Send(typeData, appendData(nil, proof))
	}
	return r.channel.SendOwned(typeData, dataHead(nil, proof), proof.Block.Value, dataTail(nil, proof))
}

// refuse answers that there is no answer. Damage to our own disk is a refusal, too; the peer asks another.
func (r *reader) refuse(request merkle.Request, cause error) error {
	reason := uint64(reasonNotAvailable)
	switch {
	case errors.Is(cause, merkle.ErrInvalidRequest):
		r.invalid++
		if r.invalid >= maxInvalid {
			return fmt.Errorf("%w: it made %d requests that make no sense: %w", ErrPeer, r.invalid, cause)
		}
		reason = reasonInvalidRequest
	case errors.Is(cause, merkle.ErrFork), errors.Is(cause, merkle.ErrNodeMissing),
		errors.Is(cause, store.ErrBlockMissing), errors.Is(cause, store.ErrDamaged):
	default:
		return cause
	}
	return r.channel.Send(typeNoData, noDataMessage{Request: request.ID, Reason: reason}.append(nil))
}
