package proof

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"hc/lib/hash"
	"hc/lib/hyperdrive"
	"hc/lib/keys"
	"hc/lib/merkle"
)

// Options says what a stream must prove. The zero value takes `claim all` of any key.
type Options struct {
	Key       *keys.Key    // nil: the stream's own key is trusted
	Fork      *uint64      // of every head; nil: any
	TreeHash  *hash.Digest // of the length that the claim names with `at`, or else of the first head; nil: any
	Claim     *Claim       // nil: `all`
	AnyClaim  bool         // accept any claim that is not about a drive; of Claim, if set, only At counts
	MinLength uint64       // smallest number of blocks in a head

	Out      io.Writer                   // gets the claimed bytes, each group's at once if it is a gather.PiecesWriter, or the file's for a path; nil: nobody
	Names    func(hyperdrive.Item) error // gets the records of names; nil: nobody
	Files    FolderSink                  // gets the files of a path or a tree; nil: nobody
	Progress func(bytes, blocks uint64)  // called after each group with its size; nil: not called
}

// Sink gets verified data in this order: Core, then for each head Head, and for each group Nodes and then its Blocks.
// A stream of a path or a tree is of two logs: Core is called again where groups of the other one follow. Slices are
// valid until the call returns. An error ends Verify, which returns it.
type Sink interface {
	// Core is called when the first head is verified: manifest (nil for a compat core) belongs to key.
	Core(key keys.Key, manifest []byte) error

	// Head is called when a head's signature is verified, with the roots of its length.
	Head(head Head, roots []merkle.Node) error

	// Nodes gets the nodes that a group brought, and those computed from them, but not those of blocks or inside the
	// group, which can be computed from the blocks. Sizes are certain unless Hint is set; it is set only for a claim
	// with At and without Options.TreeHash, see FORMAT.md.
	Nodes(nodes []merkle.Node) error

	// Block gets a block. Its claimed part is data[first:end], the whole block except for a claim of bytes.
	Block(index uint64, data []byte, first, end int) error
}

// A GroupSink is a Sink that wants more information about a group: Verify calls Group instead of Nodes and Block.
type GroupSink interface {
	Sink
	Group(g *Group) error
}

// Group is a verified group of blocks. It is valid until the call to which it is passed returns.
type Group struct {
	First    uint64        // block
	Offset   uint64        // of the first block, in bytes of the log
	Blocks   [][]byte      // none: only nodes came (under a head without new blocks)
	Leaves   []hash.Digest // the leaf hash of each block
	Received []merkle.Node // in the stream, ascending
	Computed []merkle.Node // above the group, children before parents, as for Sink.Nodes
	From, To uint64        // the claimed part: bytes of the group, To exclusive
}

// Summary describes a stream. On an error it holds what was verified until then.
type Summary struct {
	Key      keys.Key
	Manifest []byte // nil for a compat core
	Claim    Claim
	Head     Head          // the last verified one, if Heads is not 0
	Roots    []merkle.Node // of the head
	TreeHash hash.Digest   // of the head, or of the length that the claim names with `at`; zero if that is not certain
	Heads    uint64        // verified
	Nodes    uint64        // received
	Blocks   uint64        // verified and passed on
	Bytes    uint64        // claimed bytes in them; for a path or a tree, bytes of files
	Files    uint64        // verified, for a path or a tree
}

// Verify reads a proof stream up to its end frame and the end of r, and passes on what it has verified. sink may be
// nil. Errors wrap ErrUnverified, ErrPartial or ErrConflict, or are those of r, of the sink, of Out and of ctx. It
// checks ctx between frames; a reader that blocks has to be stopped by its owner.
func Verify(ctx context.Context, r io.Reader, opt Options, sink Sink) (Summary, error) {
	v := &verifier{ctx: ctx, opt: opt, sink: sink, hasher: newHasher()}
	v.groups, _ = sink.(GroupSink)
	buf := buffers.Get().(*[]byte)
	v.in = &reader{from: r, buf: *buf, top: len(*buf)}
	err := v.read()
	v.hasher.close()
	buffers.Put(buf)
	return v.sum, err
}

// buffers are what a Verify reads into. They are reused, since most small streams end before one is full.
var buffers = sync.Pool{New: func() any {
	buf := make([]byte, readBuffer)
	return &buf
}}

type verifier struct {
	ctx    context.Context
	in     *reader
	opt    Options
	sink   Sink
	groups GroupSink // sink, if it is one
	hasher *hasher

	signer *signer
	sum    Summary

	head    Head          // the last, once its frame has come
	roots   []merkle.Node // of the last head verified
	barren  bool          // the last head brought no block
	stack   []merkle.Node // verified nodes that cover the rest of this head's part of the claim; the leftmost last
	next    uint64        // the next block, once one has come
	offset  uint64        // of the next block, in bytes of the log
	size    uint64        // bytes of the log (at the length claimed), if versionCertain
	tree    hash.Digest   // tree hash of it, if versionCertain
	done    bool          // everything claimed has come, however the log grows
	started bool          // a block has come
	total   uint64        // bytes of all blocks
	handed  time.Time     // when the last group was handed on

	tail      bool   // whether the blocks from tailFirst on would be one group if they are not too many, see canonical
	tailFirst uint64 // block
	tailBytes uint64

	// of the current group
	laid    layout
	climber climber
	group   Group
	ids     []uint64      // of the nodes that it has to bring
	split   []merkle.Node // roots of the length that the claim names with `at`, under a new head
	bytes   int           // of the blocks
	frames  [][]byte      // the blocks' bytes, those of each frame together
	blocks  [][]byte      // used by hash, and reused
	leaves  []hash.Digest // likewise
	lengths []int
	run     run // the last frame

	// for streams of folders
	below uint64                             // bytes of the log before the node that the group is hashed up to
	met   func(n merkle.Node, offset uint64) // called for each node that came or was computed
}

// read reads the stream.
func (v *verifier) read() error {
	if err := v.intro(); err != nil {
		return err
	}
	if v.sum.Claim.OfDrive() {
		return v.readFolder()
	}
	for {
		if err := v.ctx.Err(); err != nil {
			return err
		}
		word, err := v.in.peek()
		if err != nil {
			return err
		}
		switch string(word) {
		case wordHead:
			err = v.readHead()
		case wordEnd:
			return v.readEnd()
		default:
			err = v.in.fail("%s instead of a head or the end", spell(word))
		}
		if err != nil {
			return err
		}
	}
}

// spell makes a word from outside fit for a message.
func spell(word []byte) string { return fmt.Sprintf("%q", shorten(string(word))) }
