package network

import (
	"errors"

	"hc/lib/cli"
	"hc/lib/peer"
	"hc/lib/secretstream"
)

// Hint adds to an error of a connection that could not be made what to do next; exec says that peers are commands.
func Hint(err error, exec bool) error {
	switch {
	case errors.Is(err, secretstream.ErrHandshake) && exec:
		return cli.Hint(err, "does the command run hc-serve --stdio?")
	case errors.Is(err, peer.ErrUnreachable):
		return cli.Hint(err, "is hc share or hc-serve running there?")
	}
	return err
}
