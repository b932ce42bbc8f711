package cli

import urfave "github.com/urfave/cli/v2"

// defaultStore is the store's folder if neither --dir nor $HC_DIR names one.
const defaultStore = ".hc"

// StoreFlag is -C/--dir DIR, the store's folder; read it with [IO.StoreDir]. Its long name is not --store, which is
// hc-verify's word for keeping what it verified. Flags carry state, so each app gets new ones.
func StoreFlag() urfave.Flag {
	return &urfave.StringFlag{
		Name: "dir", Aliases: []string{"C"}, TakesFile: true,
		Usage: "the store is the folder `DIR` (else $HC_DIR, else ./.hc)",
	}
}

// JSONFlag is --json; an action reads IO.JSON. Results are JSON Lines on standard output where they are words;
// progress, the summary, notes, warnings and the error are JSON Lines on standard error.
func JSONFlag() urfave.Flag {
	return &urfave.BoolFlag{Name: "json", Usage: "write JSON Lines instead of text"}
}

func quietFlag() urfave.Flag {
	return &urfave.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "no progress and no notes, only warnings and errors"}
}

func verboseFlag() urfave.Flag {
	return &urfave.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Usage: "log what happens, on standard error"}
}

// StoreDir returns the store's folder: --dir, else $HC_DIR, else ./.hc.
func (std *IO) StoreDir(c *urfave.Context) string {
	if dir := c.String("dir"); dir != "" {
		return dir
	}
	if dir := std.Getenv("HC_DIR"); dir != "" {
		return dir
	}
	return defaultStore
}
