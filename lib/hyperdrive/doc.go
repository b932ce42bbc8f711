// Package hyperdrive reads and writes drives: files on two cores, as stock hyperdrive 13 has them.
//
// The names core is a bee (see lib/hyperbee): each name, "/dir/file", has an [Entry], which says where in the blobs core
// the file's bytes are. The blobs core's key follows from the names core, see [BlobsManifest].
//
// Everything here is a function of blocks, wherever they come from: no store, no peers. Blocks are verified before they get
// here, so who wrote them is known; that they make sense is not. Whatever a hostile writer puts into entries, maps and
// names is an error that wraps one of the sentinels, and costs no more memory than the blocks that it is in.
package hyperdrive
