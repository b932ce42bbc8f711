// Package derived reads the files derived from a store's log: the file that names all others and says up to which
// position they go, the index of blocks, and the trees and blocks of cores. It knows how files are named, encoded,
// opened and looked up. Which files are made, and reading the part of the log after them, is left to lib/store.
//
// [Files] opens them, each once. Begin with [Files.ReadApplied] and [Open]: [Tables] has an [Index], and a [Core] for
// each core. FORMAT.md specifies the files. All of them can be rebuilt: [IsFault] recognizes the errors of files that
// are damaged or gone.
package derived
