package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	urfave "github.com/urfave/cli/v2"

	"hc/lib/cli"
	"hc/lib/drive"
	"hc/lib/folder"
	"hc/lib/hypercore"
	"hc/lib/store"
	"hc/lib/stream"
)

// folderFlags say how a folder is imported; each text says that it is about a folder.
func folderFlags() []urfave.Flag {
	return append([]urfave.Flag{
		&urfave.BoolFlag{Name: "tar", Usage: "the input is a tar: write its files like those of a folder"},
		&urfave.StringFlag{Name: "since", Usage: "of a folder: only what has changed since the last import into the drive `NAME`"},
		cli.StoreFlag(),
		&urfave.BoolFlag{Name: "checksum", Usage: "with --since: read all files, even those with unchanged size and times"},
		&urfave.BoolFlag{Name: "add", Usage: "of a folder: only add and overwrite, delete nothing from the drive"},
		&urfave.BoolFlag{Name: "dry-run", Usage: "of a folder: only list size and path of what would be imported, and read no file"},
	}, cli.ImportFlags("of a folder: ")...)
}

// folderOptions are what folderFlags were given.
type folderOptions struct {
	folder.Options
	set    string // one of the flags that only a folder has, "" if none was given
	tar    bool
	since  string // a name or key
	dryRun bool
	store  string
}

func parseFolder(c *urfave.Context, std *cli.IO) (folderOptions, error) {
	opts := folderOptions{
		Options: folder.Options{
			Add: c.Bool("add"), Checksum: c.Bool("checksum"), SkipSpecial: c.Bool("skip-special"),
			Exclude: c.StringSlice("exclude"), Include: c.StringSlice("include"),
			Warn: func(text string) { std.Warnf("%s", text) },
		},
		tar: c.Bool("tar"), since: c.String("since"), dryRun: c.Bool("dry-run"), store: std.StoreDir(c),
	}
	for _, name := range []string{"since", "checksum", "add", "exclude", "include", "skip-special", "dry-run"} {
		if c.IsSet(name) {
			opts.set = name
		}
	}
	switch {
	case c.IsSet("since") && opts.since == "":
		return opts, cli.Usagef("--since needs the drive's NAME")
	case opts.Checksum && opts.since == "":
		return opts, cli.Usagef("--checksum needs --since: without that all files are read anyway")
	case opts.Add && opts.since != "":
		return opts, cli.Usagef("--add and --since cannot be used together: --since also deletes what is gone")
	case opts.tar && opts.since != "":
		return opts, cli.Usagef("--since is for files on disk, and --tar reads them from a tar")
	case opts.tar && opts.dryRun:
		return opts, cli.Usagef("--dry-run reads nothing, and a tar is known only once it is read: list it with tar t")
	}
	return opts, nil
}

// findSources returns the arguments as sources, nil if none is a folder. The content of a single folder goes to the drive's
// root; of several, each keeps its base name.
func findSources(opts options) ([]folder.Source, error) {
	folders := 0
	for _, name := range opts.files {
		if info, err := os.Stat(name); err == nil && info.IsDir() {
			folders++
		}
	}
	if folders == 0 || opts.mode != writeStream {
		return nil, nil
	}
	var sources []folder.Source
	for _, name := range opts.files {
		if name == "-" {
			return nil, cli.Usagef("standard input has no name in a folder: '-' cannot be used with folders")
		}
		if hidden(name) {
			return nil, hiddenError(name)
		}
		whole, err := filepath.Abs(name)
		if err != nil {
			return nil, err
		}
		sources = append(sources, folder.Source{Path: name, As: filepath.Base(whole)})
	}
	if len(sources) == 1 {
		sources[0].As = ""
	}
	return sources, nil
}

// importFolder writes folders as a stream, or lists them.
func importFolder(ctx context.Context, std *cli.IO, opts options, sources []folder.Source, seen *stats) error {
	if opts.folder.since != "" {
		in, err := store.Open(ctx, opts.folder.store, store.Options{ReadOnly: true})
		if err != nil {
			return err
		}
		defer in.Close()
		if err := opts.folder.buildOn(ctx, in); err != nil {
			return err
		}
	}
	if opts.folder.dryRun {
		return dryRun(ctx, std, sources, opts.folder.Options)
	}
	w := stream.NewWriter(std.Out)
	imported, err := folder.Import(ctx, w, sources, opts.importOptions(seen))
	defer imported.Drop()
	seen.folder = &imported.Stats
	if err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	if err := imported.Keep(nil); err != nil {
		std.Warnf("%v", err)
	}
	return nil
}

// importTar writes a tar as a stream of its files.
func importTar(ctx context.Context, std *cli.IO, opts options, in input, seen *stats) error {
	file, err := in.open(ctx, std)
	if err != nil {
		return err
	}
	defer file.Close() // only read from
	w := stream.NewWriter(std.Out)
	counted, err := folder.ImportTar(ctx, w, file, opts.importOptions(seen))
	seen.folder = &counted
	if err != nil {
		return err
	}
	return w.Close()
}

// importOptions returns the folder's options with those for chunks.
func (o options) importOptions(seen *stats) folder.Options {
	opts := o.folder.Options
	opts.Cutter, opts.Lines, opts.Wrote = o.cutter, o.lines, seen.add
	return opts
}

// buildOn makes the import one that builds on the drive's newest version.
func (o *folderOptions) buildOn(ctx context.Context, in *store.Store) error {
	ref, err := hypercore.Find(ctx, in, o.since)
	if errors.Is(err, store.ErrNotFound) {
		return cli.Hint(err, "leave out --since for the first import")
	}
	if err != nil {
		return err
	}
	if ref.Pinned {
		return cli.Usagef("--since %s: an import builds on the newest version, give only the KEY", o.since)
	}
	o.StatDir = filepath.Join(o.store, "stat")
	o.Since, err = drive.Open(ctx, in, ref)
	return err
}

// dryRun lists what would be imported.
func dryRun(ctx context.Context, std *cli.IO, sources []folder.Source, opts folder.Options) error {
	w := bufio.NewWriterSize(std.Out, outputBuffer)
	err := folder.List(ctx, sources, opts, func(l folder.Listed) error { return writeListed(w, std.JSON, l) })
	if e := w.Flush(); err == nil {
		err = e
	}
	return err
}

func writeListed(w io.Writer, json bool, l folder.Listed) error {
	if json {
		var target *string
		if l.Target != "" {
			target = &l.Target
		}
		return cli.WriteJSON(w, struct {
			Path   string  `json:"path"`
			Kind   string  `json:"kind"`
			Size   int64   `json:"size"`
			Target *string `json:"target"`
		}{l.Path, l.Kind().String(), l.Size, target})
	}
	_, err := fmt.Fprintf(w, "%d %s\n", l.Size, stream.QuotePath(l.Path))
	return err
}

// explainFolder says what to do about an error of an import.
func explainFolder(err error) error {
	switch {
	case errors.Is(err, folder.ErrPattern):
		return cli.Usagef("%w", err)
	case errors.Is(err, folder.ErrSpecial):
		return cli.Hint(err, "--skip-special leaves it out, --exclude leaves out anything")
	case errors.Is(err, folder.ErrChanged):
		return cli.Hint(err, "import again when nothing writes to it")
	}
	return err
}
