package replicate

import (
	"errors"
	"fmt"
	"sync"

	"hc/lib/hypercore"
	"hc/lib/merkle"
	"hc/lib/protomux"
	"hc/lib/replicate/messages"
	"hc/lib/store"
)

// maxInvalid is the number of invalid requests at which a peer is dropped; stock's number.
const maxInvalid = 64

// reader is one peer's channel on one of our cores.
type reader struct {
	conn    *serverConn
	core    *servedCore
	link    link
	channel *protomux.Channel // set by OnOpen, before anything else happens

	hasNews bool // in conn.news; guarded by conn.mu

	mu     sync.Mutex // guards the three below
	remote messages.Sync
	told   bool // it has told us its state
	spoke  bool // it has told us its state since we last told ours

	holdings // what it has, if that matters

	// These belong to the answering goroutine.
	opened  bool // we have told our state
	said    messages.Sync
	held    []span // announced to it
	fork    uint64 // the fork of held
	invalid int
}

// OnOpen checks the peer's capability, then says what is here.
func (r *reader) OnOpen(channel *protomux.Channel, remote []byte) error {
	if err := r.link.check(remote); err != nil {
		return err
	}
	r.channel = channel
	r.conn.proved()
	r.mu.Lock()
	r.theirs.Within(r.conn.server.holdings)
	r.mu.Unlock()
	r.tracks = r.core.accepted || r.core.guarded || r.conn.goal != nil
	r.core.listen(r, true)
	r.conn.tell(r)
	return nil
}

// OnClose forgets what the peer asked for.
func (r *reader) OnClose(_ *protomux.Channel, err error) {
	if r.channel != nil {
		r.conn.place.closed()
	}
	r.endSink()
	r.conn.refused(r, err)
	r.core.listen(r, false)
	r.conn.forget(r)
	r.mu.Lock()
	r.theirs.Forget()
	r.mu.Unlock()
	r.conn.server.leave(r.core)
}

// OnMessage handles a reader's messages and, if we take blocks from it, its answers.
func (r *reader) OnMessage(channel *protomux.Channel, kind uint64, body []byte) error {
	r.conn.heard.Add(1)
	switch kind {
	case messages.TypeSync:
		m, err := messages.DecodeSync(body)
		if err != nil {
			return err
		}
		r.mu.Lock()
		r.remote, r.spoke, r.told = m, true, true
		r.mu.Unlock()
		r.conn.tell(r)
	case messages.TypeRequest:
		request, err := messages.DecodeRequest(body)
		if err != nil {
			return err
		}
		return r.conn.enqueue(job{reader: r, request: request})
	case messages.TypeCancel:
		id, err := messages.DecodeCancel(body)
		if err != nil {
			return err
		}
		r.conn.cancel(r, id)
	case messages.TypeWant:
		m, err := messages.DecodeWant(body)
		if err != nil {
			return err
		}
		return r.conn.enqueue(job{reader: r, want: &m})
	}
	return r.heed(channel, kind, body)
}

// tellNews announces what has changed since the last time. It also acknowledges the length of a reader that lags behind:
// such a reader asks for an upgrade only if it knows that we know its length.
func (r *reader) tellNews() error {
	snapshot, held := r.core.current()
	r.mu.Lock()
	remote, spoke := r.remote, r.spoke
	r.spoke = false
	r.mu.Unlock()
	state, err := r.state(snapshot, remote)
	if err != nil {
		return err
	}
	if !r.opened {
		r.opened, r.said = true, state
		if err := r.channel.Send(messages.TypeSync, state.Append(nil)); err != nil {
			return err
		}
		if err := r.sayHeld(held, state.Fork); err != nil {
			return err
		}
		return r.askHoldings(state.Length)
	}
	if err := r.sayHeld(held, state.Fork); err != nil {
		return err
	}
	if state == r.said && !(spoke && remote.Fork == state.Fork && remote.Length < state.Length) {
		return nil
	}
	r.said = state
	return r.channel.Send(messages.TypeSync, state.Append(nil))
}

func (r *reader) state(snapshot *hypercore.Snapshot, remote messages.Sync) (messages.Sync, error) {
	head := headOf(snapshot)
	state := messages.Sync{
		Uploading:   true,
		Downloading: true, // else stock closes the channel of a reader that has everything
		HasManifest: snapshot != nil && !snapshot.Auth().Compat(),
		Fork:        head.Fork,
		Length:      head.Length,
	}
	if remote.Fork == head.Fork {
		state.RemoteLength = remote.Length
	}
	switch {
	case remote.Length == 0:
		state.CanUpgrade = true
	case remote.Fork != head.Fork || remote.Length > head.Length:
	case remote.Length == head.Length:
		state.CanUpgrade = true
	default: // only with all roots of the reader's length; a sparse copy may lack some
		for _, root := range merkle.FullRoots(remote.Length) {
			_, err := snapshot.Node(r.conn.ctx, root)
			if errors.Is(err, merkle.ErrNodeMissing) {
				return state, nil
			}
			if err != nil {
				return state, err
			}
		}
		state.CanUpgrade = true
	}
	return state, nil
}

