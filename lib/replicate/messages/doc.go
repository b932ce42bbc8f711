// Package messages encodes and decodes the messages on a core's channel of stock Hypercore's replication, version 10 or 11. It
// knows only bytes: lib/replicate decides what to ask, answer and believe, and lib/merkle what a proof must have.
//
// The type of a message is given by what carries it (lib/protomux). Each type that our peers use has an encoder and a decoder;
// stock's are in its lib/messages.js. Bytes after a message are ignored, as stock does: they may be fields of a later version.
// Allocations are bounded by the bytes received. All errors wrap [ErrMalformed]. The messages of hc's own channels are in
// lib/replicate/publish and lib/objects.
package messages
