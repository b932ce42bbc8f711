// Package treetable keeps the nodes of a core's tree: as rows of tables, in the order in which a growing log completes them, and in memory
// on their way there, with what follows from them. It knows nodes only, not whose they are: which tables there are, and which of them is
// the newest, is for lib/store.
//
// A [Set] gathers nodes, [Climb] those that follow from what comes, and [Set.AddTo] writes them. A [Stream] goes through the nodes of
// tables, and compares parents with their children. Neither is for concurrent use while it changes.
package treetable
