// Package blockmap says where the blocks of a core are, and which of them are held, by neighbouring blocks together: a [Row] where they are, a
// [Range] that they are held. Both are in memory and in tables; these know blocks only, not whose they are: which tables there are, and
// which of them is the newest, is for lib/store.
//
// [Rows] are those of a core in memory, a [Writer] puts them into a table. [AddRange] and [RemoveRange] change ranges in memory,
// [MergeRanges] those of a table, as a stream. Nothing here is for concurrent use while it changes.
package blockmap
