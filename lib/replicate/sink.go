package replicate

import (
	"context"
	"errors"
	"sync"
	"time"

	"hc/lib/hypercore"
	"hc/lib/proof"
	"hc/lib/protomux"
	"hc/lib/store"
)

// How many peers a mirror takes blocks from at once. Others wait: they usually bring the same. Anyone who knows a core's
// public key can connect and bring nothing, so peers that have proved by a reservation that they have the secret key have
// places of their own.
const (
	maxSinks     = 8 // over all cores
	maxCoreSinks = 2 // for one core, so that a peer that is slow to give what it announced does not hold up the next
	maxSigners   = 8 // for peers with a reservation, over all cores
)

// sink takes a core that we accept from a peer that came to us with it.
type sink struct {
	session *session
	stop    context.CancelFunc
	leave   func()            // gives its place back
	objects *protomux.Channel // for many blocks at once; nil: none
}

// errand is what a sink is for.
type errand int

const (
	nothing   errand = iota
	toTake           // take what the reader has and we lack
	toFollow         // replace our log with the reader's, which is of a higher fork
	toHear           // ask for the reader's head: we write the log, and the reader's is longer
	toCompare        // ask for the reader's head, to see whether it has what it is to have
)

// errand returns what the reader can be asked for, judged by what it has said.
func (r *reader) errand() errand {
	switch {
	case r.core.guarded && r.outruns():
		return toHear
	case r.core.accepted && r.offers() && r.follows():
		return toFollow
	case r.core.accepted && r.offers():
		return toTake
	case r.compares():
		return toCompare
	}
	return nothing
}

// startSink begins the reader's errand, if there is one and there is room for another sink.
func (r *reader) startSink() {
	what := r.errand()
	if what == nothing {
		return
	}
	leave, ok := r.conn.server.enterSink(r.core, r.conn.signs(r.core.key))
	if !ok {
		return
	}
	ctx, stop := context.WithCancel(r.conn.ctx)
	f, s, err := r.newSink(ctx, what)
	if err != nil {
		r.conn.server.failed(ctx, err)
		stop()
		leave()
		return
	}
	r.mu.Lock()
	if r.sink != nil { // started by another goroutine meanwhile
		r.mu.Unlock()
		stop()
		leave()
		return
	}
	remote := r.remote
	s.blocks = r.theirs.Clone()
	s.nextID, s.late = r.lastID, r.late
	r.sink = &sink{session: s, stop: stop, leave: leave}
	if what == toTake {
		r.sink.objects, _ = s.openObjects() // fails if it is open for the other direction
	}
	if r.sink.objects == nil {
		s.undecided = time.Time{}
	}
	r.mu.Unlock()
	f.events <- event{session: s, opened: true}
	f.events <- event{session: s, sync: &remote}
	r.conn.sinks.Go(func() {
		switch what {
		case toTake:
			r.endOf(ctx, s, f.finish(ctx, f.loop(ctx)), true)
		case toFollow:
			err := r.asking(ctx, f, r.goOver)
			r.endOf(ctx, s, err, err != nil) // without an error its blocks are taken next
		case toHear:
			r.endOf(ctx, s, r.asking(ctx, f, r.hear), true)
		case toCompare:
			r.endOf(ctx, s, r.asking(ctx, f, r.compare), false)
		}
	})
}

// offers reports whether the reader has announced something that is not here.
func (r *reader) offers() bool {
	snapshot, held := r.core.current()
	head := headOf(snapshot)
	complete := head.Length == 0 || len(held) == 1 && held[0] == span{0, head.Length}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.sink != nil || r.exhausted || r.remote.Length == 0:
		return false
	case r.remote.Fork != head.Fork:
		return r.remote.Fork > head.Fork || head.Length == 0
	case r.remote.Length > head.Length:
		return true
	}
	return !complete && !r.theirs.Empty()
}

// follows reports whether the reader has the core at a higher fork that we are to follow.
func (r *reader) follows() bool {
	snapshot, _ := r.core.current()
	head := headOf(snapshot)
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.conn.server.options.FollowForks && head.Length > 0 && r.remote.Fork > head.Fork && !hypercore.Owned(r.conn.server.store, r.core.key)
}

// newSink returns a fetcher that takes blocks or, for other errands, asks for the head and its tree and keeps nothing.
func (r *reader) newSink(ctx context.Context, what errand) (*fetcher, *session, error) {
	server := r.conn.server
	if what == toTake {
		if err := server.store.Sync(ctx, r.core.key); err != nil {
			return nil, nil, err
		}
	}
	into := hypercore.DownloadOptions{Store: server.store, Sync: true}
	options := FetchOptions{Trace: server.options.Trace, keep: true, maxBytes: server.options.MaxBytes}
	if what != toTake {
		into, options.keep, options.Claim = hypercore.DownloadOptions{}, false, proof.Claim{Kind: proof.KindHead}
	}
	d, err := hypercore.NewDownload(ctx, r.core.key, into)
	if err != nil {
		return nil, nil, err
	}
	f := newFetcher(d, options)
	s := f.add(ctx, r.conn.name)
	s.mux, s.channel, s.read, s.link, s.adopted = r.conn.mux, r.channel, r.conn.read, r.link, true
	s.held = r.conn.full
	return f, s, nil
}

