package main

import (
	"fmt"

	urfave "github.com/urfave/cli/v2"

	"hc/lib/cli"
	"hc/lib/store"
)

func newFsck(std *cli.IO) *urfave.App {
	return &urfave.App{
		Name:        "hc-fsck",
		Usage:       "check that a store holds what was signed",
		Description: fsckDescription,
		Flags:       []urfave.Flag{cli.StoreFlag(), cli.JSONFlag()},
		Metadata: cli.Manual{
			Examples: []cli.Example{
				{Does: "check the store ./.hc", Command: "hc fsck"},
				{Does: "check another one, for a script", Command: "hc fsck -C /srv/data/.hc --json"},
			},
			SeeAlso: []string{"hc(1)", "hc-append(1)", "hc-fetch(1)"},
		}.Metadata(),
		Action: func(c *urfave.Context) error {
			if c.Args().Present() {
				return cli.Usagef("unexpected argument %q", c.Args().First())
			}
			return fsck(c, std)
		},
	}
}

const fsckDescription = `
hc fsck reads every block of every log in the store, compares it with its hash, the hashes with the tree, and the tree with
what the owner signed. It only reads, and others may write to the store meanwhile.

What is wrong is written to standard output, a line each, and the exit code is then 4.
`

func fsck(c *urfave.Context, std *cli.IO) error {
	of, err := store.Open(c.Context, std.StoreDir(c), store.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer of.Close()
	progress := cli.NewProgress(std, cli.ProgressOptions{DataOut: true})
	found := 0
	err = of.Check(c.Context, store.CheckOptions{
		Progress: func(bytes, blocks int) { progress.Add(int64(bytes), int64(blocks)) },
		Found: func(f store.Finding) {
			found++
			printFinding(std, f)
		},
	})
	progress.Done()
	switch {
	case err != nil:
		return err
	case found > 0:
		return cli.Exitf(cli.ErrUnverified, "the store %q is damaged: %d findings", of.Dir(), found)
	}
	return nil
}

// printFinding writes one line. An output that fails shows in the exit code, as Run sees to it.
func printFinding(std *cli.IO, f store.Finding) {
	if std.JSON {
		_ = cli.WriteJSON(std.Out, struct {
			Type  string `json:"type"`
			Core  string `json:"core"`
			First uint64 `json:"first"`
			End   uint64 `json:"end"`
			What  string `json:"what"`
		}{"finding", f.Core.String(), f.First, f.End, f.What})
		return
	}
	where := fmt.Sprintf("core %v", f.Core)
	if f.First < f.End {
		where += fmt.Sprintf(", blocks %d-%d", f.First, f.End-1)
	}
	fmt.Fprintf(std.Out, "%s: %s\n", where, f.What)
}
