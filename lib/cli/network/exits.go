// Package network has what the tools that talk to peers share: flags that name peers, discovery, listening, and the exit
// codes of network errors. It is apart from [cli] so that a tool that talks to no peer does not link it.
package network

import (
	"hc/lib/cli"
	"hc/lib/peer"
	"hc/lib/protomux"
	"hc/lib/replicate"
	"hc/lib/secretstream"
)

// Exits are the rows of errors that come from talking to peers, for [cli.Main].
var Exits = cli.Exits{
	cli.ExitUsage: {peer.ErrAddress},
	cli.ExitNetwork: {
		peer.ErrUnreachable,
		secretstream.ErrHandshake,
		secretstream.ErrFrame, // tampered with on the way; the data was not looked at
		protomux.ErrClosed,
		protomux.ErrBacklog,
		protomux.ErrDropped,
		replicate.ErrPeer,
		replicate.ErrMessage,
		replicate.ErrLost,
	},
	cli.ExitKey:      {replicate.ErrNotAccepted},
	cli.ExitNotFound: {replicate.ErrNotOffered},
}