// asking calls do once the head has arrived, and lets it ask for nodes of its tree.
func (r *reader) asking(ctx context.Context, f *fetcher, do func(ctx context.Context, d *hypercore.Download) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var asking sync.WaitGroup
	var askErr error
	asking.Go(func() {
		askErr = f.loop(ctx)
		f.d.Finish(askErr)
	})
	_, err := f.d.Head(ctx)
	if err == nil {
		err = do(ctx, f.d)
	}
	stop()
	asking.Wait()
	return worse(err, askErr)
}

// goOver cuts our copy back to what it shares with the reader's log, and takes over the reader's head. The next sink takes
// its blocks.
func (r *reader) goOver(ctx context.Context, d *hypercore.Download) error {
	view, err := r.conn.server.store.View(ctx, r.core.key, false)
	if err != nil {
		return err
	}
	proved := d.Proved()
	if proved.Head.Fork <= view.Head().Fork {
		return nil // another reader was faster
	}
	common, err := hypercore.Common(ctx, view, proved.Head.Length, d.Hash)
	if err != nil {
		return err
	}
	if err := hypercore.Follow(ctx, r.conn.server.store, view, proved, common); err != nil {
		return err
	}
	return r.core.refresh(r.conn.ctx)
}

// hear passes the reader's head to Guard. An error of Guard does not concern the reader.
func (r *reader) hear(ctx context.Context, d *hypercore.Download) error {
	proved := d.Proved()
	if proved.Head.Length == 0 { // it proved none
		return nil
	}
	r.core.heard(proved.Head)
	r.conn.server.failed(ctx, r.conn.server.options.Guard(ctx, proved))
	return nil
}

// maxHearings is how often a connection is asked to prove a head that it announced, for one core.
const maxHearings = 16

// outruns reports whether to ask the reader for its head: it announces a longer log than ours, or a higher fork, and nothing
// newer is known.
func (r *reader) outruns() bool {
	snapshot, _ := r.core.current()
	beyond := r.core.newestHeard(headOf(snapshot))
	r.mu.Lock()
	defer r.mu.Unlock()
	longer := r.remote.Fork > beyond.Fork || r.remote.Fork == beyond.Fork && r.remote.Length > beyond.Length
	if r.sink != nil || r.exhausted || beyond.Length == 0 || r.remote.Length == 0 || !longer || r.hearings >= maxHearings {
		return false
	}
	r.hearings++
	return true
}

// endOf ends a sink: there is nothing more to take, which exhausts the peer for now, or the peer was dropped, or the channel
// closed.
func (r *reader) endOf(ctx context.Context, s *session, err error, exhausted bool) {
	if s.dropped {
		err = s.reason
	}
	r.mu.Lock()
	leave := r.sink.leave
	r.sink.stop()
	if r.sink.objects != nil {
		r.sink.objects.Close()
	}
	r.sink, r.exhausted = nil, exhausted
	r.lastID, r.late = s.nextID, s.late
	for id := range s.requests {
		if r.late == nil {
			r.late = map[uint64]bool{}
		}
		r.late[id] = true
	}
	r.mu.Unlock()
	leave()
	if ctx.Err() != nil && err == nil {
		return
	}
	var seen *hypercore.SeenError
	switch {
	case errors.As(err, &seen) && seen.Owned:
		r.conn.disown(seen)
	case errors.Is(err, store.ErrLocked), errors.Is(err, store.ErrOvertaken): // by another process; the peer may try again
		r.conn.server.failed(r.conn.ctx, err)
		r.conn.mux.Close(err)
	case err != nil:
		r.conn.mux.Close(err)
	}
}

// endSink stops the sink when the channel closes.
func (r *reader) endSink() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sink != nil {
		r.sink.stop()
	}
}

// enterSink counts one more sink of the core, for a signer or for another peer, if there is a place for it.
func (s *Server) enterSink(core *servedCore, signer bool) (leave func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case signer && s.signers < maxSigners:
		s.signers++
		return func() { s.leaveSink(func() { s.signers-- }) }, true
	case s.sinks >= maxSinks || core.sinks >= maxCoreSinks:
		return nil, false
	}
	s.sinks++
	core.sinks++
	return func() {
		s.leaveSink(func() {
			s.sinks--
			core.sinks--
		})
	}, true
}

// leaveSink counts one less, and lets waiting readers start theirs.
func (s *Server) leaveSink(countOff func()) {
	s.mu.Lock()
	countOff()
	cores := make([]*servedCore, 0, len(s.cores))
	for _, other := range s.cores {
		cores = append(cores, other)
	}
	s.mu.Unlock()
	for _, other := range cores {
		for _, r := range other.listeners() {
			if !r.tracks {
				continue
			}
			r.conn.tryEnqueue(job{reader: r, do: func() error { r.startSink(); return nil }}) // a peer with a full queue has to announce again
		}
	}
}
