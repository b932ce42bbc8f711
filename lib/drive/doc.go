// Package drive keeps drives in a store: files on two cores, of which one has the names and the other one the bytes.
//
// Import takes a stream of a folder into both cores: all of it, or nothing. Open gives the drive at a version. What the
// blocks mean is package hyperdrive's, the tree of names hyperbee's.
//
// The blobs are committed before the names that point at them. A crash between the two leaves blocks that nothing points
// at, never a name without its bytes.
package drive
