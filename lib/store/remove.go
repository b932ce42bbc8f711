package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/store/packlog"
	"hc/lib/store/records"
	"hc/lib/store/smallfile"
)

// Drop forgets a core with everything the store has of it, durably. Its blocks take room until a GC; those that other
// cores have, too, stay. ErrNotFound if the store does not have the core, ErrLocked while another writer is at work on
// it. Names and the secret key are left alone: see RemoveName and RemoveSecret.
func (s *Store) Drop(ctx context.Context, key keys.Key) error {
	return s.forget(ctx, "dropping", key, func(tx *Tx) error {
		return tx.record(ctx, packlog.KindDrop, records.EncodeDrop(key))
	})
}

// Clear forgets the blocks first … end-1 of a core, durably, and keeps what the proofs of others need. They take room
// until a GC, and may be downloaded again. Blocks that are not held are skipped. Errors are those of Drop.
func (s *Store) Clear(ctx context.Context, key keys.Key, first, end uint64) error {
	return s.forget(ctx, "clearing blocks of", key, func(tx *Tx) error {
		return tx.clear(ctx, first, min(end, tx.view.head.Length))
	})
}

// errNothing says that a transaction has nothing to commit.
var errNothing = errors.New("nothing to do")

// forget commits what fn writes about an existing core.
func (s *Store) forget(ctx context.Context, what string, key keys.Key, fn func(*Tx) error) error {
	tx, err := s.Begin(ctx, key, TxOptions{Durable: true})
	if err != nil {
		return fmt.Errorf("%s core %v: %w", what, key, err)
	}
	defer tx.Abort()
	if tx.view.core == nil {
		return fmt.Errorf("%s core %v: %w", what, key, ErrNotFound)
	}
	if err := fn(tx); errors.Is(err, errNothing) {
		return nil
	} else if err != nil {
		return fmt.Errorf("%s core %v: %w", what, key, err)
	}
	return tx.Commit(ctx, nil)
}

func (tx *Tx) clear(ctx context.Context, first, end uint64) error {
	start, _, ok, err := tx.view.Have(ctx, first)
	if err != nil {
		return err
	}
	if !ok || start >= end {
		return errNothing
	}
	if err := tx.keepProofs(ctx, first, end); err != nil {
		return err
	}
	return tx.record(ctx, packlog.KindClear, records.Clear{Key: tx.key, First: first, End: end}.Encode())
}

// keepProofs writes the nodes that cannot be computed any more once the blocks first … end-1 are gone, and that the
// proofs of other blocks need: the roots of the maximal subtrees over them, and all nodes above these, with their
// siblings.
func (tx *Tx) keepProofs(ctx context.Context, first, end uint64) error {
	var nodes []merkle.Node
	flush := func() error {
		if len(nodes) == 0 {
			return nil
		}
		meta := records.EncodeNodes(tx.key, nodes)
		nodes = nodes[:0]
		return tx.record(ctx, packlog.KindNodes, meta)
	}
	var visit func(index uint64) error
	visit = func(index uint64) error {
		n, err := tx.view.Node(ctx, index)
		if err != nil && !errors.Is(err, merkle.ErrNodeMissing) && !errors.Is(err, ErrDamaged) {
			return err
		}
		known := err == nil
		if known {
			if nodes = append(nodes, n); len(nodes) >= nodesFlush {
				if err := flush(); err != nil {
					return err
				}
			}
		}
		from, to := merkle.FirstBlock(index), merkle.LastBlock(index)
		if to < first || from >= end || known && from >= first && to < end {
			return nil
		}
		if start, _, ok, err := tx.view.Have(ctx, from); err != nil || !ok || start > to {
			return err // nothing below it is held, so nodes records already have what is known of it
		}
		left, right, inner := merkle.Children(index)
		if !inner {
			return nil
		}
		if err := visit(left); err != nil {
			return err
		}
		return visit(right)
	}
	for _, root := range merkle.FullRoots(tx.view.head.Length) {
		if err := visit(root); err != nil {
			return err
		}
	}
	return flush()
}

// RemoveName forgets a local name, durably. ErrNotFound if there is no such name. The core stays.
func (s *Store) RemoveName(ctx context.Context, name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	if err := s.unkeep(ctx, namesFolder, name); err != nil {
		return fmt.Errorf("removing name %q: %w", name, err)
	}
	return nil
}

// RemoveSecret forgets the secret key of a core, durably: without another copy of it nobody can append to the core any
// more. ErrNotFound if it is not here.
func (s *Store) RemoveSecret(ctx context.Context, key keys.Key) error {
	if err := s.unkeep(ctx, keysFolder, key.String()); err != nil {
		return fmt.Errorf("removing the secret key of core %v: %w", key, err)
	}
	return nil
}

// SecretPath returns the path of the file with the secret key of a core. ErrNotFound if there is none.
func (s *Store) SecretPath(key keys.Key) (string, error) {
	path := filepath.Join(s.dir, keysFolder, key.String())
	_, _, err := s.fs.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%w: no secret key of core %v in this store", ErrNotFound, key)
	}
	return path, err
}

// unkeep removes what keep wrote.
func (s *Store) unkeep(ctx context.Context, folder, name string) error {
	if s.options.ReadOnly {
		return ErrReadOnly
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	dir := filepath.Join(s.dir, folder)
	err := s.fs.Remove(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return ErrNotFound
	}
	if err != nil {
		return err
	}
	return smallfile.SyncFolder(s.fs, dir)
}
