package protomux

import (
	"errors"
	"fmt"
	"io"
)

// readLoop reads messages and calls their handlers until the connection ends, and returns why. Nothing else calls handlers;
// see inReadLoop.
//
//go:noinline
func (m *Mux) readLoop() error {
	for frame := uint64(1); ; {
		message, err := m.conn.ReadMessage()
		if err == io.EOF {
			return err
		}
		if err != nil {
			return fmt.Errorf("frame %d: %w", frame, err)
		}
		if len(message) == 0 {
			continue
		}
		if err := decode(message, m.handle); err != nil {
			return &DropError{Frame: frame, Err: err}
		}
		frame++
	}
}

// handle handles one message. Its error drops the peer.
func (m *Mux) handle(channel, typ uint64, body []byte, more bool) error {
	m.more = more
	if channel != control {
		return m.handleMessage(channel, typ, body)
	}
	switch typ {
	case controlOpen:
		return m.handleOpen(body)
	case controlReject:
		return m.handleReject(body)
	case controlClose:
		return m.handleClose(body)
	}
	return nil
}

func (m *Mux) handleMessage(number, typ uint64, body []byte) error {
	m.mu.Lock()
	c := m.table.of(number)
	deaf := m.closed() != nil
	m.mu.Unlock()
	if c == nil || deaf {
		return nil // it was on its way when the channel was closed
	}
	if err := c.handler.OnMessage(c, typ, body); err != nil && !errors.Is(err, ErrClosed) {
		return fmt.Errorf("%s: message of type %d: %w", c.address.protocol, typ, err)
	}
	return nil
}

func (m *Mux) handleOpen(body []byte) error {
	o, err := decodeOpen(body)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	m.mu.Lock()
	if m.closed() != nil {
		m.mu.Unlock()
		return nil
	}
	c, offered, err := m.table.opened(o)
	m.mu.Unlock()
	if err == nil && offered {
		c = m.pairOrReject(o)
	}
	if err != nil || c == nil {
		return err
	}
	if err := c.handler.OnOpen(c, o.handshake); err != nil && !errors.Is(err, ErrClosed) {
		return fmt.Errorf("%s: open: %w", c.address.protocol, err)
	}
	return nil
}

// pairOrReject asks the hook about an open that answers none of ours.
func (m *Mux) pairOrReject(o opening) *Channel {
	m.mu.Lock()
	m.table.offer = &offer{number: o.number, address: o.address}
	full := m.table.accepted >= m.opt.Channels
	m.mu.Unlock()
	if m.pair != nil && !full {
		m.pair(o.address.protocol, []byte(o.address.id), o.handshake)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.table.offer.channel
	m.table.offer = nil
	if c == nil {
		m.push(outgoing{bytes: encodeNumber(controlReject, o.number)})
	} else if c.closed {
		return nil
	}
	return c
}

func (m *Mux) handleReject(body []byte) error {
	number, err := decodeNumber(body)
	if err != nil {
		return fmt.Errorf("reject: %w", err)
	}
	m.mu.Lock()
	c, err := m.table.rejected(number)
	m.room.Broadcast()
	m.mu.Unlock()
	if c != nil {
		c.handler.OnClose(c, ErrRejected)
	}
	return err
}

func (m *Mux) handleClose(body []byte) error {
	number, err := decodeNumber(body)
	if err != nil {
		return fmt.Errorf("close: %w", err)
	}
	m.mu.Lock()
	c := m.table.of(number)
	if c != nil {
		m.table.close(c)
		m.room.Broadcast()
	}
	m.mu.Unlock()
	if c != nil {
		c.handler.OnClose(c, nil)
	}
	return nil
}
