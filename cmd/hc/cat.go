package main

import (
	"errors"
	"fmt"

	urfave "github.com/urfave/cli/v2"

	"hc/lib/cli"
	"hc/lib/hyperbee"
	"hc/lib/hyperdrive"
)

func newCat(std *cli.IO) *urfave.App {
	return &urfave.App{
		Name:        "hc-cat",
		Usage:       "write files of a drive to standard output",
		ArgsUsage:   "[DRIVE] PATH...",
		Description: catDescription + driveMeant,
		Flags: []urfave.Flag{
			cli.StoreFlag(), atFlag(),
			&urfave.StringFlag{Name: "bytes", Usage: "only the bytes `A-B`, both included (A-: to the end)"},
			&urfave.BoolFlag{Name: "force", Aliases: []string{"f"}, Usage: "write to a terminal even what is not text"},
		},
		Metadata: cli.Manual{
			Examples: []cli.Example{
				{Does: "a file as it was at version 12", Command: "hc cat --at 12 data/table.csv"},
				{Does: "a file of another drive in the store", Command: "hc cat KEY README.md"},
				{Does: "a part of a file", Command: "hc cat video.mp4 --bytes 1000000-1999999 > part"},
			},
			SeeAlso:   []string{"hc(1)", "hc-ls(1)", "hc-fetch(1)"},
			Arguments: cli.CoreArguments,
		}.Metadata(),
		Action: func(c *urfave.Context) error { return cat(c, std) },
	}
}

const catDescription = `
hc cat writes the bytes of files of a drive, one after the other, from the store. Each block was verified when it came into the store;
while a file is written, hc cat also checks that it is whole and has the checksum that its writer recorded. A symbolic link is not
followed: it is named, and the exit code is 5.
`

func cat(c *urfave.Context, std *cli.IO) error {
	d, err := openDrive(c, std)
	if err != nil {
		return err
	}
	defer d.close()
	if len(d.args) == 0 {
		return cli.Usagef("no PATH given")
	}
	for _, word := range d.args {
		if err := catOne(c, std, d, word); err != nil {
			return err
		}
	}
	return nil
}

func catOne(c *urfave.Context, std *cli.IO, d *opened, word string) error {
	name, err := d.path(word)
	if err != nil {
		return err
	}
	item, err := d.Get(c.Context, name)
	if errors.Is(err, hyperbee.ErrNotFound) {
		return cli.Exitf(cli.ErrNotFound, "no file %q in this version of the drive", name[1:])
	}
	if err == nil {
		err = item.Err
	}
	if err != nil {
		return err
	}
	if item.Entry.Link != nil {
		return cli.Exitf(cli.ErrNotFound, "%q is a symbolic link to %q, which is not followed", name[1:], *item.Entry.Link)
	}
	if c.IsSet("bytes") {
		from, to, err := cli.ParseRange(c.String("bytes"))
		if err != nil {
			return err
		}
		if to != cli.Open {
			to++
		}
		err = hyperdrive.ContentRange(c.Context, d.Blobs(), item, from, to, cli.DataOut(std, c.Bool("force")))
		return named(name, err)
	}
	return named(name, hyperdrive.Content(c.Context, d.Blobs(), item, cli.DataOut(std, c.Bool("force"))))
}

// named says which file an error is about.
func named(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", shown(name), err)
}
