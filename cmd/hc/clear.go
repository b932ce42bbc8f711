package main

import (
	"context"
	"fmt"
	"strconv"

	urfave "github.com/urfave/cli/v2"

	"hc/lib/cli"
	"hc/lib/hypercore"
	"hc/lib/keys"
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
			&urfave.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "only say how many blocks would be forgotten"},
			&urfave.BoolFlag{Name: "force", Usage: "forget blocks of a log that is signed here, too"},
			cli.JSONFlag(),
		},
		Metadata: cli.Manual{
			Examples: []cli.Example{
				{Does: "forget the oldest 100000 lines, and free their space", Command: "hc clear app --before 100000 --force && hc gc"},
				{Does: "see how many blocks of a log of others are here", Command: "hc clear KEY --blocks 0- --dry-run"},
				{Does: "forget some of them", Command: "hc clear KEY --blocks 200-299"},
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

If the log's secret key is here, this store may hold the only copy of the blocks: hc does not know whether any peer has fetched
them, so forgetting them takes --force. A range that ends beyond the log is a usage error, and nothing is forgotten.
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
	held, err := clearable(c.Context, in, key, first, end)
	if err != nil {
		return err
	}
	switch {
	case c.Bool("dry-run"):
		return printCleared(std, key, held, "would forget")
	case held > 0 && !c.Bool("force") && hypercore.Signs(c.Context, in, key):
		return cli.Hint(cli.Usagef("the secret key of log %q is here, and no other copy of these %s is known to hc", c.Args().First(), plural(int(held), "block")),
			"--force forgets them")
	}
	blocks, err := hypercore.Clear(c.Context, in, key, first, end)
	if err != nil {
		return err
	}
	if !std.JSON {
		std.Notef("forgot %s", plural(int(blocks), "block"))
		return nil
	}
	return printCleared(std, key, blocks, "")
}

// clearable returns how many blocks of a range are here. It refuses a range that ends beyond the log.
func clearable(ctx context.Context, in *store.Store, key keys.Key, first, end uint64) (uint64, error) {
	view, err := in.View(ctx, key, false)
	if err != nil {
		return 0, err
	}
	length := view.Head().Length
	if first > length || end > length && end != cli.Open {
		return 0, cli.Hint(cli.Usagef("the log has %s", plural(int(length), "block")), "nothing was forgotten")
	}
	return hypercore.Held(ctx, in, key, first, end)
}

func printCleared(std *cli.IO, key keys.Key, blocks uint64, what string) error {
	if std.JSON {
		return cli.WriteJSON(std.Out, struct {
			Type   string `json:"type"`
			Key    string `json:"key"`
			Blocks uint64 `json:"blocks"`
		}{"cleared", key.String(), blocks})
	}
	_, err := fmt.Fprintf(std.Out, "%s %s\n", what, plural(int(blocks), "block"))
	return err
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
