package hypercore

import (
	"context"
	"errors"
	"fmt"

	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/store"
)

// Snapshot is a core of a store at one instant, with what it takes to prove its parts. Safe for concurrent use.
type Snapshot struct {
	*store.View
	auth     *keys.Auth
	writable bool
}

// OpenSnapshot returns the core as it is now. A core that is signed here is shown only as far as no power cut can take
// it back, since what was announced once must never be signed differently.
func OpenSnapshot(ctx context.Context, in *store.Store, key keys.Key) (*Snapshot, error) {
	_, err := in.Secret(key)
	writable := err == nil
	if err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrPermission) {
		return nil, err
	}
	writable = writable || errors.Is(err, store.ErrPermission)
	view, err := in.View(ctx, key, writable)
	if err != nil {
		return nil, fmt.Errorf("opening core %v: %w", key, err)
	}
	auth, err := keys.NewAuth(key, view.Manifest())
	if err != nil {
		return nil, fmt.Errorf("opening core %v: %w", key, err)
	}
	return &Snapshot{View: view, auth: auth, writable: writable}, nil
}

// Auth returns the core's key with the way its heads are verified.
func (s *Snapshot) Auth() *keys.Auth { return s.auth }

// Writable reports whether this store holds the core's secret key.
func (s *Snapshot) Writable() bool { return s.writable }

// Prove answers a peer's request: the nodes that it asks for, the head's signature with an upgrade, and the block's
// bytes. merkle.ErrInvalidRequest if no peer in its right mind asks that, merkle.ErrFork under another fork,
// store.ErrBlockMissing or merkle.ErrNodeMissing where this store lacks what it takes.
func (s *Snapshot) Prove(ctx context.Context, request merkle.Request) (*merkle.Proof, error) {
	head := s.Head()
	if request.Block != nil {
		held, err := s.Has(ctx, request.Block.Index)
		if err != nil {
			return nil, err
		}
		if !held && request.Block.Index < head.Length {
			return nil, fmt.Errorf("block %d: %w", request.Block.Index, store.ErrBlockMissing)
		}
	}
	proof, err := merkle.Prove(ctx, request, merkle.HeadInfo{Length: head.Length, Fork: head.Fork, Signature: head.Signature}, s.View)
	if err != nil {
		return nil, err
	}
	if request.Manifest {
		proof.Manifest = s.auth.Manifest()
	}
	if proof.Block == nil {
		return proof, nil
	}
	proof.Block.Value, err = s.Block(ctx, proof.Block.Index)
	return proof, err
}
