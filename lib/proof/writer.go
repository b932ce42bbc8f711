package proof

import (
	"context"
	"io"

	"hc/lib/keys"
	"hc/lib/merkle"
)

// Head is a signed head of a log, as a stream carries it.
type Head struct {
	Fork       uint64
	Length     uint64 // blocks
	ByteLength uint64
	Signature  []byte // the field, as package keys reads it; none: nothing has been signed yet
}

// Source is what a proof stream is written from. Every method may block until the data is there, as in a live download,
// and returns when ctx is done. Write calls Block from one goroutine and the other methods from another.
type Source interface {
	Key() keys.Key
	Manifest() []byte // encoded; nil for a compat core

	// Head returns the newest head, one without a signature if nothing was signed yet.
	Head(ctx context.Context) (Head, error)

	// Next waits for a head longer than after, and returns io.EOF when there will be none.
	Next(ctx context.Context, after Head) (Head, error)

	// Node returns a tree node of the newest head that Head or Next returned.
	merkle.NodeSource

	// Block returns a block, or an error wrapping ErrBlockMissing when it will not come. The bytes must not change
	// until Write returns.
	Block(ctx context.Context, index uint64) ([]byte, error)
}

// WriteOptions says what a stream is to prove.
type WriteOptions struct {
	Claim Claim
	Live  bool // go on with later heads until the source has no more, or the claim's range is complete
}

// Write writes a proof stream. It returns an error wrapping ErrPartial if what was asked for did not all exist or come;
// then what there is has been written.
func Write(ctx context.Context, w io.Writer, src Source, opt WriteOptions) error {
	return ErrUnsupported
}
