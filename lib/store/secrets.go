package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"hc/lib/keys"
)

const (
	keysFolder  = "keys"
	secretMagic = "hc-secret 1 "
)

// Secret returns the secret key of a core. ErrNotFound if the store does not have it; ErrPermission, with the command
// that mends it, if others may read the file.
func (s *Store) Secret(key keys.Key) (keys.Secret, error) {
	path := filepath.Join(s.dir, keysFolder, key.String())
	if err := s.checkPrivate(path); err != nil {
		return keys.Secret{}, fmt.Errorf("reading the secret key of core %v: %w", key, err)
	}
	raw, err := readSmall(s.fs, path, 1024)
	if errors.Is(err, fs.ErrNotExist) {
		return keys.Secret{}, fmt.Errorf("%w: no secret key of core %v in this store", ErrNotFound, key)
	}
	if err != nil {
		return keys.Secret{}, fmt.Errorf("reading the secret key of core %v: %w", key, err)
	}
	seed, err := openLine(secretMagic, raw)
	if err != nil {
		return keys.Secret{}, fmt.Errorf("reading the secret key of core %v: %s: %w", key, path, err)
	}
	return keys.SecretFromSeed(seed), nil
}

// PutSecret keeps the secret key of a core, durably, in a file that only its owner can read.
func (s *Store) PutSecret(ctx context.Context, key keys.Key, secret keys.Secret) error {
	seed := secret.Seed()
	line := sealedLine(secretMagic + keys.Key(seed).String())
	return s.keep(ctx, keysFolder, key.String(), line, 0o700, 0o600)
}

// checkPrivate refuses a file that others than its owner can get at.
func (s *Store) checkPrivate(path string) error {
	if s.options.fs != nil || runtime.GOOS == "windows" {
		return nil // not a disk with modes
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("%w: %s has mode %04o, so others can get at it: chmod 600 %q, and think about who read it", ErrPermission, path, mode, path)
	}
	return nil
}
