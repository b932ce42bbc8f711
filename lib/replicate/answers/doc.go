// Package answers makes the answers of a server in the memory that they are encrypted in and written from, so that blocks are read from the log
// to where they leave, and copied nowhere else. What may be asked, and who is answered, is for lib/replicate.
//
// A [Batch] gathers proofs for a core's own channel. For hc's (lib/objects) [Take] a [Frame] of [Most] bytes of blocks, [Pack] the blocks, and
// [Frame.Send] them. Frames that nobody has are kept for the next answer, as long as the collector lets them.
package answers
