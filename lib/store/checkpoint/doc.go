// Package checkpoint makes derived files (lib/store/derived) of what a log gained since those that are there, and moves the places in them when
// packs are rewritten. It writes beside what is there, which stays good until one file takes the place of another.
//
// A [Writer] is one checkpoint: [New], then [Writer.Run], or [Writer.Move] and [Writer.Replace]; and [Writer.Abort] where that fails. When one is due,
// and that no other process makes one meanwhile, is for lib/store. Memory is bounded by [Limits], and by how many cores and packs there are.
package checkpoint
