package hypercore

import (
	"context"
	"errors"
	"fmt"

	"hc/lib/keyfile"
	"hc/lib/keys"
	"hc/lib/store"
)

// Unlocker returns the plain form of a locked secret key, as lib/keylock does with a passphrase.
type Unlocker func(context.Context, keyfile.File) (keyfile.File, error)

// SecretOf returns the secret key of a core: from the file, if it is not nil, else from the store. unlock opens a
// locked key; if it is nil, a locked key is an error wrapping keyfile.ErrLocked. ErrReadOnly if the key is not here,
// or is another core's. A core without a secret key of its own, such as the blobs of a drive, is signed with that of
// the core it belongs to.
func SecretOf(ctx context.Context, in *store.Store, key keys.Key, from *keyfile.File, unlock Unlocker) (keys.Secret, error) {
	if from != nil {
		file, err := from.For(key)
		if err != nil {
			return keys.Secret{}, notSigner(key)
		}
		return open(ctx, file, unlock)
	}
	file, err := in.SecretFile(key)
	if errors.Is(err, store.ErrNotFound) {
		file, err = companionSecret(ctx, in, key)
	}
	if errors.Is(err, store.ErrNotFound) {
		return keys.Secret{}, fmt.Errorf("%w for core %v in this store: only its holder can append", ErrReadOnly, key)
	}
	if err != nil {
		return keys.Secret{}, err
	}
	return open(ctx, file, unlock)
}

// open returns the secret of a file, plain or locked.
func open(ctx context.Context, file keyfile.File, unlock Unlocker) (keys.Secret, error) {
	key, _ := file.Key()
	if !file.Locked() {
		return file.Secret()
	}
	if unlock == nil {
		return keys.Secret{}, fmt.Errorf("core %v: %w", key, keyfile.ErrLocked)
	}
	opened, err := unlock(ctx, file)
	if err != nil {
		return keys.Secret{}, err
	}
	return opened.Secret()
}

// CheckSecret returns nil if a secret key signs for the core key, by the manifest in the store, else by the one that
// follows from the secret key. ErrReadOnly if it does not.
func CheckSecret(ctx context.Context, in *store.Store, key keys.Key, secret keys.Secret) error {
	manifest, err := storedManifest(ctx, in, key)
	if errors.Is(err, store.ErrNotFound) {
		manifest, err = keys.ManifestOf(key, secret.Public())
	}
	if errors.Is(err, keys.ErrKey) {
		return notSigner(key)
	}
	if err != nil {
		return err
	}
	auth, err := keys.NewAuth(key, manifest)
	if err != nil {
		return err
	}
	return checkSigner(auth, secret)
}

// checkSigner tries to sign the zero head, which is no head.
func checkSigner(auth *keys.Auth, secret keys.Secret) error {
	_, err := auth.Sign(secret, keys.Head{})
	if errors.Is(err, keys.ErrKey) {
		return notSigner(auth.Key())
	}
	return err
}

// storedManifest returns the manifest that the store has of a core. store.ErrNotFound if it does not know the core.
func storedManifest(ctx context.Context, in *store.Store, key keys.Key) ([]byte, error) {
	view, err := in.View(ctx, key, false)
	if err != nil {
		return nil, err
	}
	return view.Manifest(), nil
}
