// Package commits turns the records of a store's log into whole appends. Records of many appends may be interleaved,
// and none counts before its head: until that comes they are held, in bounded memory, or read a second time.
//
// A [Reader] goes through the log, or takes what this process has just [Written] without reading it back. What an
// append says about its core is up to whoever gets the [Commit].
package commits
