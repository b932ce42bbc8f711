// Package proof is hc-proof/1, verified data on its way out of a log: a text stream that carries blocks, and exactly
// the hashes that tie them to a head signed with the log's key.
//
// [Write] writes a stream from a [Source]; [Verify] reads one and passes on only what it has proved. Verify holds one
// group of blocks (1 MiB, or one larger block) and O(log n) tree nodes. Everything it passes on was signed with the
// key and matches the stream's claim: a part never passes for the whole.
//
// A drive's paths and folders are proved by a walk of its tree of names, which both sides take; the verifier walks
// over the blocks as they come. A [FolderSink] gets the files.
//
// FORMAT.md, beside this file, specifies the format.
package proof
