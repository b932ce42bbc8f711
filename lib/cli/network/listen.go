package network

import (
	"context"
	"errors"
	"net"
	"syscall"

	"hc/lib/cli"
	"hc/lib/peer"
)

// Listen listens at the first of these addresses whose port is free, and reports which one: as a line for people, or with --json
// as an object of the type "listening".
func Listen(ctx context.Context, std *cli.IO, addresses ...string) (net.Listener, error) {
	listener, err := firstFree(ctx, addresses)
	if err != nil {
		return nil, err
	}
	if std.JSON {
		err = cli.WriteJSON(std.Out, map[string]string{"type": "listening", "address": listener.Addr().String()})
	} else {
		std.Notef("listening on %v", listener.Addr())
	}
	if err != nil {
		listener.Close()
		return nil, err
	}
	return listener, nil
}

func firstFree(ctx context.Context, addresses []string) (listener net.Listener, err error) {
	for _, address := range addresses {
		if listener, err = peer.Listen(ctx, address); !errors.Is(err, syscall.EADDRINUSE) {
			return listener, err
		}
	}
	return nil, cli.Hint(err, "use another port (0: any free one)")
}
