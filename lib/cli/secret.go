package cli

import (
	urfave "github.com/urfave/cli/v2"
)

// Secret returns the 32-byte seed of a secret key given from outside the store: by --secret-key-file, else
// $HC_SECRET_KEY_FILE, else $HC_SECRET_KEY; nil where none is. Each holds 64 hex digits (the seed) or 128 (stock's
// secret key: seed and public key). The variable that held a key is removed from the environment. Errors wrap ErrKey
// and never contain the key.
func (std *IO) Secret(c *urfave.Context) (*[32]byte, error) { return nil, nil }
