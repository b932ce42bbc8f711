package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"hc/lib/cli"
	"hc/lib/keys"
	"hc/lib/store"
)

// keyRow is the line of one core.
type keyRow struct {
	Key    keys.Key `json:"key"`
	Names  []string `json:"names"`
	Secret string   `json:"secret"` // plain, locked, none, unusable
}

func (j keysJob) list() error {
	in, err := j.open(store.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer in.Close()
	all, err := in.Cores(j.c.Context)
	if err != nil {
		return err
	}
	secrets, err := in.Secrets()
	if err != nil {
		return err
	}
	names, err := in.Names()
	if err != nil {
		return err
	}
	all = append(all, secrets...)
	named := make(map[keys.Key][]string)
	for _, n := range names {
		named[n.Key] = append(named[n.Key], n.Name)
		all = append(all, n.Key)
	}
	slices.SortFunc(all, func(a, b keys.Key) int { return slices.Compare(a[:], b[:]) })
	for _, key := range slices.Compact(all) {
		if err := j.writeRow(in, key, named[key]); err != nil {
			return err
		}
	}
	return nil
}

func (j keysJob) writeRow(in *store.Store, key keys.Key, names []string) error {
	row := keyRow{Key: key, Names: append([]string{}, names...), Secret: "plain"}
	switch file, err := in.SecretFile(key); {
	case errors.Is(err, store.ErrNotFound):
		row.Secret = "none"
	case err != nil:
		j.std.Warnf("%v", err)
		row.Secret = "unusable"
	case file.Locked():
		row.Secret = "locked"
	}
	if j.std.JSON {
		return cli.WriteJSON(j.std.Out, row)
	}
	line := strings.Join(append([]string{key.String(), row.Secret}, names...), " ")
	_, err := fmt.Fprintln(j.std.Out, line)
	return err
}
