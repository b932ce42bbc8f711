// Package treetable keeps the nodes of a core's tree: as rows of tables, in the order in which a growing log completes
// them, and in memory on their way there, with what follows from them. It does not know whose nodes they are. Which
// tables there are, and which of them is the newest, is up to lib/store.
//
// A [Set] gathers nodes, [Climb] adds those that follow, and [Set.AddTo] writes them. A [Stream] goes through the nodes
// of tables, and compares parents with their children. Neither may be used concurrently while it changes.
package treetable
