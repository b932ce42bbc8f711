package cli

import (
	"context"
	"slices"

	urfave "github.com/urfave/cli/v2"

	"hc/lib/peer"
	"hc/lib/replicate"
)

// PeerFlags say where a tool fetches from, and how fast.
func PeerFlags() []urfave.Flag {
	return []urfave.Flag{
		&urfave.StringSliceFlag{Name: "peer", Usage: "fetch from the peer at `HOST[:PORT]`; may be given many times"},
		&urfave.StringSliceFlag{Name: "exec", Usage: "fetch through the standard input and output of `COMMAND`"},
		&urfave.StringFlag{Name: "limit-rate", Usage: "take at most `SIZE` a second, over all peers"},
	}
}

// Peers returns the peers that the flags of [PeerFlags] name, none if none is.
func (std *IO) Peers(c *urfave.Context) (dialers []replicate.Dialer, err error) {
	if slices.Contains(c.StringSlice("peer"), "") || slices.Contains(c.StringSlice("exec"), "") {
		return nil, Usagef("--peer and --exec want to know whom to ask")
	}
	limiter, _, err := Limiter(c, 0)
	if err != nil {
		return nil, err
	}
	add := func(name string, dial func(context.Context) (peer.Conn, error)) {
		dialers = append(dialers, replicate.Dialer{Name: name, Dial: func(ctx context.Context) (peer.Conn, error) {
			conn, err := dial(ctx)
			if err != nil {
				return nil, err
			}
			return limiter.Reading(conn), nil
		}})
	}
	for _, address := range c.StringSlice("peer") {
		add(address, func(ctx context.Context) (peer.Conn, error) { return peer.Dial(ctx, address) })
	}
	for _, command := range c.StringSlice("exec") {
		add(command, func(ctx context.Context) (peer.Conn, error) {
			return peer.Exec(ctx, command, peer.ExecOptions{Stderr: std.Err})
		})
	}
	return dialers, nil
}
