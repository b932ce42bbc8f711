// Package messages encodes what is said on a core's channel of stock Hypercore's replication, version 10 or 11, and decodes it. It knows
// bytes only: what is asked, answered and believed is for lib/replicate, what a proof must have for lib/merkle.
//
// What carries a message tells its type (lib/protomux). Each type that a peer of ours uses has an encoding, and a function that decodes it; stock's
// are in its lib/messages.js. Bytes behind a message are not looked at, as by stock: they may be fields of a later version. What is allocated is
// bounded by the bytes that came. All errors wrap [ErrMalformed]. The messages of hc's own channels are in lib/replicate/publish and lib/objects.
package messages
