// Package protomux carries many channels over one encrypted connection, as stock's protomux does.
//
// Begin with [New], give it an [Mux.OnPair] hook or [Mux.Open] channels, and [Mux.Run] it until the connection ends. A
// channel is open when both sides have opened the same protocol and id. One goroutine, the read loop, calls the channel's
// [Handler]. Everything that sends may be called by any goroutine.
//
// Memory is bounded, whatever the peer does. While too many messages wait for a peer that does not read, [Channel.Send]
// waits. Only the read loop never waits, since two loops that wait for each other would wait for ever; beyond a second
// limit, what it adds drops the peer. Nothing that the peer sends is kept: an open that nobody takes is rejected at once.
//
// # Format
//
// A message is: uint channel, uint type, body. The channel's number is the sender's own. Channel 0 is control:
//
//	0 batch    uint channel, then items: uint length, and uint type ‖ body  |  00, uint channel (switches to it)
//	1 open     uint number, string protocol, buffer id, handshake (all that is left)
//	2 reject   uint number       the receiver's own, of a channel that it has opened
//	3 close    uint number       the sender's own
//
// Each side numbers its channels from 1, and reuses the number freed last first. The number in an open must be free, and at
// most one above those used before. Empty messages, unknown control types, and messages on channels that are not open (any
// more) are ignored; a batch inside a batch is not allowed. Uints, strings and buffers are those of package compact.
// Source: protomux 3.12.1; vectors: transcripts.json.
package protomux
