package replicate

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"hc/lib/keys"
	"hc/lib/objects"
	"hc/lib/protomux"
	"hc/lib/replicate/answers"
	"hc/lib/replicate/messages"
	"hc/lib/replicate/publish"
	"hc/lib/secretstream"
	"hc/lib/store"
)

// Limits on what peers can make us remember.
const (
	maxSought = 1024 // cores that a peer asked for and that are not here

	// strangerMessage is the most bytes of a message from a peer that has not proved yet that it knows the key of a core
	// here. It has room for opening all channels that a peer may have, which stock does in one message.
	strangerMessage = 512 << 10

	maxFrames   = 256 << 20 // bytes of long incoming frames, over all connections
	maxHoldings = 128 << 20 // bytes to record what all readers have, beyond what most logs need
)

// serverConn is the server's side of one connection. One goroutine makes all answers and sends them in order. So a peer
// that does not read holds up only itself, and costs the memory of one answer, or of a few that are sent together.
type serverConn struct {
	server        *Server
	name          string
	mux           *protomux.Mux
	secret        *secretstream.Conn
	handshakeHash [64]byte
	initiator     bool
	ctx           context.Context
	place         *place        // nil: we made the connection
	goal          *goal         // what the peer is to have; nil: nobody waits for it
	failure       chan error    // of a push: why it cannot continue; nil: it is no push
	doubts        atomic.Int64  // of a push: cores that the peer has not said it takes
	heard         atomic.Int64  // messages from readers
	read          *atomic.Int64 // bytes received
	work          chan struct{} // holds a token while there may be something to do
	sinks         sync.WaitGroup
	answers       answers.Batch // belongs to the answering goroutine
	tookLong      bool          // the peer took a long answer; likewise

	mu       sync.Mutex            // guards all below
	withheld map[keys.Key]bool     // discovery keys of cores that a push does not show until their length is reserved
	granters map[keys.Key]*granter // of cores that the peer may reserve
	sought   map[keys.Key]bool     // discovery keys that were asked for and are not here (yet)
	news     []*reader             // those to be told of the newest state; they go before jobs
	jobs     jobs
	room     chan struct{} // closed when there is room for another job; nil: nobody waits for it
}

func (c *serverConn) link(key keys.Key) link {
	return link{key: key, handshakeHash: c.handshakeHash, initiator: c.initiator}
}

// pair answers an open by the peer: with our own, if the core is here. Otherwise it is rejected, and we open the channel
// ourselves should the core be created later.
func (c *serverConn) pair(protocol string, id, _ []byte) {
	switch {
	case len(id) != keys.Size:
	case protocol == messages.Protocol:
		c.open(keys.Key(id))
	case protocol == objects.Protocol:
		c.openObjects(keys.Key(id))
	case protocol == publish.Protocol:
		c.openPublish(keys.Key(id))
	}
}

// proved notes that the peer has proved, on a channel it opened, that it knows the key of a core here. The read loop
// calls it.
func (c *serverConn) proved() {
	c.place.opened()
	c.secret.LimitMessages(secretstream.MaxMessage)
}

// openPublish lets a signer reserve a length, if we accept the core.
func (c *serverConn) openPublish(id keys.Key) {
	core, err := c.server.take(c.ctx, id)
	if err != nil {
		return // and the peer's open is rejected
	}
	g := &granter{conn: c, core: core, link: c.link(core.key)}
	if core.accepted {
		_, err = c.mux.Open(publish.Protocol, id[:], g.link.capability(), g)
	}
	if !core.accepted || err != nil {
		c.server.leave(core)
	}
}

// open opens a core's channel if the core is here, and otherwise remembers that it is sought.
func (c *serverConn) open(id keys.Key) {
	c.mu.Lock()
	withheld := c.withheld[id]
	c.mu.Unlock()
	if withheld {
		return
	}
	core, err := c.server.take(c.ctx, id)
	c.mu.Lock()
	if errors.Is(err, store.ErrNotFound) && len(c.sought) < maxSought {
		c.sought[id] = true
	} else if err == nil {
		delete(c.sought, id)
	}
	c.mu.Unlock()
	switch {
	case errors.Is(err, store.ErrNotFound):
		return
	case err != nil: // a core that cannot be read is no reason to refuse others
		c.server.failed(c.ctx, err)
		return
	}
	_ = c.openChannel(id, core) // it is open already, or the connection is over
}

