package main

import (
	urfave "github.com/urfave/cli/v2"

	"hc/lib/cli"
	"hc/lib/keys"
)

func newPull(std *cli.IO) *urfave.App {
	return &urfave.App{
		Name:        "hc-pull",
		Usage:       "update a working copy to the newest version of its drive",
		ArgsUsage:   "[FOLDER]",
		Description: pullDescription,
		Flags:       append(followFlags(), cli.JSONFlag()),
		Metadata: cli.Manual{
			Examples: []cli.Example{
				{Does: "in the folder that hc clone made", Command: "hc pull --peer host"},
			},
			SeeAlso: []string{"hc(1)", "hc-clone(1)", "hc-sync(1)", "hc-checkout(1)"},
		}.Metadata(),
		Action: func(c *urfave.Context) error { return pull(c, std) },
	}
}

const pullDescription = `
hc pull fetches what is new in the drive of a working copy, and updates the files to the newest version. Only what changed travels.
Files that were edited here are not overwritten: if the new version would replace one, nothing is changed, they are named, and the exit
code is 7; --force replaces them. A file that cannot be written, is edited meanwhile, or that no peer has yet, is named, and the exit
code is 3; the next pull tries it again. A pull that was interrupted continues when it is started again.

If an older version is checked out, pull switches to the newest one.
`

func pull(c *urfave.Context, std *cli.IO) error {
	in, tree, err := openTree(c, std)
	if err != nil {
		return err
	}
	defer in.Close()
	if tree.Publishes() {
		return cli.Hint(cli.Exitf(cli.ErrConflict, "the drive is published from here: there is no peer to pull it from"), "hc sync publishes what changed")
	}
	return follow(c, std, tree, keys.Ref{Key: tree.Key()}, false)
}
