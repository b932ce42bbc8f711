// Package publish encodes what a signer and a mirror say on the channel on which one length of a log is reserved for one signer, and decodes
// it: FORMAT.md. It knows bytes only: who is promised what is for lib/replicate and lib/store.
//
// Unlike on stock's channel nothing may stand behind a message. All errors wrap [messages.ErrMalformed].
package publish
