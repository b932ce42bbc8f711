// Package table keeps sorted rows of fixed size in immutable files, so that the store finds one of a hundred million in
// a few page reads, with a few kilobytes of memory.
//
// Begin with [Create], [Writer.Add] in ascending order of keys, [Writer.Finish]; then [Open], [Table.Get],
// [Table.Floor], [Table.Scan]. Tables are not changed: [Merge] makes a new one of several, newest first.
//
// A table is durable once Finish has returned, but for its folder, which the caller syncs, once for all the tables that
// he wrote there. A table of hashes that [CreateFiltered] begins has a filter: what is not in it costs one small read. Every page carries a checksum, checked when the page is read from the file: a flipped bit gives
// [ErrDamaged], never a wrong row. Memory is the shared [Cache]'s, whose size the caller chooses, and about 600 KiB a
// Writer, 64 KiB a Scan. A Table is safe for concurrent use, a Writer is not.
//
// The format is described in FORMAT.md.
package table
