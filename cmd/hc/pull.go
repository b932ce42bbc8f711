package main

import (
	urfave "github.com/urfave/cli/v2"

	"hc/lib/cli"
	"hc/lib/keys"
)

func newPull(std *cli.IO) *urfave.App {
	return &urfave.App{
		Name:        "hc-pull",
		Usage:       "bring the newest version of a drive into its working copy",
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
hc pull fetches what is new in the drive of a working copy, and makes its files those of the newest version. Only what changed
travels. Files that were edited here are not overwritten: where the new version would replace one, nothing is changed, they are named, and the
exit code is 7; --force replaces them. What cannot be written, is edited meanwhile, or nobody has yet, is named, and the exit
code is 3; the next pull tries it again. One that was interrupted goes on when it is started again.

Where an older version is checked out, pull goes over to the newest one.
`

func pull(c *urfave.Context, std *cli.IO) error {
	in, tree, err := openTree(c, std)
	if err != nil {
		return err
	}
	defer in.Close()
	if tree.Publishes() {
		return cli.Hint(cli.Exitf(cli.ErrConflict, "the drive is published from here: there is nobody to pull it from"), "hc sync publishes what changed")
	}
	return follow(c, std, tree, keys.Ref{Key: tree.Key()}, false)
}
