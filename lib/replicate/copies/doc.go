// Package copies finds blocks of a log that a reader already has as other blocks of the log, from an older version that had
// them in another place. It is the side of the server, which has all leaf hashes; the messages are in lib/objects/FORMAT.md.
//
// [Indexes] map leaf hashes to blocks of a core, in bounded memory, for the parts that readers hold. A [Tail] is one
// reader's place in them, and its Find answers a question. Every hit is compared by its whole leaf hash; a block missing
// from an index only costs bytes.
package copies
