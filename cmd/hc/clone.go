package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"hc/lib/cli"
	"hc/lib/cli/network"
	"hc/lib/hypercore"
	"hc/lib/hyperdrive"
	"hc/lib/keys"
	"hc/lib/store"
	"hc/lib/worktree"
)

func newClone(std *cli.IO) *urfave.App {
	return &urfave.App{
		Name:        "hc-clone",
		Usage:       "fetch a drive into a new folder",
		ArgsUsage:   "KEY|NAME FOLDER [PATH...]",
		Description: cloneDescription,
		Flags:       append(followFlags(), cli.JSONFlag()),
		Metadata: cli.Manual{
			Examples: []cli.Example{
				{Does: "a whole drive", Command: "hc clone KEY ./copy --peer host"},
				{Does: "a part of it", Command: "hc clone KEY ./copy data/2024 README.md --peer host"},
				{Does: "a version that cannot change", Command: "hc clone FORK.LENGTH.KEY.TREEHASH ./cited --peer host"},
				{Does: "over ssh", Command: "hc clone KEY ./copy --exec 'ssh host hc-serve -C /srv/data/.hc --stdio'"},
			},
			SeeAlso: []string{"hc(1)", "hc-pull(1)", "hc-sync(1)", "hc-share(1)", "hc-checkout(1)"},
		}.Metadata(),
		Action: func(c *urfave.Context) error { return clone(c, std) },
	}
}

const cloneDescription = `
hc clone fetches a drive and writes its files into FOLDER, each once all of it is verified, with its mode and time. With PATHs it takes
only these files and folders, and only the names that it needs to find them. A clone of FORK.LENGTH.KEY stays at that version; with
its .TREEHASH added it can be no other. A NAME is looked up in the store that $HC_DIR or 'hc -C DIR' names, else in ./.hc, for its key only.

Without --peer, --exec or $HC_PEERS it looks for peers that have the drive: where it came from before, and on the local network, where
'hc share' and 'hc-serve --announce' answer.

FOLDER may have files in it: those that are as in the drive are kept. If one differs, nothing is written unless --force is given: the
files that differ are named, and the exit code is 7. A clone that was interrupted, or lost its peers (6), continues when it is started
again. Names that no disk should take (.., names that differ only in case on a disk that ignores case, a folder named .hc), and links
that lead out of FOLDER, are named and left out, and the exit code is 3, also of later pulls. So is a file that no peer sends as it was
signed; then the exit code is 4, and a later pull tries it again.
`

// followFlags are the flags of verbs that follow a drive.
func followFlags() []urfave.Flag {
	return append(append(network.PeerFlags(), network.DiscoveryFlags()...), network.DedupFlag(),
		&urfave.BoolFlag{Name: "force", Aliases: []string{"f"}, Usage: "replace files that were edited here"})
}

func clone(c *urfave.Context, std *cli.IO) error {
	if c.NArg() < 2 {
		return cli.Usagef("want a KEY and a FOLDER, got %d arguments", c.NArg())
	}
	ref, err := std.Ref(c, c.Args().First())
	if err != nil {
		return err
	}
	parts, err := partsOf(c.Args().Slice()[2:])
	if err != nil {
		return err
	}
	folder := c.Args().Get(1)
	made, err := makeFolder(folder)
	if err != nil {
		return err
	}
	begun, err := cloneInto(c, std, ref, folder, parts)
	if err != nil && made && !begun {
		_ = os.RemoveAll(worktree.StoreDir(folder))
		_ = os.Remove(folder)
	}
	return err
}

// partsOf reads the paths that are wanted.
func partsOf(words []string) (parts []string, err error) {
	for _, word := range words {
		name, err := hyperdrive.CleanName(word)
		if err != nil {
			return nil, cli.Usagef("%v", err)
		}
		if name == "/" {
			return nil, nil
		}
		parts = append(parts, strings.TrimPrefix(name, "/"))
	}
	return parts, nil
}

func makeFolder(folder string) (made bool, err error) {
	if _, err := os.Stat(folder); err == nil {
		return false, nil
	}
	return true, os.MkdirAll(folder, 0o777)
}

// cloneInto clones into a folder. begun says that something was fetched, from which a later clone continues.
func cloneInto(c *urfave.Context, std *cli.IO, ref keys.Ref, folder string, parts []string) (begun bool, err error) {
	in, err := openFolder(c, std, folder, true)
	if err != nil {
		return false, err
	}
	defer in.Close()
	tree, err := treeFor(in, ref, folder, parts)
	if err != nil {
		return false, err
	}
	err = follow(c, std, tree, ref, false)
	cores, _ := in.Cores(context.WithoutCancel(c.Context))
	if errors.Is(err, hypercore.ErrForked) && !tree.At().Pinned && !tree.Interrupted() { // which history came first is chance
		return false, err
	}
	return len(cores) > 0, err
}

// treeFor returns the working copy of a drive in a folder, and creates it if there is none.
func treeFor(in *store.Store, ref keys.Ref, folder string, parts []string) (*worktree.Tree, error) {
	tree, err := worktree.Of(in)
	if errors.Is(err, worktree.ErrNone) {
		return worktree.Create(in, ref.Key, parts)
	}
	if err != nil {
		return nil, err
	}
	if tree.Key() != ref.Key {
		return nil, cli.Exitf(cli.ErrConflict, "%q is a working copy of another drive, %v", folder, tree.Key())
	}
	if fmt.Sprint(tree.Parts) != fmt.Sprint(parts) {
		return nil, cli.Exitf(cli.ErrConflict, "%q has another part of this drive: clone into another folder", folder)
	}
	return tree, nil
}
