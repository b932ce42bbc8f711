// Package coalesce makes one append of short ones to a core that follow one another in a store's log, when packs are rewritten: so that a run, a
// span and a head stand for many. It knows records; where they come from and go to is for lib/store.
package coalesce
