// Package packlog keeps a store's truth: one append-only log of records, cut into packs, that survives kill -9, power
// loss and failed syncs. It gives records a frame, a place in one total order and a commit; what they mean is the
// caller's.
//
// A process opens the log with Open. A reader asks for a View and scans it with Scan, or reads single payloads with
// ReadPayload; readers take no locks. A writer takes the locks of what it changes with Lock, then Begin, Write as often
// as it likes, and Commit: one fdatasync, after which the append survives anything; before it, it is wholly there or not
// at all. Watch tells when somebody has committed.
//
// All methods of a Log are safe for concurrent use; an Append belongs to one goroutine. Memory is bounded by the
// largest record. Bytes on disk, and the rules for recovery, are in FORMAT.md.
package packlog
