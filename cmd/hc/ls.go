package main

import (
	"bufio"
	"errors"
	"fmt"
	"time"

	urfave "github.com/urfave/cli/v2"

	"hc/lib/cli"
	"hc/lib/drive"
	"hc/lib/hyperbee"
	"hc/lib/hyperdrive"
)

func newLs(std *cli.IO) *urfave.App {
	return &urfave.App{
		Name:        "hc-ls",
		Usage:       "list a folder of a drive",
		ArgsUsage:   "[DRIVE] [PATH]",
		Description: lsDescription + driveMeant,
		Flags: []urfave.Flag{
			cli.StoreFlag(), atFlag(),
			&urfave.BoolFlag{Name: "long", Aliases: []string{"l"}, Usage: "also show mode, size and time"},
			&urfave.BoolFlag{Name: "recursive", Aliases: []string{"R"}, Usage: "everything below the folder"},
			cli.JSONFlag(),
		},
		Metadata: cli.Manual{
			Examples: []cli.Example{
				{Does: "the drive of this working copy", Command: "hc ls"},
				{Does: "a folder of another one, with sizes", Command: "hc ls -l KEY data/"},
				{Does: "all names of an older version", Command: "hc ls -R --at 12 dataset"},
			},
			SeeAlso:   []string{"hc(1)", "hc-cat(1)", "hc-du(1)", "hc-log(1)"},
			Arguments: cli.CoreArguments,
		}.Metadata(),
		Action: func(c *urfave.Context) error { return ls(c, std) },
	}
}

const lsDescription = `
hc ls lists what is in a folder of a drive, from the names alone: it needs no file's bytes. A folder ends in a slash; with -l a link
shows where it points. Names that no disk should take are shown with what is wrong with them.
`

func ls(c *urfave.Context, std *cli.IO) error {
	d, err := openDrive(c, std)
	if err != nil {
		return err
	}
	defer d.close()
	folder, err := d.place()
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(std.Out, 64<<10)
	list := lister{std: std, out: out, long: c.Bool("long")}
	if err = list.folder(c, d, folder); err == nil && list.lines == 0 && folder != "/" {
		err = list.file(c, d, folder)
	}
	if flushErr := out.Flush(); err == nil {
		err = flushErr
	}
	return err
}

type lister struct {
	std   *cli.IO
	out   *bufio.Writer
	long  bool
	lines int
}

func (l *lister) folder(c *urfave.Context, d *opened, folder string) error {
	if c.Bool("recursive") {
		return d.List(c.Context, folder, l.item)
	}
	return d.Shallow(c.Context, folder, func(f drive.Folder) error {
		if f.Item != nil {
			return l.item(*f.Item)
		}
		return l.line(lsLine{Name: f.Name[1:] + "/", Kind: "folder"})
	})
}

// file lists the one file that a path names.
func (l *lister) file(c *urfave.Context, d *opened, name string) error {
	item, err := d.Get(c.Context, name)
	if errors.Is(err, hyperbee.ErrNotFound) {
		return cli.Exitf(cli.ErrNotFound, "no %q in this version of the drive", name[1:])
	}
	if err != nil {
		return err
	}
	return l.item(item)
}

// lsLine is a line of the list, as --json shows it.
type lsLine struct {
	Name   string  `json:"name"`
	Kind   string  `json:"kind"`
	Size   *uint64 `json:"size,omitempty"`
	Mode   string  `json:"mode,omitempty"`
	MTime  string  `json:"mtime,omitempty"`
	SHA256 string  `json:"sha256,omitempty"`
	Link   string  `json:"link,omitempty"`
	Seq    uint64  `json:"seq,omitempty"`
	Error  string  `json:"error,omitempty"`
}

func (l *lister) item(item hyperdrive.Item) error {
	line := lsLine{Name: item.Name, Kind: "file", Seq: item.Seq}
	if len(line.Name) > 0 && line.Name[0] == '/' {
		line.Name = line.Name[1:]
	}
	if item.Err != nil {
		line.Kind, line.Error = "refused", item.Err.Error()
		return l.line(line)
	}
	entry := item.Entry
	meta := hyperdrive.ParseMeta(entry.Metadata)
	if size, ok := entry.Size(); ok {
		line.Size = &size
	}
	line.Mode = modeOf(entry, meta)
	if meta.HasModTime {
		line.MTime = time.Unix(0, meta.ModTime).UTC().Format(time.RFC3339Nano)
	}
	if meta.SHA256 != nil {
		line.SHA256 = fmt.Sprintf("%x", *meta.SHA256)
	}
	if entry.Link != nil {
		line.Kind, line.Link, line.Mode = "link", *entry.Link, ""
	}
	return l.line(line)
}

// modeOf returns a file's permissions: those that its writer recorded, or else those of the executable flag.
func modeOf(entry hyperdrive.Entry, meta hyperdrive.Meta) string {
	switch {
	case meta.HasMode:
		return fmt.Sprintf("%04o", meta.Mode)
	case entry.Executable:
		return "0755"
	}
	return "0644"
}

func (l *lister) line(line lsLine) error {
	l.lines++
	if l.std.JSON {
		return cli.WriteJSON(l.out, line)
	}
	name := shown(line.Name)
	if line.Error != "" {
		name += "  (" + line.Error + ")"
	}
	if !l.long {
		_, err := fmt.Fprintln(l.out, name)
		return err
	}
	size, mtime := "-", "-"
	if line.Size != nil {
		size = fmt.Sprint(*line.Size)
	}
	if at, err := time.Parse(time.RFC3339Nano, line.MTime); err == nil {
		mtime = at.Local().Format("2006-01-02 15:04:05")
	}
	if line.Link != "" {
		name += " -> " + shown(line.Link)
	}
	_, err := fmt.Fprintf(l.out, "%-7s %-4s %12s %-19s %s\n", line.Kind, line.Mode, size, mtime, name)
	return err
}
