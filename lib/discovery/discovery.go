// Package discovery finds peers that have a core without knowing an address: on the local network, by multicast DNS.
//
// Peers announce and ask for a core's discovery key, a keyed hash of its key. A listener learns that somebody has, or looks
// for, a core that it could only read if it knew the key already. Nothing that is found is trusted: it is an address to
// connect to, and the connection proves the rest.
package discovery

import (
	"context"
	"net"

	"hc/lib/keys"
)

// Network is a way to find peers. A wide-area network would be another one.
type Network interface {
	// Announce answers questions for the cores of offer with this listener's address, until ctx ends.
	Announce(ctx context.Context, at *net.TCPAddr, offer Offer) error
	// Find calls found with the address, HOST:PORT, of each peer that has the core, again from time to time, until ctx ends.
	Find(ctx context.Context, id keys.Key, found func(address string)) error
}

// Offer reports whether the core with that discovery key is here. It is called by any goroutine, and must not take long.
type Offer func(id keys.Key) bool
