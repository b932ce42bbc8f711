// Package blockmap keeps where the blocks of a core are, and which of them are held. Neighbouring blocks are kept
// together: a [Row] says where they are, a [Range] that they are held. Both exist in memory and in tables, which do not
// know whose blocks they are. Which tables there are, and which of them is the newest, is up to lib/store.
//
// [Rows] are those of a core in memory, and a [Writer] writes rows to a table. [AddRange] and [RemoveRange] change
// ranges in memory, [MergeRanges] changes those of a table, as a stream. Nothing here may be used concurrently while it
// changes.
package blockmap
