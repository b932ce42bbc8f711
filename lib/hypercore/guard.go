package hypercore

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/store"
)

// The fork guard: an owner who restores an old copy of a log, or uses its key on two machines, must not sign a second
// history unknowingly. Whichever tool meets a signed head that does not belong to the stored log keeps it, and
// Writers then refuse to append until the owner has taken one of the ways in recover.go.

// Proved is a signed head that was verified, with the data that proves it.
type Proved struct {
	Key      keys.Key
	Manifest []byte     // nil for a compat core
	Head     store.Head // the zero Head if nothing was signed yet
	Roots    []merkle.Node
}

// SeenError says that a core's key signed two heads, and that one does not extend the other as far as is known. It is
// ErrConflict and ErrForked.
type SeenError struct {
	Key         keys.Key
	Here, There store.Head
	Owned       bool // this store writes the core
}

func (e *SeenError) Error() string {
	return fmt.Sprintf("core %v is at %v here and at %v elsewhere, and the key signed both; the log here was not changed",
		e.Key, HeadWords(e.Here), HeadWords(e.There))
}

// Is reports whether target is ErrConflict or ErrForked.
func (e *SeenError) Is(target error) bool { return target == ErrConflict || target == ErrForked }

// Hint says what to do next.
func (e *SeenError) Hint() string {
	switch {
	case e.Owned:
		return fmt.Sprintf("hc doctor %v says what that means, and what can be done", e.Key)
	case e.There.Fork > e.Here.Fork:
		return "hc-fetch --follow-fork takes the newer one in its place"
	}
	return "ask its owner which one is right"
}

// HeadWords describes a head in words that tell two different heads apart.
func HeadWords(head store.Head) string {
	if head.Length == 0 {
		return fmt.Sprintf("fork %d, length 0", head.Fork)
	}
	return fmt.Sprintf("fork %d, length %d, tree %.8s", head.Fork, head.Length, head.TreeHash)
}

// Relation is how a signed head relates to the stored log.
type Relation int

const (
	Behind    Relation = iota // the stored log begins with it, or equals it, or is of a higher fork
	Untold                    // not longer, and the stored log lacks the nodes to compare it by
	Ahead                     // longer, of the same fork; whether it extends the stored one is not known
	Different                 // of a higher fork, or of the same fork with another tree
)

// relate compares a head with the log in a view. nodes are some nodes of the head's tree, such as its roots.
func relate(ctx context.Context, view *store.View, head store.Head, nodes []merkle.Node) (Relation, error) {
	stored := view.Head()
	switch {
	case head.Fork < stored.Fork || head.Length == 0:
		return Behind, nil
	case head.Fork > stored.Fork && stored.Length > 0:
		return Different, nil
	}
	for _, theirs := range nodes {
		ours, known, err := certain(ctx, view, theirs.Index)
		if err != nil {
			return 0, err
		}
		if known && ours.Hash != theirs.Hash {
			return Different, nil
		}
	}
	if head.Length > stored.Length {
		return Ahead, nil
	}
	return relateRoots(ctx, view, head)
}

// relateRoots compares a head that is not longer than the stored log with the roots of that log at the head's length.
// If they give the tree hash, they are right, hints or not.
func relateRoots(ctx context.Context, view *store.View, head store.Head) (Relation, error) {
	hints := false
	roots := make([]merkle.Node, 0, 64)
	for _, index := range merkle.FullRoots(head.Length) {
		root, err := view.Node(ctx, index)
		if errors.Is(err, merkle.ErrNodeMissing) {
			return Untold, nil
		}
		if err != nil {
			return 0, err
		}
		hints = hints || root.Hint
		roots = append(roots, root)
	}
	switch {
	case merkle.TreeHash(roots) == head.TreeHash:
		return Behind, nil
	case hints:
		return Untold, nil
	}
	return Different, nil
}

// certain returns a node of a view; known is false if the node is missing or its size is only a hint.
func certain(ctx context.Context, view *store.View, index uint64) (node merkle.Node, known bool, err error) {
	node, err = view.Node(ctx, index)
	if errors.Is(err, merkle.ErrNodeMissing) {
		return node, false, nil
	}
	return node, err == nil && !node.Hint, err
}

// Guard compares a head that was proved elsewhere with the stored one. One that is longer, or differs, is kept as
// seen, and the error is a *SeenError: a writer that is about to sign must stop.
func Guard(ctx context.Context, in *store.Store, proved Proved) error {
	if proved.Head.Length == 0 {
		return nil
	}
	here, relation, err := relateStored(ctx, in, proved)
	if err != nil {
		return fmt.Errorf("comparing heads of core %v: %w", proved.Key, err)
	}
	if relation == Behind || relation == Untold {
		return nil
	}
	if err := keepSeen(ctx, in, proved.Key, proved.Manifest, proved.Head); err != nil {
		return err
	}
	return &SeenError{Key: proved.Key, Here: here, There: proved.Head, Owned: true}
}

func relateStored(ctx context.Context, in *store.Store, proved Proved) (here store.Head, relation Relation, err error) {
	view, err := in.View(ctx, proved.Key, false)
	if errors.Is(err, store.ErrNotFound) {
		return store.Head{}, Ahead, nil
	}
	if err != nil {
		return store.Head{}, 0, err
	}
	relation, err = relate(ctx, view, proved.Head, proved.Roots)
	return view.Head(), relation, err
}

// Owned reports whether a store writes a core: it holds the secret key, even one that cannot be read.
func Owned(in *store.Store, key keys.Key) bool {
	_, err := in.Secret(key)
	return !errors.Is(err, store.ErrNotFound)
}

// keepSeen keeps a signed head that conflicts with the stored one, unless the stored log has come to include it
// meanwhile.
func keepSeen(ctx context.Context, into *store.Store, key keys.Key, manifest []byte, head store.Head) error {
	return again(func() error {
		tx, err := into.Begin(ctx, key, store.TxOptions{Manifest: manifest, Durable: true})
		if err != nil {
			return err
		}
		defer tx.Abort()
		relation, err := relate(ctx, tx.View(), head, nil)
		if err != nil || relation == Behind {
			return err
		}
		if seen, err := into.SeenHeads(ctx, key); err == nil && slices.ContainsFunc(seen, func(s store.Head) bool { return sameHead(s, head) }) {
			return nil
		}
		if err := tx.Seen(ctx, head); err != nil {
			return err
		}
		return tx.Commit(ctx, nil)
	})
}
