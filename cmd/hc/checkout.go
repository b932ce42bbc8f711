package main

import (
	"strconv"

	urfave "github.com/urfave/cli/v2"

	"hc/lib/cli"
	"hc/lib/drive"
	"hc/lib/worktree"
)

func newCheckout(std *cli.IO) *urfave.App {
	return &urfave.App{
		Name:        "hc-checkout",
		Usage:       "switch a working copy to another version",
		ArgsUsage:   "VERSION|newest",
		Description: checkoutDescription,
		Flags: []urfave.Flag{
			&urfave.BoolFlag{Name: "force", Aliases: []string{"f"}, Usage: "replace files that were edited here"},
			cli.JSONFlag(),
		},
		Metadata: cli.Manual{
			Examples: []cli.Example{
				{Does: "go to version 12", Command: "hc checkout 12"},
				{Does: "go back to the newest version", Command: "hc checkout newest"},
			},
			SeeAlso: []string{"hc(1)", "hc-log(1)", "hc-pull(1)", "hc-diff(1)"},
		}.Metadata(),
		Action: func(c *urfave.Context) error { return checkout(c, std) },
	}
}

const checkoutDescription = `
hc checkout writes the files of a version in the store into the working copy, and removes files that this version does not have. Files
that were edited are not overwritten: nothing is changed then, they are named, and the exit code is 7. 'hc log' shows the versions; of
several that were imported together only the last one can be checked out. If a checkout was interrupted, run it again, for this version
or another one.

A follower's store has the content of the versions that it pulled; of others it may lack some (exit code 3). hc pull goes to the newest
version that peers have, 'hc checkout newest' to the newest one in the store. If the drive is published from here, check out the newest
version before you share again: an older one must not be published over a newer one.
`

func checkout(c *urfave.Context, std *cli.IO) error {
	if c.NArg() != 1 {
		return cli.Usagef("want one VERSION, got %d arguments", c.NArg())
	}
	word := c.Args().First()
	root, ok := worktree.Find(".")
	if !ok {
		return noTree(".")
	}
	in, err := openFolder(c, std, root, false)
	if err != nil {
		return err
	}
	defer in.Close()
	tree, err := worktree.Of(in)
	if err != nil {
		return err
	}
	to, err := tree.Newest(c.Context)
	if err != nil {
		return err
	}
	if word != "newest" {
		version, err := strconv.ParseUint(word, 10, 53)
		if err != nil {
			return cli.Usagef("%q is not a version: want a number, as 'hc log' shows it, or the word newest", word)
		}
		if to, err = to.At(c.Context, version); err != nil {
			return err
		}
	}
	return checkOut(c, std, tree, to, word != "newest")
}

func checkOut(c *urfave.Context, std *cli.IO, tree *worktree.Tree, to *drive.Drive, pinned bool) error {
	f := &following{std: std, tree: tree, progress: cli.NewProgress(std, cli.ProgressOptions{})}
	defer f.progress.Done()
	ref, err := to.Ref(c.Context)
	if err != nil {
		return err
	}
	tree.Pin(pinned)
	done, err := tree.Update(c.Context, ref, worktree.Stored(to), worktree.UpdateOptions{Force: c.Bool("force"), Refused: f.refuse})
	if err == nil {
		f.progress.Done()
		f.pulled(ref, done)
	}
	return f.end(err)
}
