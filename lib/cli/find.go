package cli

import (
	"errors"

	urfave "github.com/urfave/cli/v2"

	"hc/lib/hypercore"
	"hc/lib/keys"
	"hc/lib/store"
)

// Ref returns the core that a word names, for a tool that needs no store: a key, else a name in the store, if there is
// one.
func (std *IO) Ref(c *urfave.Context, word string) (keys.Ref, error) {
	if ref, err := keys.ParseRef(word); err == nil {
		return ref, nil
	}
	in, err := store.Open(c.Context, std.StoreDir(c), store.Options{ReadOnly: true})
	if errors.Is(err, store.ErrNoStore) {
		return hypercore.Find(c.Context, nil, word)
	}
	if err != nil {
		return keys.Ref{}, err
	}
	defer in.Close()
	return hypercore.Find(c.Context, in, word)
}
