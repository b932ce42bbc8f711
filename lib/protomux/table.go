package protomux

import "fmt"

// maxNumbers is how many numbers a peer may use: each takes 8 bytes here, even if its channel was rejected.
const maxNumbers = 1 << 16

// A table maps numbers to channels. Mux.mu guards it.
type table struct {
	limit int                  // channels that each side may have
	open  map[address]*Channel // ours that are not closed
	local []*Channel           // by our number less 1; nil: closed
	free  []uint64             // our numbers that the peer knows are closed, the one freed last at the end

	// Our opens that the peer has not answered yet by an open or a reject. This includes channels that we have closed
	// meanwhile, since their numbers are not free until the answer.
	unanswered map[address][]uint64
	asked      map[uint64]address

	remote   []*Channel // by the peer's number less 1; nil: not open
	accepted int        // how many of remote are not nil
	offer    *offer     // the open that the pair hook is being asked about
}

// An offer is the peer's open of a channel that we have not opened.
type offer struct {
	number  uint64
	address address
	channel *Channel // set by an Open that takes it
}

func newTable(limit int) table {
	return table{limit: limit, open: map[address]*Channel{}, unanswered: map[address][]uint64{}, asked: map[uint64]address{}}
}

// add gives a new channel of ours its number. If an offer waits for it, it takes that.
func (t *table) add(c *Channel) error {
	if t.open[c.address] != nil {
		return ErrOpen
	}
	if n := len(t.free); n > 0 {
		c.local = t.free[n-1]
		t.free = t.free[:n-1]
	} else {
		if len(t.local) >= t.limit {
			return ErrTooMany
		}
		t.local = append(t.local, nil)
		c.local = uint64(len(t.local))
	}
	t.local[c.local-1] = c
	t.open[c.address] = c
	if o := t.offer; o != nil && o.channel == nil && o.address == c.address {
		o.channel = c
		t.join(c, o.number)
		return nil
	}
	t.unanswered[c.address] = append(t.unanswered[c.address], c.local)
	t.asked[c.local] = c.address
	return nil
}

// join assigns the peer's number to a channel.
func (t *table) join(c *Channel, number uint64) {
	c.remote = number
	t.remote[number-1] = c
	t.accepted++
}

// opened takes an open of the peer's. If it answers one of ours, c is that channel (nil if we have closed it), else it is
// an offer.
func (t *table) opened(o opening) (c *Channel, offered bool, err error) {
	if o.number == uint64(len(t.remote))+1 && o.number <= maxNumbers {
		t.remote = append(t.remote, nil)
	}
	switch {
	case o.number == 0 || o.number > uint64(len(t.remote)):
		return nil, false, fmt.Errorf("open of channel %d, after %d", o.number, len(t.remote))
	case t.remote[o.number-1] != nil:
		return nil, false, fmt.Errorf("open of channel %d, which is open", o.number)
	}
	waiting := t.unanswered[o.address]
	if len(waiting) == 0 {
		return nil, true, nil
	}
	number := waiting[0]
	t.answered(number)
	c = t.local[number-1]
	if c == nil {
		t.free = append(t.free, number)
		return nil, false, nil
	}
	t.join(c, o.number)
	return c, false, nil
}

// answered removes an open of ours from the unanswered ones.
func (t *table) answered(number uint64) {
	a := t.asked[number]
	delete(t.asked, number)
	waiting := t.unanswered[a]
	if len(waiting) == 1 {
		delete(t.unanswered, a)
		return
	}
	for i, n := range waiting {
		if n == number {
			t.unanswered[a] = append(waiting[:i], waiting[i+1:]...)
			return
		}
	}
}

// rejected takes a reject of the peer's, and returns the channel (nil if we have closed it).
func (t *table) rejected(number uint64) (*Channel, error) {
	if _, ok := t.asked[number]; !ok {
		return nil, fmt.Errorf("reject of channel %d, which waits for no answer", number)
	}
	t.answered(number)
	c := t.local[number-1]
	if c != nil {
		t.remove(c)
	}
	t.free = append(t.free, number)
	return c, nil
}

// of returns the channel for a number of the peer's, or nil.
func (t *table) of(number uint64) *Channel {
	if number == 0 || number > uint64(len(t.remote)) {
		return nil
	}
	return t.remote[number-1]
}

// close removes a channel, by our close or the peer's. Our number becomes free if the peer has opened the channel, too.
func (t *table) close(c *Channel) {
	if c.remote != 0 {
		t.remote[c.remote-1] = nil
		t.accepted--
		t.free = append(t.free, c.local)
	}
	t.remove(c)
}

func (t *table) remove(c *Channel) {
	c.closed = true
	t.local[c.local-1] = nil
	delete(t.open, c.address)
}
