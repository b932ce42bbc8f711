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

// Limits of what peers make us remember.
const (
	maxSought = 1024 // vain questions that are remembered

	// strangerMessage is how many bytes a message has of a peer who has not proved to know the key of a core that is here: room for the opens
	// of all channels that it may have, which stock sends in one.
	strangerMessage = 512 << 10

	maxFrames   = 256 << 20 // bytes of long frames that are coming, over all connections
	maxHoldings = 128 << 20 // bytes of what all readers are known to have, beyond what most logs need
)

// serverConn is the server's side of one connection. What is to be sent is made and sent by one goroutine, in order, so
// that a peer that does not read holds up nobody but itself, and costs the memory of one answer, or of some that go together.
type serverConn struct {
	server        *Server
	name          string
	mux           *protomux.Mux
	secret        *secretstream.Conn
	handshakeHash [64]byte
	initiator     bool
	ctx           context.Context
	place         *place        // nil: we made the connection
	goal          *goal         // what the peer is to have; nil: nobody waits for that
	failure       chan error    // of a push: why it cannot go on; nil: it is no push
	doubts        atomic.Int64  // of a push: cores that the peer has not said to take
	heard         atomic.Int64  // messages of readers
	read          *atomic.Int64 // bytes that came
	work          chan struct{} // holds a token while there may be something to do
	sinks         sync.WaitGroup
	answers       answers.Batch // the answering goroutine's own

	mu       sync.Mutex            // guards all below
	withheld map[keys.Key]bool     // discovery keys of what a push does not show before its length is reserved
	granters map[keys.Key]*granter // of cores that the peer may reserve
	sought   map[keys.Key]bool     // discovery keys that were asked for and are not here (yet)
	news     []*reader             // those that have to be told of the newest state; goes before jobs
	jobs     jobs
	room     chan struct{} // closed when there is room for another job; nil: nobody waits for that
}

func (c *serverConn) link(key keys.Key) link {
	return link{key: key, handshakeHash: c.handshakeHash, initiator: c.initiator}
}

// pair answers an open that we did not ask for: with our own, if the core is here. Otherwise it is rejected, and opened
// from our side should the core come to be.
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

// proved notes that the peer has proved to know the key of a core that is here, on a channel that it has opened. The read loop calls it.
func (c *serverConn) proved() {
	c.place.opened()
	c.secret.LimitMessages(secretstream.MaxMessage)
}

// openPublish lets a signer reserve a length, if we accept the core.
func (c *serverConn) openPublish(id keys.Key) {
	core, err := c.server.take(c.ctx, id)
	if err != nil {
		return // and the peer is told that nobody is here
	}
	g := &granter{conn: c, core: core, link: c.link(core.key)}
	if core.accepted {
		_, err = c.mux.Open(publish.Protocol, id[:], g.link.capability(), g)
	}
	if !core.accepted || err != nil {
		c.server.leave(core)
	}
}

// open opens a core's channel if the core is here, else it remembers that it is sought.
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

// retry opens the cores that were sought in vain and are here now.
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

// tell has a reader told of the core's newest state. It never waits.
func (c *serverConn) tell(r *reader) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !r.hasNews {
		r.hasNews = true
		c.news = append(c.news, r)
	}
	c.wake()
}

// enqueue has a job done behind those that wait. While there are too many it holds up the reading of what the peer says, which
// the peer feels as a connection that takes no more bytes. Who asks and does not read what is answered is dropped by the mux.
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

// tryEnqueue returns nil if it has taken the job, else what is closed when there is room for it.
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

// full reports whether there was no room for a job, and is none yet: what the peer says behind it is not read.
func (c *serverConn) full() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.room != nil
}

// makeRoom lets those go on that wait for room, if there is some. c.mu is held.
func (c *serverConn) makeRoom() {
	if c.room != nil && !c.jobs.full() {
		close(c.room)
		c.room = nil
	}
}

// cancel takes back a request, if it was not answered yet.
func (c *serverConn) cancel(r *reader, id uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.jobs.cancel(r, id)
	c.makeRoom()
}

// forget takes back all that a reader asked for.
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

// answer tells news and answers requests until the connection ends, or drops the peer.
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

// next returns what is to be done next, nil if that is nothing.
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

// behindAnswers has what is gathered of answers sent first.
func (c *serverConn) behindAnswers(do func() error) func() error {
	return func() error {
		if err := c.answers.Flush(); err != nil && !errors.Is(err, protomux.ErrClosed) {
			return err
		}
		return do()
	}
}
