package main

import (
	"strconv"

	urfave "github.com/urfave/cli/v2"

	"hc/lib/cli"
	"hc/lib/hypercore"
	"hc/lib/store"
)

func newClear(std *cli.IO) *urfave.App {
	return &urfave.App{
		Name:        "hc-clear",
		Usage:       "forget blocks of a log, but keep what proves the others",
		ArgsUsage:   "NAME|KEY",
		Description: clearDescription,
		Flags: []urfave.Flag{
			cli.StoreFlag(),
			&urfave.StringFlag{Name: "before", Usage: "the blocks before block `N`, counted from 0"},
			&urfave.StringFlag{Name: "blocks", Usage: "the blocks `A-B`, both included (A-: to the end)"},
		},
		Metadata: cli.Manual{
			Examples: []cli.Example{
				{Does: "forget the oldest 100000 lines, and free their space", Command: "hc clear app --before 100000 && hc gc"},
				{Does: "forget some blocks", Command: "hc clear table --blocks 200-299"},
			},
			SeeAlso:   []string{"hc(1)", "hc-fetch(1)", "hc-gc(1)", "hc-rm(1)"},
			Arguments: cli.CoreArguments,
		}.Metadata(),
		Action: func(c *urfave.Context) error { return runClear(c, std) },
	}
}

const clearDescription = `
hc clear forgets blocks of a log that are stored here, at once and durably. The log itself stays: its head, its tree and all other
blocks can still be verified and served, and it can be appended to. Forgotten blocks can be fetched again from any peer that has them.
Blocks that other logs have, too, stay in those. Space on the disk is freed by the next 'hc gc'.
`

func runClear(c *urfave.Context, std *cli.IO) error {
	if c.NArg() != 1 {
		return cli.Usagef("want one NAME or KEY, got %d", c.NArg())
	}
	first, end, err := clearRange(c)
	if err != nil {
		return err
	}
	in, err := store.Open(c.Context, std.StoreDir(c), store.Options{})
	if err != nil {
		return err
	}
	defer in.Close()
	key, err := coreOf(c.Context, in, c.Args().First())
	if err != nil {
		return err
	}
	blocks, err := hypercore.Clear(c.Context, in, key, first, end)
	if err != nil {
		return err
	}
	std.Notef("forgot %s", plural(int(blocks), "block"))
	return nil
}

// clearRange returns the blocks first … end-1.
func clearRange(c *urfave.Context) (first, end uint64, err error) {
	if c.IsSet("before") == c.IsSet("blocks") {
		return 0, 0, cli.Usagef("want either --before or --blocks")
	}
	if c.IsSet("blocks") {
		first, last, err := cli.ParseRange(c.String("blocks"))
		if err != nil || last == cli.Open {
			return first, last, err
		}
		return first, last + 1, nil
	}
	end, err = strconv.ParseUint(c.String("before"), 10, 53)
	if err != nil {
		return 0, 0, cli.Usagef("--before %q: want the number of a block", c.String("before"))
	}
	return 0, end, nil
}