// sayHeld announces the blocks that have been added since the last announcement, and those that are gone.
func (r *reader) sayHeld(held []span, fork uint64) error {
	before := r.held
	r.held = held
	for _, gone := range without(before, held) {
		if len(held) == maxSpans && gone.start >= held[maxSpans-1].end {
			break // it may be here: the list ends before it
		}
		m := messages.Range{Drop: true, Start: gone.start, Length: gone.end - gone.start}
		if err := r.channel.Send(messages.TypeRange, m.Append(nil)); err != nil {
			return err
		}
	}
	if fork != r.fork {
		before, r.fork = nil, fork
	}
	fresh := without(held, before)
	if len(fresh) > 0 && held[0].start == 0 && fresh[0].start < held[0].end {
		prefix := held[0] // the peer keeps a prefix as one number
		for len(fresh) > 0 && fresh[0].start < prefix.end {
			fresh = fresh[1:]
		}
		fresh = append([]span{prefix}, fresh...)
	}
	for _, now := range fresh {
		m := messages.Range{Start: now.start, Length: now.end - now.start}
		if err := r.channel.Send(messages.TypeRange, m.Append(nil)); err != nil {
			return err
		}
	}
	return nil
}

// showHeld tells which blocks of a segment are here: as a range if a prefix of the log covers it, else as a bitfield.
func (r *reader) showHeld(m messages.Want) error {
	snapshot, held := r.core.current()
	length := headOf(snapshot).Length
	if m.Start >= length || m.Length == 0 {
		return nil
	}
	if m.Length > segment && !m.Any {
		return nil // stock ignores it, too
	}
	end := min(m.Start+m.Length, length)
	if len(held) > 0 && held[0].start == 0 && held[0].end >= end {
		return r.channel.Send(messages.TypeRange, messages.Range{Length: held[0].end}.Append(nil))
	}
	if m.Any {
		start, _, ok, err := snapshot.Have(r.conn.ctx, m.Start)
		if err != nil || !ok || start >= end {
			return err
		}
		return r.channel.Send(messages.TypeRange, messages.Range{Start: start, Length: 1}.Append(nil))
	}
	field := messages.Bitfield{Start: m.Start &^ 31}
	field.Words = make([]uint32, (min(end, field.Start+segment)-field.Start+31)/32)
	for at := field.Start; ; {
		start, stop, ok, err := snapshot.Have(r.conn.ctx, at)
		if err != nil {
			return err
		}
		if !ok || start >= end {
			break
		}
		field.Set(start, min(stop, end))
		at = stop
	}
	return r.channel.Send(messages.TypeBitfield, field.Append(nil))
}

func (r *reader) reply(request merkle.Request) error {
	snapshot, _ := r.core.current()
	if snapshot == nil {
		return r.refuse(request, store.ErrBlockMissing)
	}
	leave, err := r.awaitRoom(snapshot, request)
	if err != nil {
		return err
	}
	defer leave()
	proof, memory, err := snapshot.Prove(r.conn.ctx, request)
	if err != nil {
		return r.refuse(request, err)
	}
	if proof.Upgrade != nil && r.tracks {
		r.gave(snapshot.Head(), request.Upgrade.Start)
	}
	if r.conn.server.options.Trace != nil {
		r.conn.server.options.Trace(true, proof)
	}
	return r.conn.answers.Add(r.channel, proof, memory)
}

// refuse answers a request with a refusal. Damage on our own disk is a refusal, too; the peer asks elsewhere.
func (r *reader) refuse(request merkle.Request, cause error) error {
	reason := uint64(messages.ReasonNotAvailable)
	switch {
	case errors.Is(cause, merkle.ErrInvalidRequest):
		r.invalid++
		if r.invalid >= maxInvalid {
			return fmt.Errorf("%w: it made %d requests that make no sense: %w", ErrPeer, r.invalid, cause)
		}
		reason = messages.ReasonInvalidRequest
	case errors.Is(cause, merkle.ErrFork), errors.Is(cause, merkle.ErrNodeMissing), errors.Is(cause, merkle.ErrHint),
		errors.Is(cause, store.ErrBlockMissing), errors.Is(cause, store.ErrConflict):
	case errors.Is(cause, store.ErrDamaged):
		r.conn.server.failed(r.conn.ctx, cause)
	default:
		return cause
	}
	return r.channel.Send(messages.TypeNoData, messages.NoData{Request: request.ID, Reason: reason}.Append(nil))
}
