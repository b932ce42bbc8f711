// Package positions sorts positions of records in a log that come in any order, and looks them up, on disk: there may
// be more than should be held in memory. A [Set] gathers them in a [Scratch], a [Reader] goes through them along with
// the log.
package positions
