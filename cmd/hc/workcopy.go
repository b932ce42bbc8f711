package main

import (
	urfave "github.com/urfave/cli/v2"

	"hc/lib/cli"
	"hc/lib/store"
	"hc/lib/worktree"
)

// openTree opens the working copy that the argument names, or else the one that the current folder is in.
func openTree(c *urfave.Context, std *cli.IO) (*store.Store, *worktree.Tree, error) {
	folder := "."
	switch c.NArg() {
	case 0:
		if root, ok := worktree.Find("."); ok {
			folder = root
		}
	case 1:
		folder = c.Args().First()
	default:
		return nil, nil, cli.Usagef("want one FOLDER, got %d arguments", c.NArg())
	}
	if !worktree.Is(folder) {
		return nil, nil, noTree(folder)
	}
	in, err := openFolder(c, std, folder, false)
	if err != nil {
		return nil, nil, err
	}
	tree, err := worktree.Of(in)
	if err != nil {
		in.Close()
		return nil, nil, err
	}
	return in, tree, nil
}

func noTree(folder string) error {
	return cli.Hint(cli.Exitf(cli.ErrNotFound, "%q is not a working copy", folder), "hc clone makes one from a drive, hc share from a folder")
}
