package hypercore

import (
	"context"
	"errors"

	"hc/lib/keys"
	"hc/lib/store"
)

// CheckSecret returns nil if a secret key signs for the core key: by the manifest that the store has of it, else by the
// one that follows from the secret key. ErrReadOnly if it does not.
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

// checkSigner asks for a signature of what is no head.
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
