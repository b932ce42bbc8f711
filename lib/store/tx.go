package store

import (
	"context"

	"hc/lib/hash"
	"hc/lib/keys"
	"hc/lib/merkle"
)

// TxOptions say what a transaction is for.
type TxOptions struct {
	Manifest []byte // encoded; for a core that the store does not know yet, nil if it is a compat core
	Durable  bool   // synced at the commit: own appends
	Short    bool   // many small blocks such as lines: stored compactly, not found by Has
}

// Tx is one append to, or download into, one core. Not for concurrent use. End it with Commit or Abort.
type Tx struct{}

// Begin starts a transaction on the core: it is the core's only writer until Commit or Abort. ErrLocked (after the wait
// of Options) if there is another one.
func (s *Store) Begin(ctx context.Context, key keys.Key, options TxOptions) (*Tx, error) {
	return nil, ErrReadOnly
}

// View returns the core as it was when the transaction began.
func (tx *Tx) View() *View { return nil }

// Has reports whether a block is in the store or came earlier in this transaction.
func (tx *Tx) Has(ctx context.Context, leaf hash.Digest) (bool, error) { return false, ErrNotFound }

// Append adds the next block. leaf is its leaf hash, which is trusted. data is not kept after the return.
func (tx *Tx) Append(ctx context.Context, leaf hash.Digest, data []byte) error { return ErrReadOnly }

// Put adds a verified block anywhere. data nil: a block of that leaf hash is in the store already (ErrBlockMissing if
// not); data is not kept after the return.
func (tx *Tx) Put(ctx context.Context, block uint64, leaf hash.Digest, data []byte) error {
	return ErrReadOnly
}

// Nodes adds verified tree nodes that do not follow from blocks that are held.
func (tx *Tx) Nodes(ctx context.Context, nodes []merkle.Node) error { return ErrReadOnly }

// Seen keeps a signed head of this core that conflicts with the stored one.
func (tx *Tx) Seen(ctx context.Context, head Head) error { return ErrReadOnly }

// Commit makes all of the transaction visible at once under the head that it gets from head, which is called under the
// append lock, behind the last check that nobody recovered: sign there. ErrOvertaken: begin again.
func (tx *Tx) Commit(ctx context.Context, head func() (Head, error)) error { return ErrReadOnly }

// Abort ends the transaction without a trace. After Commit it does nothing.
func (tx *Tx) Abort() {}
