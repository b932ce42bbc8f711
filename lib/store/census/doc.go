// Package census finds out which records of a store's log nothing needs any more, so that packs can be rewritten
// without them: see "Rewriting" in lib/store/FORMAT.md. It only reads. Records after its position may come to need what
// it calls dead: whoever rewrites packs must check again.
package census
