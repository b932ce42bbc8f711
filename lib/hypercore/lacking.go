package hypercore

import (
	"fmt"

	"hc/lib/keys"
)

// LackingError says that the store has lost data that may have included a newer head of a core that it writes: a
// signature now may sign a length for the second time. It is ErrConflict.
type LackingError struct {
	Key    keys.Key
	Reason error
}

func (e *LackingError) Error() string {
	return fmt.Sprintf("the store is damaged, and a newer head of core %v may have been lost: %v", e.Key, e.Reason)
}

// Is reports whether target is ErrConflict.
func (e *LackingError) Is(target error) bool { return target == ErrConflict }

// Hint says what to do next.
func (e *LackingError) Hint() string {
	return "hc fsck --repair --peer ADDR restores what a peer has; if no peer has more, use hc fsck --repair"
}

// checkWhole returns a *LackingError if the log of a core that is about to be signed may have been longer than it
// seems.
func (w *Writer) checkWhole() error {
	if w.sure {
		return nil
	}
	if err := w.store.MayLackHeads(); err != nil {
		return &LackingError{Key: w.auth.Key(), Reason: err}
	}
	return nil
}
