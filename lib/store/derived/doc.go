// Package derived reads what is derived from a store's log: the file that names all others, and says up to where the log is in them, the index
// of blocks, and the trees and blocks of cores. It knows how files are named, encoded, opened and looked up; which ones are made, and what of
// the log is behind them, is for lib/store.
//
// [Files] opens them, each once. Begin with [Files.ReadApplied] and [Open]: [Tables] has an [Index], and a [Core] for each core. What is in the
// files is in FORMAT.md. All of it can be built again: errors of files that are damaged or gone are told by [IsFault].
package derived
