// Package runs puts neighbouring blocks into the runs of a store's log, and reads them back.
//
// A [Writer] gathers the blocks of one append, compresses runs on all processors, and passes records on in order; a
// [Recoder] compresses a run again. A [Reader] returns blocks, their leaf hashes, and records' metas, from memory or
// from the log: the bytes are those that were written, or the error wraps packlog.ErrDamaged. Memory is bounded by what
// a Writer has in progress and a Reader holds; that of large runs is lent and reused (lib/lent). Which runs there are,
// and which block is in which, is not this package's concern.
package runs
