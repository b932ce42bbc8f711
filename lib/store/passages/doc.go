// Package passages finds the runs that have the blocks of a passage: neighbours that a span names by the first of them and a hash of all. Where an index
// leads to is asked first ([Finder]); it names one run of a block, and there may be others in which what follows is not the same, so else the
// whole log is searched, for many passages at once ([Find], [Search]).
package passages
