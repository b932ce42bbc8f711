// Package store keeps blocks, cores, keys and names in one folder. The store is itself one append-only log of records
// (lib/store/packlog); everything else is derived from it and can be rebuilt, except secret keys, names and grants.
//
// Open a store, then read a core through a View, or change it through a Tx:
//
//	s, err := store.Open(ctx, dir, store.Options{Create: true})
//	tx, err := s.Begin(ctx, key, store.TxOptions{Manifest: manifest, Durable: true})
//	err = tx.Append(ctx, hash.Leaf(block), block)
//	err = tx.Commit(ctx, sign)            // one fdatasync; from here on it survives a power cut
//	view, err := s.View(ctx, key, true)   // a snapshot of what does
//	block, err := view.Block(ctx, 0)
//
// # Guarantees
//
// A transaction is wholly there or not at all. Once Commit has returned, a durable one survives kill -9 and power loss;
// one that is not durable survives kill -9, and after power loss it is whole or gone. A Commit that returned an error,
// or never returned, may have succeeded: begin again and look. A failed sync is never taken for a good one.
//
// A block is stored once, under its leaf hash, however many cores have it. The caller vouches for that hash, and for
// heads and nodes: the store checks that bytes are the ones that were written, not who signed them.
//
// Many processes may use a store at once. A core has one writer at a time; others wait for it (Options.LockWait) or get
// ErrLocked. Readers take no lock, and a View never changes. Store and View are safe for concurrent use, a Tx is not.
//
// Memory does not grow with the store, nor with the size of an append: runs are written as they fill up, tables are
// written as a stream, and the part of the log held in memory is bounded by checkpoints, which commits make by
// themselves. Damaged or missing derived files cost time, not data. Damaged records cost the blocks in them: these are
// no longer held, and may be put again; Store.Damage reports them. A Checker reads everything, reports what damage
// costs, and mends what can be mended.
//
// The folder must be on a local disk: see Store.NetworkFS.
//
// FORMAT.md specifies the files. The packages below this one need no store. lib/store/packlog is the log;
// lib/store/records defines its records, and lib/store/commits decides which of them count. lib/store/runs puts blocks
// into records and reads them back, compressed by lib/store/codec; lib/store/passages finds passages, and
// lib/store/dedup spares most look-ups of whether a block is there. lib/store/checkpoint derives files from the log,
// and lib/store/derived reads them: tables (lib/store/table) of tree nodes (lib/store/treetable) and of where blocks
// are (lib/store/blockmap), and small files (lib/store/smallfile). lib/store/census, with lib/store/positions, finds
// what nothing needs any more, and this package leaves it out; lib/store/coalesce joins short appends into one on that
// occasion.
package store
