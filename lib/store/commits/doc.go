// Package commits turns the records of a store's log into whole appends. Those of many may stand among one another, and none counts before
// its head: what came so far is held for that, in bounded memory, or read a second time.
//
// A [Reader] goes through the log, or takes what this process has just [Written] without reading it back. What an append says of its core is for
// who gets the [Commit].
package commits
