package drive

import (
	"context"
	"fmt"
	"io"

	"hc/lib/hypercore"
	"hc/lib/keys"
	"hc/lib/proof"
	"hc/lib/store"
)

// Onto reads a proof of a drive's names (hc-proof/1, claim names) and keeps them, with the heads of both logs. That
// is all that an import of the drive's next version needs, so the drive need not be here. A head that does not extend
// the stored one is kept as seen, and is a *hypercore.SeenError.
func Onto(ctx context.Context, in *store.Store, key keys.Key, from io.Reader) error {
	keeper := hypercore.NewKeepers(ctx, in)
	_, err := proof.Verify(ctx, from, proof.Options{Key: &key, Claim: &proof.Claim{Kind: proof.KindNames}}, keeper)
	if closeErr := keeper.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("keeping the names of drive %v: %w", key, err)
	}
	return nil
}
