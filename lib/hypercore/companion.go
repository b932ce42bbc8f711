package hypercore

import (
	"context"
	"errors"
	"fmt"

	"hc/lib/keyfile"
	"hc/lib/keys"
	"hc/lib/store"
)

// OpenCompanion opens a core of another manifest for appending that the secret key of w signs, too, such as the blobs
// of a drive, whose key follows from that of the drive. It begins such a core only if the core of w is new or has no
// block but a header. A companion that the store merely lacks might have a history elsewhere, whose lengths would be
// signed a second time.
func (w *Writer) OpenCompanion(ctx context.Context, key keys.Key, manifest []byte) (*Writer, error) {
	auth, err := keys.NewAuth(key, manifest)
	if err != nil {
		return nil, err
	}
	if err := checkSigner(auth, w.secret); err != nil {
		return nil, err
	}
	if err := w.mayBegin(ctx, key); err != nil {
		return nil, err
	}
	c := &Writer{store: w.store, auth: auth, secret: w.secret, sure: w.sure}
	tx, err := w.store.Begin(ctx, key, store.TxOptions{Manifest: manifest, Durable: true})
	if err != nil {
		return nil, lockedBy(key.String(), err)
	}
	c.tx = tx
	if err := c.load(ctx, key.String(), AppendOptions{}); err != nil {
		tx.Abort()
		return nil, err
	}
	return c, nil
}

func (w *Writer) mayBegin(ctx context.Context, companion keys.Key) error {
	_, err := w.store.View(ctx, companion, false)
	if !errors.Is(err, store.ErrNotFound) || w.head.Length <= 1 {
		return nil
	}
	return fmt.Errorf("core %v, which belongs to core %v, is not in this store: fetch it before appending: %w", companion, w.Key(), err)
}

// companionSecret returns the secret key of a core that has none of its own in the store: that of another core in the
// store whose manifest names the same signer.
func companionSecret(ctx context.Context, in *store.Store, key keys.Key) (keyfile.File, error) {
	manifest, err := storedManifest(ctx, in, key)
	if err != nil || manifest == nil {
		return keyfile.File{}, store.ErrNotFound
	}
	signers, err := signerOf(manifest)
	if err != nil {
		return keyfile.File{}, err
	}
	owned, err := in.Secrets()
	if err != nil {
		return keyfile.File{}, err
	}
	for _, other := range owned {
		manifest, err := storedManifest(ctx, in, other)
		if err != nil || manifest == nil {
			continue
		}
		if others, err := signerOf(manifest); err == nil && signers == others {
			return in.SecretFile(other)
		}
	}
	return keyfile.File{}, store.ErrNotFound
}

// Signs reports whether a secret key in the store signs a core, even one that cannot be read: its own key, or that of
// the core it belongs to.
func Signs(ctx context.Context, in *store.Store, key keys.Key) bool {
	if Owned(in, key) {
		return true
	}
	_, err := companionSecret(ctx, in, key)
	return !errors.Is(err, store.ErrNotFound)
}

// signerOf returns the public key of a manifest's one signer.
func signerOf(manifest []byte) (keys.Key, error) {
	m, err := keys.DecodeManifest(manifest)
	if err != nil {
		return keys.Key{}, err
	}
	if len(m.Signers) != 1 {
		return keys.Key{}, store.ErrNotFound
	}
	return m.Signers[0].PublicKey, nil
}
