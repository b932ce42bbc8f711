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
//
// Where to look, by what it is about:
//
//   - a connection: connect.go; who knows a core's key: link.go; one for several cores: line.go
//   - a [Server]: server.go; which cores it has: registry.go; one of them: served.go; how many there are: places.go; the memory that slow ones take: hc/lib/budget; one connection: conn.go, what waits for its turn on it: jobs.go, turns.go; the channels of a core, stock's:
//     reader.go, and hc's: giver.go, copies.go, deltas.go, runs.go; what a reader has: holdings.go, compare.go; what is taken of him: sink.go
//   - a [Server.Push]: push.go, reserve.go
//   - a [Fetch]: fetch.go; peers that come later: join.go; a peer's channels: session.go, taker.go; how he stands: standing.go
//   - what is asked: in order: plan.go, in no order: want.go, single nodes and bytes: stray.go, leaf hashes: check.go, spread.go, many blocks at
//     once: many.go, runs.go; by whom others are asked instead: slow.go; how much at a time: pace.go; what is on its way: request.go
//   - what comes: handle.go, answer.go, takegift.go; with bounded memory, on all processors: gate.go, gather.go, unpack.go; what does not verify:
//     probe.go
//   - a core's head, asked for by its owner, or who lost it: adopt.go, examine.go, restore.go
//   - a [Drive]: drive.go, driveread.go, arriving.go; all of a folder: driveplan.go
//   - a proof stream: pipe.go, drivepipe.go; whether a store has it all: holds.go
package replicate

import (
	"errors"

	"hc/lib/merkle"
	"hc/lib/replicate/messages"
)

// Sentinels to be told with errors.Is.
var (
	ErrPeer       = errors.New("peer broke the protocol") // and was dropped
	ErrMessage    = messages.ErrMalformed                 // likewise
	ErrLost       = errors.New("connection lost")         // before all was here
	ErrNotOffered = errors.New("the peer does not have this core")
)

// Trace, where set, sees every proof that is sent or received, for tests and for counting.
type Trace func(sent bool, proof *merkle.Proof)
