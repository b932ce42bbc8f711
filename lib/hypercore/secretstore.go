package hypercore

import (
	"context"
	"errors"
	"fmt"

	"hc/lib/store"
)

// keepKey writes the secret key and the name before the core's first commit: a log whose key is lost ends there. It
// is called under the store's append lock. So if two processes give the same name to a new core each, the second one
// finds the name taken; otherwise the first one's core would have lost its name.
func (w *Writer) keepKey(ctx context.Context) error {
	if w.name == "" {
		return nil
	}
	switch key, err := w.store.Resolve(w.name); {
	case err == nil && key != w.auth.Key():
		return fmt.Errorf("core %q: %w", w.name, errNameTaken)
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return err
	}
	if err := w.keepSecret(ctx); err != nil {
		return fmt.Errorf("keeping the secret key of core %q: %w", w.name, err)
	}
	if err := w.store.SetName(ctx, w.name, w.auth.Key()); err != nil {
		return fmt.Errorf("naming core %q: %w", w.name, err)
	}
	return nil
}

// keepSecret leaves a locked key as it is: a core that is created from its secret key may be here under another name.
func (w *Writer) keepSecret(ctx context.Context) error {
	if file, err := w.store.SecretFile(w.auth.Key()); err == nil && file.Locked() {
		return nil
	}
	return w.store.PutSecretFile(ctx, w.kept)
}
