package main

import (
	"errors"
	"fmt"
	"time"

	urfave "github.com/urfave/cli/v2"

	"hc/lib/cli"
	"hc/lib/drive"
	"hc/lib/hyperbee"
	"hc/lib/hyperdrive"
)

func newLog(std *cli.IO) *urfave.App {
	return &urfave.App{
		Name:        "hc-log",
		Usage:       "show the history of a drive",
		ArgsUsage:   "[DRIVE] [PATH]",
		Description: logDescription + driveMeant,
		Flags: []urfave.Flag{
			cli.StoreFlag(), atFlag(),
			&urfave.Uint64Flag{Name: "since", Usage: "only what came after version `N`"},
			&urfave.IntFlag{Name: "count", Aliases: []string{"n"}, Usage: "only the newest `N` changes"},
			&urfave.BoolFlag{Name: "patch", Aliases: []string{"p"}, Usage: "also show the chunks that changed, and their lines if they are text"},
			cli.JSONFlag(),
		},
		Metadata: cli.Manual{
			Examples: []cli.Example{
				{Does: "what changed lately", Command: "hc log -n 20"},
				{Does: "how a file became what it is, chunk by chunk", Command: "hc log -p data/table.csv"},
				{Does: "what changed in another drive since version 12", Command: "hc log KEY --since 12"},
			},
			SeeAlso:   []string{"hc(1)", "hc-diff(1)", "hc-checkout(1)"},
			Arguments: cli.CoreArguments,
		}.Metadata(),
		Action: func(c *urfave.Context) error { return showLog(c, std) },
	}
}

const logDescription = `
hc log prints the changes of a drive, newest first: the version that the change led to, what happened to the file, its size, when it was
modified, and its name. All of it was signed with the drive's one key. Changes that were imported together are consecutive versions,
and only the last of them can be checked out.

With PATH, only changes of that file, or of what is below that folder, are shown.
`

// change is a line of the log.
type change struct {
	Version uint64  `json:"version"`
	Change  string  `json:"change"`
	Name    string  `json:"name"`
	Size    *uint64 `json:"size,omitempty"`
	MTime   string  `json:"mtime,omitempty"`
	Link    string  `json:"link,omitempty"`
}

func showLog(c *urfave.Context, std *cli.IO) error {
	d, err := openDrive(c, std)
	if err != nil {
		return err
	}
	defer d.close()
	below, err := d.place()
	if err != nil {
		return err
	}
	records, err := history(c, d, below)
	if err != nil {
		return err
	}
	if len(records) == 0 && below != "/" {
		return cli.Exitf(cli.ErrNotFound, "the drive never had %q", below[1:])
	}
	for i := len(records) - 1; i >= 0; i-- {
		if err := printRecord(c, std, d, records[i]); err != nil {
			return err
		}
	}
	return nil
}

// record is a change with the record that was there before it.
type record struct {
	drive.Record
	before *hyperdrive.Item
}

// history returns the records that were asked for, oldest first.
func history(c *urfave.Context, d *opened, below string) (records []record, err error) {
	last := map[string]hyperdrive.Item{}
	most, since := c.Int("count"), c.Uint64("since")
	err = d.History(c.Context, 1, func(r drive.Record) error {
		if !isBelow(r.Item.Name, below) {
			return nil
		}
		entry := record{Record: r}
		if before, ok := last[r.Item.Name]; ok {
			entry.before = &before
		}
		if r.Deleted {
			delete(last, r.Item.Name)
		} else {
			last[r.Item.Name] = r.Item
		}
		if r.Seq < since {
			return nil
		}
		if records = append(records, entry); most > 0 && len(records) > 2*most {
			records = append(records[:0], records[len(records)-most:]...)
		}
		return nil
	})
	if most > 0 && len(records) > most {
		records = records[len(records)-most:]
	}
	return records, err
}

// isBelow reports whether a name is path, or below it.
func isBelow(name, path string) bool {
	return path == "/" || name == path || len(name) > len(path) && name[:len(path)] == path && name[len(path)] == '/'
}

func printRecord(c *urfave.Context, std *cli.IO, d *opened, r record) error {
	line := change{Version: r.Seq + 1, Change: "M", Name: r.Item.Name}
	switch {
	case r.Deleted:
		line.Change = "D"
	case r.before == nil:
		line.Change = "A"
	}
	entry := r.Item.Entry
	if size, ok := entry.Size(); ok {
		line.Size = &size
	}
	if entry.Link != nil {
		line.Link = *entry.Link
	}
	if meta := hyperdrive.ParseMeta(entry.Metadata); meta.HasModTime {
		line.MTime = time.Unix(0, meta.ModTime).UTC().Format(time.RFC3339Nano)
	}
	if std.JSON {
		if len(line.Name) > 0 && line.Name[0] == '/' {
			line.Name = line.Name[1:]
		}
		return cli.WriteJSON(std.Out, line)
	}
	if err := printLogLine(std, line); err != nil || !c.Bool("patch") {
		return err
	}
	patch := drive.Change{Name: line.Name, Old: r.before}
	if !r.Deleted {
		patch.New = &r.Item
	}
	err := printPatch(c.Context, std.Out, d.Drive, d.Drive, patch)
	if errors.Is(err, hyperbee.ErrCorrupt) {
		return fmt.Errorf("version %d: %w", line.Version, err)
	}
	return err
}

func printLogLine(std *cli.IO, line change) error {
	size, mtime, name := "-", "-", shown(line.Name)
	if line.Size != nil {
		size = cli.FormatSize(int64(*line.Size))
	}
	if at, err := time.Parse(time.RFC3339Nano, line.MTime); err == nil {
		mtime = at.Local().Format("2006-01-02 15:04:05")
	}
	if line.Link != "" {
		name += " -> " + shown(line.Link)
	}
	_, err := fmt.Fprintf(std.Out, "%8d %s %10s  %-19s  %s\n", line.Version, line.Change, size, mtime, name)
	return err
}
