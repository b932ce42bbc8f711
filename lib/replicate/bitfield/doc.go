// Package bitfield records which blocks of a log a peer said it has: [Remote]. Whatever the peer says, it takes at most a
// few MiB. The cost of each message is returned, so that a peer that causes too much work can be dropped. Nothing is
// verified or asked for here.
package bitfield
