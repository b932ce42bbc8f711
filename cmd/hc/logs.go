package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"hc/lib/cli"
	"hc/lib/drive"
	"hc/lib/hypercore"
	"hc/lib/keys"
	"hc/lib/store"
)

func newLogs(std *cli.IO) *urfave.App {
	return &urfave.App{
		Name:        "hc-logs",
		Usage:       "list the logs and drives of a store",
		Description: logsDescription,
		Flags:       []urfave.Flag{cli.StoreFlag(), cli.JSONFlag()},
		Metadata: cli.Manual{
			Examples: []cli.Example{
				{Does: "what is here", Command: "hc logs"},
				{Does: "the keys of the drives", Command: "hc logs | awk '$2 == \"drive\" {print $1}'"},
			},
			SeeAlso: []string{"hc(1)", "hc-keys(1)", "hc-log(1)", "hc-rm(1)"},
		}.Metadata(),
		Action: func(c *urfave.Context) error { return listLogs(c, std) },
	}
}

const logsDescription = `
hc logs prints a line for each log in the store, in the order of the keys:

  KEY KIND LENGTH BYTES SECRET [NAME...]

KIND is log, drive (the log with a drive's names), blobs (the log with a drive's bytes), or unknown if the first block cannot be
read. LENGTH is in blocks, of a drive its version; BYTES is what the whole log has, here or not. SECRET is secret if the secret
key is here, else -. The store is only read.
`

// logRow is what is said of one log.
type logRow struct {
	Key    keys.Key `json:"key"`
	Kind   string   `json:"kind"`
	Length uint64   `json:"length"`
	Bytes  uint64   `json:"bytes"`
	Secret bool     `json:"secret"`
	Names  []string `json:"names"`
}

func listLogs(c *urfave.Context, std *cli.IO) error {
	if c.Args().Present() {
		return cli.Usagef("unexpected argument %q", c.Args().First())
	}
	in, err := store.Open(c.Context, std.StoreDir(c), store.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer in.Close()
	rows, err := logRows(c.Context, in)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if err := row.write(std); err != nil {
			return err
		}
	}
	return nil
}

func logRows(ctx context.Context, in *store.Store) ([]logRow, error) {
	cores, err := in.Cores(ctx)
	if err != nil {
		return nil, err
	}
	names, err := in.Names()
	if err != nil {
		return nil, err
	}
	named := make(map[keys.Key][]string)
	for _, n := range names {
		named[n.Key] = append(named[n.Key], n.Name)
	}
	slices.SortFunc(cores, func(a, b keys.Key) int { return slices.Compare(a[:], b[:]) })
	var rows []logRow
	blobs := make(map[keys.Key]bool)
	for _, key := range cores {
		row := logRow{Key: key, Names: append([]string{}, named[key]...), Secret: hypercore.Owned(in, key)}
		if err := row.look(ctx, in, blobs); errors.Is(err, store.ErrNotFound) {
			continue // it was removed meanwhile
		} else if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	for i := range rows {
		if blobs[rows[i].Key] {
			rows[i].Kind = "blobs"
		}
	}
	return rows, nil
}

// look sees what a log is. It adds the blobs of a drive.
func (row *logRow) look(ctx context.Context, in *store.Store, blobs map[keys.Key]bool) error {
	view, err := in.View(ctx, row.Key, false)
	if err != nil {
		return err
	}
	head := view.Head()
	row.Kind, row.Length, row.Bytes = "log", head.Length, head.ByteLength
	if head.Length == 0 {
		return nil
	}
	isDrive, err := hypercore.IsDrive(ctx, in, view)
	switch {
	case errors.Is(err, store.ErrBlockMissing), errors.Is(err, store.ErrDamaged):
		row.Kind = "unknown"
	case err != nil:
		return err
	case isDrive:
		row.Kind = "drive"
		if key, err := drive.BlobsKey(ctx, in, row.Key); err == nil {
			blobs[key] = true
		}
	}
	return nil
}

func (row *logRow) write(std *cli.IO) error {
	if std.JSON {
		return cli.WriteJSON(std.Out, row)
	}
	secret := "-"
	if row.Secret {
		secret = "secret"
	}
	line := fmt.Sprintf("%v %s %d %d %s %s", row.Key, row.Kind, row.Length, row.Bytes, secret, strings.Join(row.Names, " "))
	_, err := fmt.Fprintln(std.Out, strings.TrimRight(line, " "))
	return err
}
