package secretstream

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"

	"github.com/flynn/noise"

	"hc/lib/budget"
	"hc/lib/hash"
	"hc/lib/lent"
)

// Lengths in bytes of the handshake's messages and of the header message after them.
const (
	sizeE         = pointSize
	sizeEES       = pointSize + (pointSize + macSize) + macSize
	sizeS         = pointSize + macSize + macSize
	streamIDSize  = hash.Size
	headerMessage = streamIDSize + headerSize
)

var suite = noise.NewCipherSuite(curve{}, noise.CipherChaChaPoly, noise.HashBLAKE2b)

// The namespaces of stream ids.
var (
	namespaceInitiator = hash.Namespace("hyperswarm/secret-stream", 0)
	namespaceResponder = hash.Namespace("hyperswarm/secret-stream", 1)
)

// Options says who we are in a handshake. The zero value is a responder with new keys.
type Options struct {
	Initiator bool
	Static    *[32]byte      // seed of our static Ed25519 key pair; nil: a new one
	Rand      io.Reader      // seeds and the header are read from it, in the order static (if new), ephemeral, header; nil: crypto/rand
	Memory    *lent.Pool     // memory to read into, see Conn.Own; nil: messages cannot be kept
	Long      *budget.Budget // for incoming frames over 512 KiB, shared by connections: see [ErrSlow]; nil: no limit

	// Shaken is called once when the handshake is over, or has failed. If it is set, an initiator does not wait a round trip for
	// the peer's header, as it can write without that. Its first ReadMessage waits instead, as a part of the handshake.
	Shaken func()
}

// Handshake makes an encrypted connection over rw, which it owns from now on and closes on an error. If ctx ends before the
// handshake does, rw is closed, too. Errors wrap [ErrHandshake], and the cause: that of ctx, the error of rw, or
// [io.ErrUnexpectedEOF] if the peer hung up.
func Handshake(ctx context.Context, rw io.ReadWriteCloser, opt Options) (*Conn, error) {
	c := newConn(rw, opt.Memory)
	c.reader.ration(c.ctx, opt.Long, c.tooSlow)
	stop := context.AfterFunc(ctx, func() { c.Close() })
	c.shaken = func(err error) error {
		if !stop() {
			err = context.Cause(ctx)
		}
		if opt.Shaken != nil {
			opt.Shaken()
		}
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			c.Close()
			return fmt.Errorf("%w: %w", ErrHandshake, err)
		}
		return nil
	}
	err := c.handshake(opt)
	if errors.Is(err, io.ErrClosedPipe) {
		err = c.lastWords(err)
	}
	if err == nil && opt.Initiator && opt.Shaken != nil {
		return c, nil
	}
	err = c.shaken(err)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// lastWords turns the error of a write to a peer that is gone into that of a read, which may say why, as the exit status of
// a command does.
func (c *Conn) lastWords(err error) error {
	if _, why := c.reader.next(0, maxFrame); why != nil {
		return why
	}
	return err
}

func (c *Conn) handshake(opt Options) error {
	if opt.Rand == nil {
		opt.Rand = rand.Reader
	}
	static, err := staticKey(opt)
	if err != nil {
		return err
	}
	state, err := noise.NewHandshakeState(noise.Config{CipherSuite: suite, Random: opt.Rand,
		Pattern: noise.HandshakeXX, Initiator: opt.Initiator, StaticKeypair: static})
	if err != nil {
		return err
	}
	keys, err := c.exchange(state, opt.Initiator)
	if err != nil {
		return err
	}
	c.initiator = opt.Initiator
	copy(c.hash[:], state.ChannelBinding())
	copy(c.remote[:], state.PeerStatic())
	if err := c.sendHeader(keys, opt.Rand); err != nil || c.initiator && opt.Shaken != nil {
		return err
	}
	return c.receiveHeader()
}

func staticKey(opt Options) (noise.DHKey, error) {
	if opt.Static == nil {
		return curve{}.GenerateKeypair(opt.Rand)
	}
	seed := *opt.Static
	return keyPair(seed[:]), nil
}

// exchange runs the three messages of XX and returns the keys of the initiator's and of the responder's direction.
func (c *Conn) exchange(state *noise.HandshakeState, initiator bool) (keys [2][32]byte, err error) {
	sending := initiator
	for _, size := range [...]int{sizeE, sizeEES, sizeS} {
		var first, second *noise.CipherState
		if sending {
			first, second, err = c.sendHandshake(state)
		} else {
			first, second, err = c.receiveHandshake(state, size)
		}
		if err != nil {
			return keys, err
		}
		if first != nil {
			keys = [2][32]byte{first.UnsafeKey(), second.UnsafeKey()}
		}
		sending = !sending
	}
	return keys, nil
}

func (c *Conn) sendHandshake(state *noise.HandshakeState) (first, second *noise.CipherState, err error) {
	message, first, second, err := state.WriteMessage(nil, nil)
	if err != nil {
		return nil, nil, err
	}
	c.writer.raw(message)
	if first != nil {
		return first, second, nil // it is sent with the header message
	}
	return nil, nil, c.writer.flush()
}

func (c *Conn) receiveHandshake(state *noise.HandshakeState, size int) (first, second *noise.CipherState, err error) {
	frame, err := c.reader.next(size, size)
	if err != nil {
		return nil, nil, err
	}
	payload, first, second, err := state.ReadMessage(nil, frame[scratch:])
	if err == nil && len(payload) > 0 {
		return nil, nil, errors.New("a payload where none belongs")
	}
	return first, second, err
}

// sendHeader sends our header message, which begins our direction's secretstream.
func (c *Conn) sendHeader(keys [2][32]byte, random io.Reader) error {
	local := namespaceResponder
	outKey := keys[1]
	c.inKey = keys[0]
	if c.initiator {
		local = namespaceInitiator
		outKey, c.inKey = c.inKey, outKey
	}
	id := hash.Keyed(c.hash[:], local[:])
	message := append(id[:], make([]byte, headerSize)...)
	if _, err := io.ReadFull(random, message[streamIDSize:]); err != nil {
		return err
	}
	c.out = newSealer(outKey[:], message[streamIDSize:])
	c.writer.raw(message)
	return c.writer.flush()
}

// receiveHeader waits for the peer's header message, which begins the other direction's.
func (c *Conn) receiveHeader() error {
	frame, err := c.reader.next(headerMessage, headerMessage)
	if err != nil {
		return err
	}
	remote := namespaceInitiator
	if c.initiator {
		remote = namespaceResponder
	}
	received := frame[scratch:]
	id := hash.Keyed(c.hash[:], remote[:])
	if subtle.ConstantTimeCompare(received[:streamIDSize], id[:]) != 1 {
		return errors.New("wrong stream id")
	}
	c.in = newSealer(c.inKey[:], received[streamIDSize:])
	return nil
}
