// Package hyperdrive reads and writes drives: files on two cores, in the format of stock hyperdrive 13.
//
// The names core is a bee (see lib/hyperbee): each name, such as "/dir/file", has an [Entry], which says where in the
// blobs core the file's bytes are. The blobs core's key follows from the names core, see [BlobsManifest].
//
// Everything here is a function of blocks, wherever they come from: no store, no peers. The blocks are already
// verified, so their writer is known, but they need not make sense. Anything that a hostile writer puts into entries,
// maps and names leads to an error that wraps one of the sentinels, and costs no more memory than the blocks that
// contain it.
package hyperdrive
