// Package coalesce joins short appends to a core that follow one another in a store's log into one, when packs are
// rewritten: so one run, one span and one head replace many. It knows records; where they come from and go to is up to
// lib/store.
package coalesce
