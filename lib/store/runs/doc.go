// Package runs puts neighbouring blocks into the runs in which a store's log has them, and reads them back.
//
// A [Writer] gathers the blocks of one append, compresses runs on all processors, and hands records on in their order; a [Recoder] compresses
// a run again. A [Reader] gives blocks, their leaf hashes, and what records say, from what it read last or from the log: bytes are those
// that were written, or the error wraps packlog.ErrDamaged. Memory is bounded, by what is on its way through a Writer and by what a Reader
// holds, and that of large runs is lent and used again (lib/lent). Which runs there are, and which block is in which, is not known here.
package runs
