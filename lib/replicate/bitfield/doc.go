// Package bitfield keeps which blocks of a log a peer said that it has: [Remote]. Whatever he says takes no more than some MiB, and what each message
// cost is told, so that one who makes others work can be dropped. Nothing is believed or asked for here.
package bitfield
