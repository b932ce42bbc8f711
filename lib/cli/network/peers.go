package network

import (
	"context"
	"fmt"
	"slices"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"hc/lib/cli"
	"hc/lib/peer"
	"hc/lib/replicate"
)

// DiscoveryFlags say whether peers are looked for; see [Look].
func DiscoveryFlags() []urfave.Flag {
	return []urfave.Flag{
		&urfave.BoolFlag{Name: "discover", Usage: "look for peers on the local network, besides those that are named"},
		&urfave.BoolFlag{Name: "no-discovery", Usage: "never look for peers"},
	}
}

// PeerFlags say where a tool fetches from, and how fast.
func PeerFlags() []urfave.Flag {
	return []urfave.Flag{
		&urfave.StringSliceFlag{Name: "peer", Usage: "fetch from the peer at `HOST[:PORT]`; may be repeated"},
		&urfave.StringSliceFlag{Name: "exec", Usage: "fetch through the standard input and output of `COMMAND`"},
		&urfave.StringFlag{Name: "limit-rate", Usage: "receive at most `SIZE` a second, over all peers"},
	}
}

// DedupFlag keeps from a peer what the store has from elsewhere, at the cost of fetching it: [replicate.FetchOptions].NoDedup.
func DedupFlag() urfave.Flag {
	return &urfave.BoolFlag{Name: "no-dedup", Usage: "ask for every block, even those that the store has from elsewhere: otherwise the peer can tell which they are"}
}

// Peers returns the peers to fetch from that the flags of [PeerFlags] and $HC_PEERS name, none if none is.
func Peers(std *cli.IO, c *urfave.Context) (dialers []replicate.Dialer, err error) {
	limiter, _, err := Limiter(c, 0)
	if err != nil {
		return nil, err
	}
	if dialers, err = namedPeers(std, c, limiter); err != nil {
		return nil, err
	}
	for _, address := range strings.FieldsFunc(std.Getenv(peersVariable), func(r rune) bool { return r == ',' || r == ' ' }) {
		if err := peer.CheckAddress(address); err != nil {
			return nil, fmt.Errorf("$%s: %w", peersVariable, err)
		}
		dialers = append(dialers, at(address, limiter))
	}
	return dialers, nil
}

// NamedPeers is Peers without $HC_PEERS: for tools that bring something to the peers.
func NamedPeers(std *cli.IO, c *urfave.Context) (dialers []replicate.Dialer, err error) {
	limiter, _, err := Limiter(c, 0)
	if err != nil {
		return nil, err
	}
	return namedPeers(std, c, limiter)
}

func namedPeers(std *cli.IO, c *urfave.Context, limiter *peer.Limiter) (dialers []replicate.Dialer, err error) {
	if slices.Contains(c.StringSlice("exec"), "") {
		return nil, cli.Usagef("--exec \"\": want a command")
	}
	for _, address := range c.StringSlice("peer") {
		if err := checkPeer(address); err != nil {
			return nil, err
		}
		dialers = append(dialers, at(address, limiter))
	}
	for _, command := range c.StringSlice("exec") {
		dialers = append(dialers, limited(command, limiter, func(ctx context.Context) (peer.Conn, error) {
			return peer.Exec(ctx, command, peer.ExecOptions{Stderr: std.Err})
		}))
	}
	return dialers, nil
}

// PeersAt returns the peers at the given addresses, for a tool that only asks them. An invalid address is an error before anything is
// done: other peers might hide it.
func PeersAt(addresses []string) (dialers []replicate.Dialer, err error) {
	for _, address := range addresses {
		if err := checkPeer(address); err != nil {
			return nil, err
		}
		dialers = append(dialers, replicate.At(address))
	}
	return dialers, nil
}

// checkPeer refuses an argument of --peer. An empty one is most likely a variable that is not set.
func checkPeer(address string) error {
	if address == "" {
		return cli.Usagef("--peer \"\": want HOST[:PORT]")
	}
	return peer.CheckAddress(address)
}

const peersVariable = "HC_PEERS"

// at returns the peer at an address.
func at(address string, limiter *peer.Limiter) replicate.Dialer {
	return limited(address, limiter, func(ctx context.Context) (peer.Conn, error) { return peer.Dial(ctx, address) })
}

func limited(name string, limiter *peer.Limiter, dial func(context.Context) (peer.Conn, error)) replicate.Dialer {
	return replicate.Dialer{Name: name, Dial: func(ctx context.Context) (peer.Conn, error) {
		conn, err := dial(ctx)
		if err != nil {
			return nil, err
		}
		return limiter.Reading(conn), nil
	}}
}
