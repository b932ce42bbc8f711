// Package store keeps blocks, cores, keys and names in one folder: the store is itself one append-only log of records
// (lib/store/packlog), from which everything else is derived and can be rebuilt.
//
// Begin with Open, then View to read a core and Begin to write one.
package store
