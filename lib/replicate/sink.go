package replicate

import (
	"context"
	"errors"

	"hc/lib/hypercore"
	"hc/lib/store"
)

// How many peers at once a mirror takes blocks from. Others wait: what they bring is most often the same.
const (
	maxSinks     = 8 // over all cores
	maxCoreSinks = 2 // of one core, so that a peer that is slow to give what it announced does not hold up the next
)

// sink takes a core that we accept from a peer that came to us with it.
type sink struct {
	session *session
	stop    context.CancelFunc
}

// startSink begins to take what the reader has, if that is more than what is here and there is room for one more.
func (r *reader) startSink() {
	if !r.core.accepted || !r.offers() || !r.conn.server.enterSink(r.core) {
		return
	}
	ctx, stop := context.WithCancel(r.conn.ctx)
	f, s, err := r.newSink(ctx)
	if err != nil {
		r.conn.server.failed(ctx, err)
		stop()
		r.conn.server.leaveSink(r.core)
		return
	}
	r.mu.Lock()
	if r.sink != nil { // begun by another goroutine meanwhile
		r.mu.Unlock()
		stop()
		r.conn.server.leaveSink(r.core)
		return
	}
	remote := r.remote
	s.blocks = r.theirs.clone()
	r.sink = &sink{session: s, stop: stop}
	r.mu.Unlock()
	f.events <- event{session: s, opened: true}
	f.events <- event{session: s, sync: &remote}
	r.conn.sinks.Go(func() { r.fill(ctx, f) })
}

// offers reports whether the reader says that it has something that is not here.
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
	return !complete && (r.theirs.prefix > 0 || len(r.theirs.pages) > 0)
}

func (r *reader) newSink(ctx context.Context) (*fetcher, *session, error) {
	server := r.conn.server
	if err := server.store.Sync(ctx, r.core.key); err != nil {
		return nil, nil, err
	}
	d, err := hypercore.NewDownload(ctx, r.core.key, hypercore.DownloadOptions{Store: server.store, Sync: true})
	if err != nil {
		return nil, nil, err
	}
	f := newFetcher(d, FetchOptions{Trace: server.options.Trace, keep: true, maxBytes: server.options.MaxBytes})
	s := f.add(ctx, r.conn.name)
	s.mux, s.channel, s.read, s.adopted = r.conn.mux, r.channel, r.conn.read, true
	return f, s, nil
}

// fill runs a sink until there is nothing more to take, the peer is dropped, or the channel closes.
func (r *reader) fill(ctx context.Context, f *fetcher) {
	s := f.sessions[0]
	err := f.finish(ctx, f.loop(ctx))
	if s.dropped {
		err = s.reason
	}
	r.mu.Lock()
	r.sink.stop()
	r.sink, r.exhausted = nil, true
	r.mu.Unlock()
	r.conn.server.leaveSink(r.core)
	if ctx.Err() != nil && err == nil {
		return
	}
	switch {
	case errors.Is(err, store.ErrLocked), errors.Is(err, store.ErrOvertaken): // by another process; the peer may try again
		r.conn.server.failed(r.conn.ctx, err)
		r.conn.mux.Close(err)
	case err != nil:
		r.conn.mux.Close(err)
	}
}

// endSink ends the sink with the channel.
func (r *reader) endSink() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sink != nil {
		r.sink.stop()
	}
}

// enterSink counts one more sink of the core, if there may be one.
func (s *Server) enterSink(core *servedCore) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sinks >= maxSinks || core.sinks >= maxCoreSinks {
		return false
	}
	s.sinks++
	core.sinks++
	return true
}

// leaveSink takes one off, and lets others begin that had to wait.
func (s *Server) leaveSink(core *servedCore) {
	s.mu.Lock()
	s.sinks--
	core.sinks--
	cores := make([]*servedCore, 0, len(s.cores))
	for _, other := range s.cores {
		if other.accepted {
			cores = append(cores, other)
		}
	}
	s.mu.Unlock()
	for _, other := range cores {
		for _, r := range other.listeners() {
			_ = r.conn.enqueue(job{reader: r, do: func() error { r.startSink(); return nil }}) // a peer that floods has to ask again
		}
	}
}
