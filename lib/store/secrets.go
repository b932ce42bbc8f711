package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"hc/lib/keyfile"
	"hc/lib/keys"
	"hc/lib/store/smallfile"
)

const keysFolder = "keys"

// Secret returns the secret key of a core. ErrNotFound if the store does not have it; ErrPermission, with a command
// that mends it, if others can get at the file; keyfile.ErrLocked if a passphrase is needed: see SecretFile.
func (s *Store) Secret(key keys.Key) (keys.Secret, error) {
	file, err := s.SecretFile(key)
	if err != nil {
		return keys.Secret{}, err
	}
	secret, err := file.Secret()
	if err != nil {
		return keys.Secret{}, fmt.Errorf("core %v: %w", key, err)
	}
	return secret, nil
}

// SecretFile returns the secret key of a core as it is kept, plain or locked. Its errors are those of Secret.
func (s *Store) SecretFile(key keys.Key) (keyfile.File, error) {
	path := filepath.Join(s.dir, keysFolder, key.String())
	if err := s.checkPrivate(path); err != nil {
		return keyfile.File{}, fmt.Errorf("reading the secret key of core %v: %w", key, err)
	}
	raw, err := smallfile.Read(s.fs, path, keyfile.MaxSize)
	if errors.Is(err, fs.ErrNotExist) {
		return keyfile.File{}, fmt.Errorf("%w: no secret key of core %v in this store", ErrNotFound, key)
	}
	if err != nil {
		return keyfile.File{}, fmt.Errorf("reading the secret key of core %v: %w", key, err)
	}
	file, err := keyfile.Decode(raw)
	if err == nil {
		file, err = file.For(key)
	}
	if err != nil {
		return keyfile.File{}, fmt.Errorf("reading the secret key of core %v: %s: %w: %w", key, path, ErrDamaged, err)
	}
	return file, nil
}

// PutSecret stores the secret key of a core, durably, in a file that only its owner can read.
func (s *Store) PutSecret(ctx context.Context, key keys.Key, secret keys.Secret) error {
	return s.PutSecretFile(ctx, keyfile.New(key, secret))
}

// PutSecretFile stores a secret key as it is, plain or locked, durably, in a file that only its owner can read, in
// place of the one stored for its core before. The file must say which core that is.
func (s *Store) PutSecretFile(ctx context.Context, file keyfile.File) error {
	key, ok := file.Key()
	if !ok {
		return fmt.Errorf("storing a secret key: %w: it does not say which core it is for", keyfile.ErrFormat)
	}
	return s.keep(ctx, keysFolder, key.String(), file.Encode(), 0o700, 0o600)
}

// Secrets lists the cores whose secret key is here, usable or not, ascending.
func (s *Store) Secrets() ([]keys.Key, error) {
	entries, err := s.fs.ReadDir(filepath.Join(s.dir, keysFolder))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing secret keys: %w", err)
	}
	var list []keys.Key
	for _, name := range entries {
		if key, err := keys.ParseKey(name); err == nil && key.String() == name { // else a temporary file, or not the store's
			list = append(list, key)
		}
	}
	return list, nil
}

// checkPrivate refuses a file that anybody but its owner can get at.
func (s *Store) checkPrivate(path string) error {
	if s.options.fs != nil {
		return nil // not a disk with modes
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return keyfile.CheckPrivate(path, info)
}
