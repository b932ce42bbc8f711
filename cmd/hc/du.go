package main

import (
	"fmt"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"hc/lib/cli"
	"hc/lib/hyperdrive"
)

func newDu(std *cli.IO) *urfave.App {
	return &urfave.App{
		Name:        "hc-du",
		Usage:       "show how large the folders of a drive are",
		ArgsUsage:   "[DRIVE] [PATH]",
		Description: duDescription + driveMeant,
		Flags: []urfave.Flag{
			cli.StoreFlag(), atFlag(),
			&urfave.BoolFlag{Name: "bytes", Aliases: []string{"b"}, Usage: "print bytes instead of KiB, MiB and so on"},
			&urfave.BoolFlag{Name: "summarize", Aliases: []string{"s"}, Usage: "print only the total"},
			cli.JSONFlag(),
		},
		Metadata: cli.Manual{
			Examples: []cli.Example{
				{Does: "the folders of this working copy's drive", Command: "hc du"},
				{Does: "how large a drive is", Command: "hc du -s KEY"},
			},
			SeeAlso:   []string{"hc(1)", "hc-ls(1)"},
			Arguments: cli.CoreArguments,
		}.Metadata(),
		Action: func(c *urfave.Context) error { return du(c, std) },
	}
}

const duDescription = `
hc du adds up the sizes of the files in each folder directly below PATH, and in all of PATH: the bytes that a clone of it has. They take
less in the store, since equal chunks are stored once. A mapped file that another program wrote does not record its size; such files
are counted separately.
`

// usage is what a folder has.
type usage struct {
	Name    string `json:"name"`
	Files   uint64 `json:"files"`
	Bytes   uint64 `json:"bytes"`
	Unknown uint64 `json:"unknown,omitempty"` // files whose size is not recorded
}

func (u *usage) add(item hyperdrive.Item) {
	if item.Err != nil || item.Entry.Blob == nil {
		return
	}
	u.Files++
	if size, ok := item.Entry.Size(); ok {
		u.Bytes += size
	} else {
		u.Unknown++
	}
}

func du(c *urfave.Context, std *cli.IO) error {
	d, err := openDrive(c, std)
	if err != nil {
		return err
	}
	defer d.close()
	folder, err := d.place()
	if err != nil {
		return err
	}
	all, part := usage{Name: shown(folder)}, usage{}
	print := func(u usage) error { return printUsage(std, u, c.Bool("bytes")) }
	err = d.List(c.Context, folder, func(item hyperdrive.Item) error {
		all.add(item)
		below, _, deeper := strings.Cut(item.Name[min(len(strings.TrimRight(folder, "/"))+1, len(item.Name)):], "/")
		if c.Bool("summarize") || !deeper {
			return nil
		}
		if below != part.Name && part.Name != "" {
			if err := print(part); err != nil {
				return err
			}
			part = usage{}
		}
		part.Name = below
		part.add(item)
		return nil
	})
	if err != nil {
		return err
	}
	if part.Name != "" {
		if err := print(part); err != nil {
			return err
		}
	}
	return print(all)
}

func printUsage(std *cli.IO, u usage, bytes bool) error {
	if std.JSON {
		return cli.WriteJSON(std.Out, u)
	}
	size := cli.FormatSize(int64(u.Bytes))
	if bytes {
		size = fmt.Sprint(u.Bytes)
	}
	line := fmt.Sprintf("%10s %8d files  %s", size, u.Files, shown(u.Name))
	if u.Unknown > 0 {
		line += fmt.Sprintf("  (and %d of unknown size)", u.Unknown)
	}
	_, err := fmt.Fprintln(std.Out, line)
	return err
}
