package main

import (
	"errors"
	"fmt"

	urfave "github.com/urfave/cli/v2"

	"hc/lib/cli"
	"hc/lib/store"
)

func newGC(std *cli.IO) *urfave.App {
	return &urfave.App{
		Name:        "hc-gc",
		Usage:       "free the space of what a store no longer needs",
		Description: gcDescription,
		Flags: []urfave.Flag{
			cli.StoreFlag(),
			&urfave.BoolFlag{Name: "all", Usage: "rewrite every pack with anything dead in it"},
			&urfave.BoolFlag{Name: "dry-run", Aliases: []string{"n"}, Usage: "only show what would be freed"},
			cli.JSONFlag(),
		},
		Metadata: cli.Manual{
			Examples: []cli.Example{
				{Does: "see what it would free", Command: "hc gc --dry-run"},
				{Does: "after 'hc rm' or 'hc clear', free even a little", Command: "hc gc --all"},
			},
			SeeAlso: []string{"hc(1)", "hc-clear(1)", "hc-fsck(1)", "hc-repack(1)", "hc-rm(1)"},
		}.Metadata(),
		Action: func(c *urfave.Context) error {
			return collect(c, std, func(in *store.Store, progress func(int64)) (store.GCReport, error) {
				return in.GC(c.Context, store.GCOptions{All: c.Bool("all"), DryRun: c.Bool("dry-run"), Progress: progress})
			})
		},
	}
}

const gcDescription = `
hc gc frees what nothing in the store needs any more: logs removed by 'hc rm', blocks forgotten by 'hc clear', history that was cut
back, what unfinished appends wrote, and records that later ones have replaced. It rewrites packs of which at least a tenth is dead,
one after the other, so it needs room for one more; packs with less, or with damage in them, stay as they are.

Others may read and write meanwhile. At the end of each pack it waits for a moment when nobody is in the middle of an append or a
download; if none comes, it says who is, and the exit code is 7. What it did until then stays done. Interrupting it, or a crash, does
no harm.
`

// collect runs a gc or a repack, and prints the result.
func collect(c *urfave.Context, std *cli.IO, run func(*store.Store, func(int64)) (store.GCReport, error)) error {
	if c.Args().Present() {
		return cli.Usagef("unexpected argument %q", c.Args().First())
	}
	cli.CollectSooner() // it holds buffers and the tables of an encoder, and reuses them
	in, err := store.Open(c.Context, std.StoreDir(c), store.Options{})
	if err != nil {
		return err
	}
	defer in.Close()
	progress := cli.NewProgress(std, cli.ProgressOptions{DataOut: true})
	report, err := run(in, func(bytes int64) { progress.Add(bytes, 0) })
	progress.Done()
	if errors.Is(err, store.ErrLocked) {
		return cli.Hint(err, "try again when that is done")
	}
	if err != nil {
		return err
	}
	if report.Damaged > 0 {
		std.Warnf("%s damaged, left as before: see 'hc fsck'", plural(report.Damaged, "pack"))
	}
	return printCollected(std, report, c.Bool("dry-run"))
}

func printCollected(std *cli.IO, r store.GCReport, dry bool) error {
	if std.JSON {
		return cli.WriteJSON(std.Out, struct {
			Type      string `json:"type"`
			Freed     int64  `json:"freed"`
			Before    uint64 `json:"before"`
			After     uint64 `json:"after"`
			Packs     int    `json:"packs"`
			Rewritten int    `json:"rewritten"`
			Damaged   int    `json:"damaged"`
		}{"collected", r.Freed(), r.Before, r.After, r.Packs, r.Rewritten, r.Damaged})
	}
	what := "freed"
	if dry {
		what = "would free"
	}
	_, err := fmt.Fprintf(std.Out, "%s %d bytes of %d, rewriting %d of %s\n", what, max(r.Freed(), 0), r.Before, r.Rewritten, plural(r.Packs, "pack"))
	return err
}
