package main

import (
	urfave "github.com/urfave/cli/v2"

	"hc/lib/cli"
	"hc/lib/store"
)

func newRepack(std *cli.IO) *urfave.App {
	return &urfave.App{
		Name:        "hc-repack",
		Usage:       "rewrite a store to make it smaller",
		Description: repackDescription,
		Flags: []urfave.Flag{
			cli.StoreFlag(),
			&urfave.BoolFlag{Name: "cold", Usage: "compress as much as possible, which is slow: for what is kept, not changed"},
			cli.JSONFlag(),
		},
		Metadata: cli.Manual{
			Examples: []cli.Example{
				{Does: "join what many short appends left", Command: "hc repack"},
				{Does: "make an archive as small as it gets", Command: "hc repack --cold"},
			},
			SeeAlso: []string{"hc(1)", "hc-fsck(1)", "hc-gc(1)"},
		}.Metadata(),
		Action: func(c *urfave.Context) error {
			return collect(c, std, func(in *store.Store, progress func(int64)) (store.GCReport, error) {
				return in.Repack(c.Context, store.RepackOptions{Cold: c.Bool("cold"), Progress: progress})
			})
		},
	}
}

const repackDescription = `
hc repack does what 'hc gc' does, and also rewrites all packs: blocks are compressed again if that makes them smaller, and blocks of short
appends that follow one another in a log are compressed together. Logs, blocks and keys stay the same, and so does what others see of
them.

It needs room for a second copy of a pack, of up to 4 GiB, or of several small ones. Like 'hc gc' it works beside readers and writers.
`
