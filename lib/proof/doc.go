// Package proof is hc-proof/1, verified data on its way out of a log: a text stream that carries blocks, and just those
// hashes that tie them to a head which the log's key signed.
//
// [Write] makes a stream from a [Source]; [Verify] reads one and hands on only what it has proved. Verify holds one group
// of blocks (1 MiB, or one larger block) and O(log n) tree nodes; what it hands on is the key's, and is what the stream's
// claim says it is: a part never passes for the whole.
//
// A drive's paths and folders are proved by a walk of its tree of names, which both sides take: the verifier over the
// blocks that come. A [FolderSink] gets the files.
//
// FORMAT.md, beside this file, is the format.
package proof
