package hypercore

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"hc/lib/keys"
	"hc/lib/lent"
	"hc/lib/merkle"
	"hc/lib/store"
)

// Snapshot is a core of a store at one instant, with the means to prove its parts. It is safe for concurrent use.
type Snapshot struct {
	*store.View
	store    *store.Store
	auth     *keys.Auth
	writable bool
	synced   bool // shows only data that no power cut can take back
}

// OpenSnapshot returns the core as it is now. A core that is signed here is shown only as far as no power cut can
// take it back, since a head that was announced once must never be signed differently.
func OpenSnapshot(ctx context.Context, in *store.Store, key keys.Key) (*Snapshot, error) {
	_, err := in.Secret(key)
	writable := !errors.Is(err, store.ErrNotFound) // a key that cannot be read counts, too
	s := &Snapshot{store: in, writable: writable, synced: writable}
	return s.reopen(ctx, key)
}

// OpenSynced is OpenSnapshot for a caller that acknowledges to others that the core is safe here: whoever signs the
// core, it shows nothing that a power cut could take back.
func OpenSynced(ctx context.Context, in *store.Store, key keys.Key) (*Snapshot, error) {
	s, err := OpenSnapshot(ctx, in, key)
	if err != nil || s.synced {
		return s, err
	}
	s.synced = true
	return s.reopen(ctx, key)
}

// Newest returns the core as it is now, at a lower cost than OpenSnapshot.
func (s *Snapshot) Newest(ctx context.Context) (*Snapshot, error) { return s.reopen(ctx, s.Key()) }

func (s *Snapshot) reopen(ctx context.Context, key keys.Key) (*Snapshot, error) {
	view, err := s.store.View(ctx, key, s.synced)
	if err != nil {
		return nil, fmt.Errorf("opening core %v: %w", key, err)
	}
	now := &Snapshot{View: view, store: s.store, auth: s.auth, writable: s.writable, synced: s.synced}
	if s.auth != nil && bytes.Equal(s.View.Manifest(), view.Manifest()) {
		return now, nil
	}
	if now.auth, err = keys.NewAuth(key, view.Manifest()); err != nil {
		return nil, fmt.Errorf("opening core %v: %w", key, err)
	}
	return now, nil
}

// Auth returns the core's key with the way its heads are verified.
func (s *Snapshot) Auth() *keys.Auth { return s.auth }

// Writable reports whether this store holds the core's secret key.
func (s *Snapshot) Writable() bool { return s.writable }

// Prove answers a peer's request: with the nodes that it asks for, the head's signature for an upgrade, and the
// block's bytes. merkle.ErrInvalidRequest if no sane peer asks for that, merkle.ErrFork under another fork,
// store.ErrBlockMissing, merkle.ErrNodeMissing or merkle.ErrHint if this store lacks what it takes. The block's bytes
// lie in the returned memory, which may be nil; the caller gets a hold on it.
func (s *Snapshot) Prove(ctx context.Context, request merkle.Request) (*merkle.Proof, *lent.Memory, error) {
	head := s.Head()
	if request.Block != nil {
		held, err := s.Has(ctx, request.Block.Index)
		if err != nil {
			return nil, nil, err
		}
		if !held && request.Block.Index < head.Length {
			return nil, nil, fmt.Errorf("block %d: %w", request.Block.Index, store.ErrBlockMissing)
		}
	}
	info := merkle.HeadInfo{Length: head.Length, Fork: head.Fork, Signature: head.Signature}
	if p := s.auth.Prologue(); p != nil {
		info.Prologue = p.Length
	}
	proof, err := merkle.Prove(ctx, request, info, s.View)
	if err != nil {
		return nil, nil, err
	}
	if request.Manifest {
		proof.Manifest = s.auth.Manifest()
	}
	if proof.Block == nil {
		return proof, nil, nil
	}
	block, err := s.Lend(ctx, proof.Block.Index)
	proof.Block.Value = block.Data
	return proof, block.Memory, err
}
