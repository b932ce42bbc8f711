// Package packlog is the log that a store's truth is in: an append-only log of records, cut into packs, that survives
// kill -9, power loss and failed syncs. It gives records a frame, a place in one total order and a commit; what they
// mean is up to the caller.
//
// A process opens the log with Open. A reader asks for a View and scans it with Scan, or reads single payloads with
// ReadPayload; readers take no locks. A writer takes the locks of what it changes with Lock, then calls Begin, Write
// any number of times, and Commit, which costs one fdatasync. From then on the append survives anything; before, it is
// wholly there or not at all. Watch signals when somebody has committed.
//
// All methods of a Log are safe for concurrent use; an Append belongs to one goroutine. Memory is bounded by the
// largest record. FORMAT.md specifies the bytes on disk, and the rules for recovery.
package packlog
