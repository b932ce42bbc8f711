// Package dedup spares a writer of many blocks most look-ups of whether the store has them. It remembers which blocks
// came recently ([Recent]), and which are near those that were found ([Nearby]), and finds out, for many blocks at a
// time, which of the coming ones are in no table ([Expected]). Each is for one transaction, in bounded memory, and not
// for concurrent use.
package dedup
