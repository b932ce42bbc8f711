// Package replicate syncs cores with peers that speak stock Hypercore's replication, version 10 or 11.
//
// A Server answers for the cores of a store on any number of connections, and announces what other processes append.
// Fetch downloads one core from any number of peers into a hypercore.Download. Both trust nothing that a peer says until
// it is proved. A peer that breaks the protocol, floods or stalls is dropped, with the reason; the others carry on.
//
// A mirror is a Server that accepts cores. If a peer has more of one, the mirror fetches the rest on the connection that
// the peer made. Push is the other end of it.
//
// The messages are in lib/replicate/messages; what a prover returns and a verifier checks is in lib/merkle. Two channels
// are hc's own: lib/replicate/publish/FORMAT.md and lib/objects/FORMAT.md.
//
// Where to look, by subject:
//
//   - a connection: connect.go; proof that a peer knows a core's key: link.go; one connection for several cores: line.go
//   - a [Server]: server.go; its cores: registry.go; one of them: served.go; its number of connections: places.go; the
//     memory that slow ones take: hc/lib/budget, long.go; one connection: conn.go; its queue: jobs.go, turns.go; a core's channels,
//     stock's: reader.go, and hc's: objectsserver.go, copies.go, deltas.go, runs.go; what a reader has: holdings.go, compare.go;
//     what a mirror takes from it: sink.go
//   - a [Server.Push]: push.go, reserve.go
//   - a [Fetch]: fetch.go; peers that join later: join.go; those that are gone: losses.go, redial.go; a peer's channels: session.go,
//     objectsreader.go; its state: standing.go; what has verified is saved: save.go
//   - requests: plan.go; for which blocks: in order: ordered.go, in any order: want.go; single nodes and bytes: nodes.go,
//     leaf hashes: check.go, leaves.go, many blocks at once: many.go, runs.go; passing over a slow peer: slow.go; how much
//     at a time: pace.go; requests under way: request.go
//   - answers: handle.go, answer.go, applyanswer.go; those that come too early: parking.go; with bounded memory, on all
//     processors: gate.go, gather.go, unpack.go; those that do not verify: probe.go
//   - a core's head, for its owner or for someone who lost it: adopt.go, examine.go, restore.go
//   - a [Drive]: drive.go, driveread.go, arriving.go; a whole folder: driveplan.go
//   - a proof stream: pipe.go, drivepipe.go; whether a store has all of it: holds.go
package replicate
