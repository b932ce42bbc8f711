package proof

import (
	"context"
	"io"

	"hc/lib/hash"
	"hc/lib/keys"
	"hc/lib/merkle"
)

// Options says what a stream must prove. The zero value takes `claim all` of any key.
type Options struct {
	Key       *keys.Key    // nil: the stream's own key is trusted
	Fork      *uint64      // nil: any fork
	TreeHash  *hash.Digest // of the length that the claim names with `at`, or else of the first head; nil: any
	Claim     *Claim       // nil: `all`
	AnyClaim  bool         // take whatever the stream claims
	MinLength uint64       // blocks that a head must have at least

	Out      io.Writer                  // gets the claimed bytes, each group's in one Write; nil: nobody
	Progress func(bytes, blocks uint64) // called behind each group with what it brought; nil: not called
}

// Sink gets what has been verified, in this order: Core, then for each head Head, and for each group Nodes and then its
// Blocks. Slices are valid until the call returns. An error ends Verify, which returns it.
type Sink interface {
	// Core is called once, before anything is verified against it: manifest (nil for a compat core) belongs to key.
	Core(key keys.Key, manifest []byte) error

	// Head is called when a head's signature is verified, with the roots of its length.
	Head(head Head, roots []merkle.Node) error

	// Nodes gets the nodes that a group brought, and those computed from them, but none that is a block's or lies
	// inside the group, which can be computed from the blocks. All sizes are certain.
	Nodes(nodes []merkle.Node) error

	// Block gets a block. The claimed part of it is data[first:end], the whole but for a claim of bytes.
	Block(index uint64, data []byte, first, end int) error
}

// A GroupSink is a Sink that wants more about a group: Verify calls Group instead of Nodes and Block.
type GroupSink interface {
	Sink
	Group(g *Group) error
}

// Group is a verified group of blocks. It is valid until the call that it is an argument of returns.
type Group struct {
	First    uint64        // block
	Offset   uint64        // of the first block, in bytes of the log
	Blocks   [][]byte      // none: only nodes came (a claim of the head)
	Leaves   []hash.Digest // the leaf hash of each block
	Received []merkle.Node // that came in the stream, ascending
	Computed []merkle.Node // above the group, from its nodes up, as for Sink.Nodes
	From, To uint64        // the claimed part: bytes of the group, To exclusive
}

// Summary is what a stream turned out to be. On an error it holds what was verified until then.
type Summary struct {
	Key      keys.Key
	Manifest []byte
	Claim    Claim
	Head     Head          // the last verified; its Signature is empty if there was none
	Roots    []merkle.Node // of the head
	TreeHash hash.Digest   // of the head, or of the length that the claim names with `at`
	Heads    uint64        // verified
	Nodes    uint64        // received
	Blocks   uint64        // verified and handed on
	Bytes    uint64        // claimed bytes of them
}

// Verify reads a proof stream up to its end frame and the end of r, and hands on what it has verified. sink may be nil.
// Errors wrap ErrUnverified, ErrPartial or ErrConflict, or are those of r, of the sink and of ctx.
func Verify(ctx context.Context, r io.Reader, opt Options, sink Sink) (Summary, error) {
	return Summary{}, ErrUnsupported
}
