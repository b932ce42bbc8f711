package replicate

import (
	"bytes"
	"fmt"

	"hc/lib/hash"
	"hc/lib/keys"
	"hc/lib/replicate/messages"
)

var (
	initiatorNamespace = hash.Namespace("hypercore", 1)
	responderNamespace = hash.Namespace("hypercore", 2)
)

// capability proves to the other end of this connection that the sender knows the core's key, not only its discovery
// key. Source: hypercore, lib/replicator.js.
func capability(handshakeHash [64]byte, key keys.Key, initiator bool) [32]byte {
	namespace := responderNamespace
	if initiator {
		namespace = initiatorNamespace
	}
	return hash.Keyed(handshakeHash[:], namespace[:], key[:])
}

// link is what both roles share of one core's channel on one connection.
type link struct {
	key           keys.Key
	handshakeHash [64]byte
	initiator     bool
}

func (l link) open() []byte {
	return messages.Handshake{Seeks: true, Capability: capability(l.handshakeHash, l.key, l.initiator)}.Append(nil)
}

// check refuses a peer that does not know the core's key.
func (l link) check(remote []byte) error {
	theirs, err := messages.DecodeHandshake(remote)
	if err != nil {
		return err
	}
	return l.checkCapability(theirs.Capability[:])
}

// capability returns ours, for a channel whose handshake holds nothing else.
func (l link) capability() []byte {
	c := capability(l.handshakeHash, l.key, l.initiator)
	return c[:]
}

func (l link) checkCapability(theirs []byte) error {
	ours := capability(l.handshakeHash, l.key, !l.initiator)
	if !bytes.Equal(theirs, ours[:]) {
		return fmt.Errorf("%w: it does not know the key of the core that it asks for", ErrPeer)
	}
	return nil
}
