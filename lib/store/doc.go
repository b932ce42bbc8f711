// Package store keeps blocks, cores, keys and names in one folder. The store is itself one append-only log of records
// (lib/store/packlog); all else is derived from it and can be built again.
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
// A transaction is wholly there or not at all. A durable one, once Commit has returned, survives kill -9 and power loss; one
// that is not durable survives the former, and is whole or gone after the latter. Commit that returned an error, or
// never returned, may have succeeded: begin again and look. A failed sync is never taken for a good one.
//
// A block is stored once, whichever cores have it, by its leaf hash. The caller says what that hash is, and that heads and nodes
// are verified: the store checks that bytes are those that were written, not who signed them.
//
// Many processes may use a store at once. A core has one writer at a time, which the others wait for (Options.LockWait) or are
// told about; readers take no lock, and a View never changes. Store and View are safe for concurrent use, a Tx is not.
//
// Memory does not grow with the store, nor with the size of an append: runs go out as they come, tables are written as a stream,
// and what is held of the log is bounded by checkpoints, which commits make by themselves. Derived files that are
// damaged or gone cost time, no data. Damaged records cost the blocks in them: those are not held any more, and may be
// put again; Store.Damage tells. A Checker reads everything, says what damage costs, and mends what can be mended.
//
// The folder must be on a local disk: see Store.NetworkFS.
//
// What is in the files is in FORMAT.md. What needs no store stands below it: the log is lib/store/packlog, what its records say
// lib/store/records, which of them count lib/store/commits, where passages are lib/store/passages; blocks get into them and out again by
// lib/store/runs, compressed by lib/store/codec, and most look-ups of whether they are there are spared by lib/store/dedup. What is derived
// from the log is made by lib/store/checkpoint and read by lib/store/derived: tables, lib/store/table, of trees' nodes, lib/store/treetable,
// and of where blocks are, lib/store/blockmap, and small files, lib/store/smallfile. What nothing needs any more is found by
// lib/store/census, with lib/store/positions, and left out here; lib/store/coalesce makes one append of short ones meanwhile.
package store
