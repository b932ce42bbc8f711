package main

import (
	"fmt"
	"strconv"

	urfave "github.com/urfave/cli/v2"

	"hc/lib/cli"
	"hc/lib/drive"
	"hc/lib/folder"
	"hc/lib/worktree"
)

func newDiff(std *cli.IO) *urfave.App {
	return &urfave.App{
		Name:        "hc-diff",
		Usage:       "show what differs between versions of a drive, or in the working copy",
		ArgsUsage:   "[DRIVE] [V1 [V2]]",
		Description: diffDescription + driveMeant,
		Flags: []urfave.Flag{
			cli.StoreFlag(),
			&urfave.BoolFlag{Name: "patch", Aliases: []string{"p"}, Usage: "also show the chunks that differ, and their lines if they are text"},
			cli.JSONFlag(),
		},
		Metadata: cli.Manual{
			Examples: []cli.Example{
				{Does: "what was edited since the checkout", Command: "hc diff"},
				{Does: "what changed from version 12 to version 20", Command: "hc diff 12 20"},
				{Does: "what changed in another drive since version 12", Command: "hc diff KEY 12"},
			},
			SeeAlso:   []string{"hc(1)", "hc-log(1)", "hc-status(1)"},
			Arguments: cli.CoreArguments,
		}.Metadata(),
		Action: func(c *urfave.Context) error { return diff(c, std) },
	}
}

const diffDescription = `
hc diff prints a letter and a path for each file that differs: A added, M modified, D deleted. With no version it compares the files in
the working copy with the version that is checked out (L: a file that the last clone or pull left out); with one, that version with the
drive's newest one (in a working copy: the one checked out); with two, one with the other. Equal parts of the two trees are skipped
unread.

--patch shows where in a file the chunks differ, and the lines of these chunks if both are text.
`

func diff(c *urfave.Context, std *cli.IO) error {
	d, err := openDrive(c, std)
	if err != nil {
		return err
	}
	defer d.close()
	if len(d.args) == 0 && d.tree != nil {
		return diffFolder(c, std, d)
	}
	before, after, err := d.versions(c)
	if err != nil {
		return err
	}
	return after.Changes(c.Context, before, "/", func(change drive.Change) error {
		return printChange(c, std, before, after, change)
	})
}

// versions opens the versions that the arguments name.
func (o *opened) versions(c *urfave.Context) (before, after *drive.Drive, err error) {
	if len(o.args) == 0 || len(o.args) > 2 {
		return nil, nil, cli.Usagef("want one or two versions, got %d arguments", len(o.args))
	}
	var numbers []uint64
	for _, word := range o.args {
		n, err := strconv.ParseUint(word, 10, 53)
		if err != nil {
			return nil, nil, cli.Usagef("%q is not a version: want a number, as 'hc log' shows it", word)
		}
		numbers = append(numbers, n)
	}
	if before, err = o.At(c.Context, numbers[0]); err != nil {
		return nil, nil, err
	}
	if after = o.Drive; len(numbers) == 2 {
		after, err = o.At(c.Context, numbers[1])
	}
	return before, after, err
}

// printChange prints a line for a change, and with --patch what it changed in the file.
func printChange(c *urfave.Context, std *cli.IO, before, after *drive.Drive, change drive.Change) error {
	patch := c.Bool("patch") && !std.JSON
	if std.JSON {
		line := struct {
			Change string  `json:"change"`
			Name   string  `json:"name"`
			Size   *uint64 `json:"size,omitempty"`
			Before *uint64 `json:"size_before,omitempty"`
		}{Change: change.Letter(), Name: change.Name[1:]}
		if change.New != nil {
			if size, ok := change.New.Entry.Size(); ok {
				line.Size = &size
			}
		}
		if change.Old != nil {
			if size, ok := change.Old.Entry.Size(); ok {
				line.Before = &size
			}
		}
		return cli.WriteJSON(std.Out, line)
	}
	if _, err := fmt.Fprintf(std.Out, "%s %s\n", change.Letter(), shown(change.Name)); err != nil || !patch {
		return err
	}
	return printPatch(c.Context, std.Out, before, after, change)
}

func diffFolder(c *urfave.Context, std *cli.IO, d *opened) error {
	return d.tree.Status(c.Context, d.Drive, folder.Options{SkipSpecial: true}, func(change worktree.Change) error {
		return printLetter(std, change)
	})
}

// printLetter prints what happened to a name.
func printLetter(std *cli.IO, change worktree.Change) error {
	if std.JSON {
		return cli.WriteJSON(std.Out, map[string]string{"change": change.Letter(), "name": change.Name[1:]})
	}
	_, err := fmt.Fprintf(std.Out, "%s %s\n", change.Letter(), shown(change.Name))
	return err
}
