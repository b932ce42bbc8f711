package store

import (
	"context"
	"time"

	"hc/lib/hash"
	"hc/lib/keys"
)

// Options say how a store is opened. The zero value opens an existing one for reading and writing.
type Options struct {
	Create   bool          // make the folder if it is not there
	ReadOnly bool          // never write; works on a read-only disk
	LockWait time.Duration // how long to wait for a lock; 0: a default of 10 s, negative: not at all
}

// Store is an open store. Its methods are safe for concurrent use, by many goroutines and many processes.
type Store struct {
	dir string
}

// Open opens the store in folder dir.
func Open(ctx context.Context, dir string, options Options) (*Store, error) {
	return nil, ErrNotFound
}

// Close waits for nothing but lets go of all files; views and transactions must be done with.
func (s *Store) Close() error { return nil }

// Dir returns the store's folder, as it was given to Open.
func (s *Store) Dir() string { return s.dir }

// NetworkFS reports whether the store lies on a network file system, where locks and syncs cannot be relied on.
func (s *Store) NetworkFS() bool { return false }

// Cores lists the keys of all cores that have a head or a transaction of their own, sorted.
func (s *Store) Cores(ctx context.Context) ([]keys.Key, error) { return nil, ErrNotFound }

// Has reports whether the store holds the block with that leaf hash, in any core.
func (s *Store) Has(ctx context.Context, leaf hash.Digest) (bool, error) { return false, ErrNotFound }

// Watch returns a signal that comes, coalesced, whenever something was committed by any process. Closed with ctx.
func (s *Store) Watch(ctx context.Context) (<-chan struct{}, error) { return nil, ErrNotFound }

// Name is a local name for a core.
type Name struct {
	Name string
	Key  keys.Key
}

// Names lists the local names, sorted.
func (s *Store) Names() ([]Name, error) { return nil, ErrNotFound }

// Resolve returns the key that a local name stands for, or ErrNotFound.
func (s *Store) Resolve(name string) (keys.Key, error) { return keys.Key{}, ErrNotFound }

// SetName makes name stand for key, durably.
func (s *Store) SetName(ctx context.Context, name string, key keys.Key) error { return ErrName }

// Secret returns the secret key of the core, or ErrNotFound.
func (s *Store) Secret(key keys.Key) (keys.Secret, error) { return keys.Secret{}, ErrNotFound }

// PutSecret keeps the secret key of a core, durably.
func (s *Store) PutSecret(ctx context.Context, key keys.Key, secret keys.Secret) error {
	return ErrPermission
}

// SeenHeads lists heads of the core that conflict with the stored one, oldest first.
func (s *Store) SeenHeads(ctx context.Context, key keys.Key) ([]Head, error) { return nil, ErrNotFound }
