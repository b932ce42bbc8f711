// Package replicate syncs cores with peers that speak stock Hypercore's replication, version 10 or 11.
//
// A Server answers for the cores of a store on any number of connections, and announces what other processes append. A
// Fetcher takes one core from any number of peers into a hypercore.Download. Both trust nothing that a peer says before
// it is proved, and drop a peer, with the reason, that breaks the protocol, floods, or stalls; others go on.
//
// A mirror is a Server that accepts cores: from a peer that has more of one it takes that, with a Fetcher, on the connection that
// the peer made. Push is the other end of it.
//
// The messages are in lib/replicate/messages, what a prover returns and a verifier checks is lib/merkle's. Two channels are hc's own:
// lib/replicate/publish/FORMAT.md and lib/objects/FORMAT.md.
package replicate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"hc/lib/hash"
	"hc/lib/keys"
	"hc/lib/lent"
	"hc/lib/merkle"
	"hc/lib/peer"
	"hc/lib/protomux"
	"hc/lib/replicate/messages"
	"hc/lib/secretstream"
)

// Sentinels to be told with errors.Is.
var (
	ErrPeer       = errors.New("peer broke the protocol") // and was dropped
	ErrMessage    = messages.ErrMalformed                 // likewise
	ErrLost       = errors.New("connection lost")         // before all was here
	ErrNotOffered = errors.New("the peer does not have this core")
)

// limits are how long the other end of a connection may do nothing. Zero fields take the defaults.
type limits struct {
	handshake time.Duration // how long a stranger may keep a connection without having shaken hands
	stall     time.Duration // how long a peer may take not a byte of what waits for it
}

func (l limits) withDefaults() limits {
	if l.handshake == 0 {
		l.handshake = 15 * time.Second
	}
	if l.stall == 0 {
		l.stall = time.Minute
	}
	return l
}

// Trace, where set, sees every proof that is sent or received, for tests and for counting.
type Trace func(sent bool, proof *merkle.Proof)

// connect shakes hands and puts a multiplexer on the connection. What is read lies in memory of a pool, if there is one.
func connect(ctx context.Context, conn peer.Conn, initiator bool, limits limits, pool *lent.Pool) (*protomux.Mux, *secretstream.Conn, error) {
	limits = limits.withDefaults()
	shaking, cancel := context.WithTimeout(ctx, limits.handshake)
	secret, err := secretstream.Handshake(shaking, conn, secretstream.Options{Initiator: initiator, Memory: pool, Shaken: cancel})
	if err != nil {
		if errors.Is(shaking.Err(), context.DeadlineExceeded) && ctx.Err() == nil {
			err = fmt.Errorf("no handshake within %v: %w", limits.handshake, err)
		}
		return nil, nil, fmt.Errorf("shaking hands: %w", err)
	}
	return protomux.New(secret, protomux.Options{Stall: limits.stall}), secret, nil
}

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

// link is one core's channel on one connection, what both roles share.
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

// capability is ours, for a channel whose handshake has nothing else.
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
