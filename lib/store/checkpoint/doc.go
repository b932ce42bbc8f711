// Package checkpoint makes derived files (lib/store/derived) of what a log gained since the last ones, and moves the
// places in them when packs are rewritten. It writes new files beside the old ones, which remain valid until a single
// file is replaced.
//
// A [Writer] is one checkpoint: [New], then [Writer.Run], or [Writer.Move] and [Writer.Replace]; and [Writer.Abort] if
// that fails. lib/store decides when one is due, and makes sure that no other process makes one meanwhile. Memory is
// bounded by [Limits], and by the number of cores and packs.
package checkpoint
