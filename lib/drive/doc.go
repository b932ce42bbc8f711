// Package drive keeps drives in a store: files on two cores, one with the names and the other one with the bytes.
//
// Import takes a stream of a folder into both cores: all of it, or nothing. Open returns the drive at a version.
// Package hyperdrive defines what the blocks mean, package hyperbee the tree of names.
//
// The blobs are committed before the names that point at them. A crash between the two leaves blocks that nothing
// points at, never a name without its bytes.
package drive