// openChannel opens a core's channel, or gives the core back.
func (c *serverConn) openChannel(id keys.Key, core *servedCore) error {
	r := &reader{conn: c, core: core, link: c.link(core.key)}
	_, err := c.mux.Open(messages.Protocol, id[:], r.link.open(), r)
	if err != nil {
		c.server.leave(core)
	}
	return err
}

// retry opens the cores that were not here when they were asked for, and are now.
func (c *serverConn) retry(ctx context.Context) {
	c.mu.Lock()
	sought := make([]keys.Key, 0, len(c.sought))
	for id := range c.sought {
		sought = append(sought, id)
	}
	c.mu.Unlock()
	for _, id := range sought {
		if _, err := c.server.key(ctx, id); err == nil {
			c.open(id)
		}
	}
}

// tell schedules a reader to be told the core's newest state. It never waits.
func (c *serverConn) tell(r *reader) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !r.hasNews {
		r.hasNews = true
		c.news = append(c.news, r)
	}
	c.wake()
}

// enqueue puts a job at the end of the queue. While the queue is full, nothing more is read from the peer, whose writes
// then block. A peer that asks and does not read the answers is dropped by the mux.
func (c *serverConn) enqueue(j job) error {
	for {
		room := c.tryEnqueue(j)
		if room == nil {
			return nil
		}
		select {
		case <-room:
		case <-c.ctx.Done():
			return c.ctx.Err()
		}
	}
}

// tryEnqueue returns nil if it has taken the job, else a channel that is closed when there is room for it.
func (c *serverConn) tryEnqueue(j job) (room <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.jobs.full() {
		if c.room == nil {
			c.room = make(chan struct{})
		}
		return c.room
	}
	c.jobs.add(j)
	c.wake()
	return nil
}

// full reports whether a job is waiting for room: nothing more is read from the peer until it has some.
func (c *serverConn) full() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.room != nil
}

// makeRoom wakes those that wait for room, if there is some. c.mu is held.
func (c *serverConn) makeRoom() {
	if c.room != nil && !c.jobs.full() {
		close(c.room)
		c.room = nil
	}
}

// cancel withdraws a request, if it has not been answered yet.
func (c *serverConn) cancel(r *reader, id uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.jobs.cancel(r, id)
	c.makeRoom()
}

// forget withdraws everything that a reader asked for.
func (c *serverConn) forget(r *reader) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.jobs.forget(r)
	c.makeRoom()
	c.news = slices.DeleteFunc(c.news, func(other *reader) bool { return other == r })
}

// wake lets the answering goroutine look. c.mu is held.
func (c *serverConn) wake() {
	select {
	case c.work <- struct{}{}:
	default:
	}
}

// answer announces news and answers requests until the connection ends. On an error it drops the peer.
func (c *serverConn) answer() {
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-c.work:
		}
		for more := true; more && c.ctx.Err() == nil; {
			do := c.next()
			more = do != nil
			if !more {
				do = c.answers.Flush
			}
			if err := do(); err != nil && !errors.Is(err, protomux.ErrClosed) && c.ctx.Err() == nil {
				c.mux.Close(err)
				return
			}
		}
	}
}

// next returns the next thing to do, nil if there is none.
func (c *serverConn) next() func() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.news) > 0 {
		r := c.news[0]
		r.hasNews = false
		c.news = slices.Delete(c.news, 0, 1)
		return c.behindAnswers(r.tellNews)
	}
	j := c.jobs.next()
	if j == nil {
		return nil
	}
	c.makeRoom()
	if j.want != nil {
		return c.behindAnswers(func() error { return j.reader.showHeld(*j.want) })
	}
	if j.do != nil {
		return c.behindAnswers(j.do)
	}
	return func() error { return j.reader.reply(j.request) }
}

// behindAnswers wraps do so that the answers gathered so far are sent first.
func (c *serverConn) behindAnswers(do func() error) func() error {
	return func() error {
		if err := c.answers.Flush(); err != nil && !errors.Is(err, protomux.ErrClosed) {
			return err
		}
		return do()
	}
}
