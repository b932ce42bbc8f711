// Package answers makes a server's answers in the memory that they are encrypted in and written from. So blocks are read
// from the log to where they are sent from, and copied nowhere else. lib/replicate decides what may be asked, and by whom.
//
// A [Batch] gathers proofs for a core's own channel. For hc's channel (lib/objects), [Take] a [Frame] of [Most] bytes of
// blocks, [Pack] the blocks, and [Frame.Send] them. Idle frames are kept for the next answer until the collector takes them.
package answers
