package cli

import (
	urfave "github.com/urfave/cli/v2"
)

// DefaultStore is the store's folder where neither --store nor $HC_DIR names one.
const DefaultStore = ".hc"

// StoreFlag is -C/--store DIR, the store's folder; read it with [IO.StoreDir]. Flags carry state, so each app gets new
// ones.
func StoreFlag() urfave.Flag {
	return &urfave.StringFlag{
		Name: "store", Aliases: []string{"C"}, TakesFile: true,
		Usage: "the store is the folder `DIR` (else $HC_DIR, else ./.hc)",
	}
}

// JSONFlag is --json; an action reads IO.JSON.
func JSONFlag() urfave.Flag {
	return &urfave.BoolFlag{Name: "json", Usage: "write JSON Lines instead of text"}
}

// SecretFlag is --secret-key-file FILE; read it with [IO.Secret].
func SecretFlag() urfave.Flag {
	return &urfave.StringFlag{
		Name: "secret-key-file", TakesFile: true,
		Usage: "read the secret key from `FILE` (a descriptor: /dev/fd/3) instead of the store",
	}
}

// StoreDir returns the store's folder: --store, else $HC_DIR, else ./.hc.
func (std *IO) StoreDir(c *urfave.Context) string {
	if dir := c.String("store"); dir != "" {
		return dir
	}
	if dir := std.Getenv("HC_DIR"); dir != "" {
		return dir
	}
	return DefaultStore
}
