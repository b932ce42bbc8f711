// Package table keeps sorted rows of fixed size in immutable files, so that the store finds one of a hundred million in
// a few page reads, with a few kilobytes of memory.
//
// Begin with [Create], [Writer.Add] in ascending order of keys, [Writer.Finish]; then [Open], [Table.Get],
// [Table.Floor], [Table.Scan]. Tables do not change: [Merge] makes a new one of several, newest first.
//
// A table is durable once Finish has returned, except for its folder, which the caller syncs, once for all the tables
// that it wrote there. A table of hashes made by [CreateFiltered] has a filter: looking up a key that it does not have
// costs one small read. Every page carries a checksum, which is checked when the page is read from the file: a flipped
// bit causes [ErrDamaged], never a wrong row. Memory is that of the shared [Cache], whose size the caller chooses, plus
// about 600 KiB for a Writer and 64 KiB for a Scan. A Table is safe for concurrent use, a Writer is not.
//
// FORMAT.md specifies the format.
package table
