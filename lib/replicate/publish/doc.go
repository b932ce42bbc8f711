// Package publish encodes and decodes the messages with which a signer reserves a length of a log at a mirror: FORMAT.md. It
// knows only bytes: lib/replicate and lib/store decide on reservations.
//
// Unlike on stock's channel, no bytes may follow a message. All errors wrap [messages.ErrMalformed].
package publish
