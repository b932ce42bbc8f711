package hypercore

import (
	"context"
	"errors"
	"fmt"

	"hc/lib/merkle"
	"hc/lib/store"
)

// Conflict verifies a head that was proved from nothing and that the key signed, although it may not extend the log
// here. It takes nothing in. The head conflicts if it is of another fork, or if its log differs from ours: to show
// that, the proof's upgrade must go from 0 to the shorter of the two lengths. ok is false if the two agree as far as
// can be known; if another proof of the same peer did not verify, that is then the peer's fault, not the owner's.
func (d *Download) Conflict(ctx context.Context, proof *merkle.Proof) (head store.Head, ok bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if proof.Upgrade == nil || proof.Upgrade.Start != 0 {
		return store.Head{}, false, fmt.Errorf("%w: it has no head that is proved from length 0", merkle.ErrUnverified)
	}
	auth, err := d.authFor(proof)
	if err != nil {
		return store.Head{}, false, err
	}
	none := nodeSource(func(_ context.Context, index uint64) (merkle.Node, error) {
		return merkle.Node{}, merkle.ErrNodeMissing
	})
	state := merkle.State{Fork: proof.Fork, Prologue: prologue(auth)}
	verified, err := merkle.Verify(ctx, proof, state, none, checkHead(auth))
	if err != nil {
		return store.Head{}, false, err
	}
	head = headOf(verified)
	if d.state.Length == 0 || head.Fork != d.state.Fork {
		return head, head.Fork > d.state.Fork && d.state.Length > 0, nil
	}
	for _, theirs := range verified.Nodes {
		ours, err := d.node(ctx, theirs.Index)
		if errors.Is(err, merkle.ErrNodeMissing) {
			continue
		}
		if err != nil {
			return head, false, err
		}
		if ours.Hash != theirs.Hash {
			return head, true, nil
		}
	}
	return head, false, nil
}

// KeepSeen keeps a signed head that does not extend the log here, so that the owner learns of it before the next
// signature.
func (d *Download) KeepSeen(ctx context.Context, head store.Head) error {
	if d.into == nil {
		return nil
	}
	return keepSeen(ctx, d.into, d.key, d.Manifest(), head)
}

// again repeats do if another process repaired the store meanwhile.
func again(do func() error) error {
	for tries := 1; ; tries++ {
		if err := do(); tries == maxTries || !errors.Is(err, store.ErrOvertaken) {
			return err
		}
	}
}
