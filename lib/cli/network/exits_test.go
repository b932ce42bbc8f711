package network

import (
	"errors"
	"fmt"
	"testing"

	"hc/lib/cli"
	"hc/lib/merkle"
	"hc/lib/peer"
	"hc/lib/proof"
	"hc/lib/replicate"
	"hc/lib/secretstream"
)

// The order of the codes decides for an error of the network that is also of another kind.
func TestExits(t *testing.T) {
	for _, test := range []struct {
		name string
		err  error
		want int
	}{
		{"no peer", peer.ErrUnreachable, 6},
		{"an address that is none", peer.ErrAddress, 2},
		{"peers lost on the way", errors.Join(proof.ErrPartial, peer.ErrUnreachable), 6},
		{"unverified, then the peer was dropped", errors.Join(peer.ErrUnreachable, proof.ErrUnverified), 4},
		{"bad MAC", secretstream.ErrFrame, 6},
		{"the peer has no such core", replicate.ErrNotOffered, 5},
		{"the peer does not take it", replicate.ErrNotAccepted, 8},
		{"the peer broke the protocol", replicate.ErrPeer, 6},
		{"the peer broke it with a bad proof", fmt.Errorf("%w: %w", replicate.ErrPeer, merkle.ErrUnverified), 4},
		{"nothing of the network", proof.ErrPartial, 3},
	} {
		for _, err := range []error{test.err, fmt.Errorf("fetching: %w", test.err)} {
			if got := cli.ExitCode(err, Exits); got != test.want {
				t.Errorf("%s: ExitCode(%v) = %d, want %d", test.name, err, got, test.want)
			}
		}
	}
}
