package replicate

import (
	"context"
	"errors"
	"fmt"

	"hc/lib/hash"
	"hc/lib/hypercore"
	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/proof"
	"hc/lib/store"
)

// Two logs of one key may agree in length and in the blocks they have. So a reader that says it has what it is to have is
// asked for its head, which it has to prove, and for the roots of our log in it.

// compares reports whether to ask the reader for its head: it says that it has as much as is here, or a higher fork, and has
// not shown of which log.
func (r *reader) compares() bool {
	snapshot, _ := r.core.current()
	head := signedHead(headOf(snapshot))
	r.mu.Lock()
	defer r.mu.Unlock()
	enough := r.remote.Fork > head.Fork || r.remote.Fork == head.Fork && r.remote.Length >= head.Length
	if !r.conn.goal.wants(r.core.key) || r.sink != nil || r.vain || !enough || r.remote.Length == 0 || r.shown(head) || r.hearings >= maxHearings {
		return false
	}
	r.hearings++
	return true
}

// compare looks at the reader's head, and tells the connection's goal, or ends the push or the connection on a conflict.
func (r *reader) compare(ctx context.Context, d *hypercore.Download) error {
	snapshot, _ := r.core.current()
	head, theirs := signedHead(headOf(snapshot)), d.Proved().Head
	treeHash, err := treeHashAt(ctx, d, head)
	switch {
	case theirs.Length > 0 && theirs.Fork > head.Fork:
		r.conn.give(fmt.Errorf("%w: the peer has core %v at fork %d, this store at fork %d", store.ErrConflict, r.core.key, theirs.Fork, head.Fork))
		return nil
	case errors.Is(err, proof.ErrPartial):
		r.mu.Lock()
		r.vain = true
		r.mu.Unlock()
	case err != nil:
		return err
	case treeHash != head.TreeHash:
		r.conn.give(anotherHistory(r.core.key, head.Length, treeHash))
		return nil
	default:
		r.mu.Lock()
		r.same = head
		r.mu.Unlock()
	}
	return r.checkGoal()
}

// treeHashAt returns the tree hash of a log at the length where another one ends; proof.ErrPartial if it does not prove that
// much.
func treeHashAt(ctx context.Context, d *hypercore.Download, end keys.Head) (treeHash hash.Digest, err error) {
	theirs := d.Proved().Head
	switch {
	case theirs.Length < end.Length || theirs.Fork != end.Fork:
		return treeHash, proof.ErrPartial
	case theirs.Length == end.Length:
		return theirs.TreeHash, nil
	}
	roots, err := merkle.RootsFrom(ctx, d, end.Length)
	if err != nil {
		return treeHash, err
	}
	return merkle.TreeHash(roots), nil
}

func anotherHistory(key keys.Key, length uint64, treeHash hash.Digest) error {
	return fmt.Errorf("%w: the mirror has another history of core %v: %d blocks with tree hash %v", store.ErrConflict, key, length, treeHash)
}

// give ends the push that waits for the peer, or else the connection.
func (c *serverConn) give(why error) {
	if c.failure != nil {
		c.fail(why)
		return
	}
	c.mux.Close(why)
}
