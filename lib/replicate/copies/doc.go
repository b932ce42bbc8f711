// Package copies finds which blocks of a log a reader has already, as other blocks of it: those that an older version had in another place. It is the
// server's side, which has all leaf hashes: what is said of them is in lib/objects/FORMAT.md.
//
// [Indexes] keep, in bounded memory, where blocks of a core are, by their leaf hashes, as far as readers hold them; a [Tail] is one reader's place in
// them, and its Find answers his question. Whatever is found is compared, leaf hash by leaf hash: what an index lacks costs bytes, no more.
package copies
