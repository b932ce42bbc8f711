// Package passages finds the runs that have the blocks of a passage: neighbours that a span names by the first of them
// and a hash of all. It looks first where an index leads ([Finder]). The index names one run of a block, but others may
// have it too, with different neighbours; so otherwise the whole log is searched, for many passages at once ([Find],
// [Search]).
package passages
