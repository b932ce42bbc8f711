// Package census finds out which records of a store's log nothing needs any more, so that packs can be rewritten without them: see "Rewriting"
// in lib/store/FORMAT.md. It reads only. What comes behind the position that it is of may come to need what it calls dead: who rewrites packs
// has to look again.
package census
