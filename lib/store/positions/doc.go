// Package positions sorts positions of records in a log that come in any order, and looks for them, on disk: there may be more than memory should
// hold. A [Set] gathers them in a [Scratch], a [Reader] goes through them along with the log.
package positions
