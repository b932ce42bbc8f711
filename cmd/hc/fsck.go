package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"hc/lib/cli"
	"hc/lib/keys"
	"hc/lib/store"
)

func newFsck(std *cli.IO) *urfave.App {
	return &urfave.App{
		Name:        "hc-fsck",
		Usage:       "check that a store holds what was signed",
		Description: fsckDescription,
		Flags:       []urfave.Flag{cli.StoreFlag(), cli.JSONFlag()},
		Metadata: cli.Manual{
			Examples: []cli.Example{
				{Does: "check the store ./.hc", Command: "hc fsck"},
				{Does: "check another one, for a script", Command: "hc fsck -C /srv/data/.hc --json"},
			},
			SeeAlso: []string{"hc(1)", "hc-append(1)", "hc-fetch(1)"},
		}.Metadata(),
		Action: func(c *urfave.Context) error {
			if c.Args().Present() {
				return cli.Usagef("unexpected argument %q", c.Args().First())
			}
			return fsck(c, std)
		},
	}
}

const fsckDescription = `
hc fsck reads every byte of a store. Records are compared with their checksums, blocks with their hashes, these with the
tree, the tree with the head that was signed, and that with its signature; the index, and all else that is derived from
the packs, with what the packs say. It only reads, and others may write to the store meanwhile.

Each finding is a line on standard output: where it is, what it hurts, and what to do next. Some cost nothing (what a
crash left behind, a block that nothing needs), and the exit code stays 0. Where only derived files are hurt it is 1, and
nothing is lost. Where blocks, heads or keys are, it is 4.

Temporary files, about a hundredth of the store, go to $TMPDIR.
`

func fsck(c *urfave.Context, std *cli.IO) error {
	var report fsckReport
	progress := cli.NewProgress(std, cli.ProgressOptions{DataOut: true})
	defer progress.Done()
	checker, err := store.NewChecker(c.Context, std.StoreDir(c), store.CheckOptions{
		Progress: func(bytes, blocks int) { progress.Add(int64(bytes), int64(blocks)) },
		Found:    func(f store.Finding) { report.add(std, f) },
		Scratch:  os.TempDir(),
	})
	if err == nil {
		report.names = checker.Names()
		err = errors.Join(checker.Run(c.Context), checker.Close())
	}
	progress.Done()
	if err != nil {
		return err
	}
	return report.result(std.StoreDir(c))
}

// fsckReport counts findings while they are printed.
type fsckReport struct {
	names         map[keys.Key]string
	data, derived int
	blocks        uint64
}

func (r *fsckReport) add(std *cli.IO, f store.Finding) {
	switch f.Harm {
	case store.HarmData:
		r.data++
		r.blocks += f.End - f.First
	case store.HarmDerived:
		r.derived++
	}
	r.print(std, f)
}

func (r *fsckReport) result(dir string) error {
	switch {
	case r.data > 0:
		return cli.Exitf(cli.ErrUnverified, "the store %q is damaged: %s, %s lost", dir, plural(r.data, "finding"), plural(int(r.blocks), "block"))
	case r.derived > 0:
		return cli.Hint(fmt.Errorf("the store %q needs a repair (%s); nothing is lost", dir, plural(r.derived, "finding")), "hc fsck --repair")
	}
	return nil
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

var harms = map[store.Harm]string{store.HarmNone: "none", store.HarmDerived: "derived", store.HarmData: "data"}

// print writes one finding. An output that fails shows in the exit code, as Run sees to it.
func (r *fsckReport) print(std *cli.IO, f store.Finding) {
	core := ""
	if f.HasKey {
		core = f.Core.String()
	}
	if std.JSON {
		_ = cli.WriteJSON(std.Out, struct {
			Type   string `json:"type"`
			Harm   string `json:"harm"`
			File   string `json:"file"`
			Offset uint64 `json:"offset"`
			Length uint64 `json:"length"`
			Core   string `json:"core"`
			Name   string `json:"name"`
			First  uint64 `json:"first"`
			End    uint64 `json:"end"`
			What   string `json:"what"`
			Next   string `json:"next"`
		}{"finding", harms[f.Harm], f.File, f.Offset, f.Length, core, r.names[f.Core], f.First, f.End, f.What, f.Next})
		return
	}
	var words []string
	if f.File != "" {
		words = append(words, fmt.Sprintf("%s, byte %d", f.File, f.Offset))
	}
	if f.HasKey {
		words = append(words, r.coreWords(f))
	}
	words = append(words, f.What)
	if f.Next != "" {
		words = append(words, f.Next)
	}
	fmt.Fprintln(std.Out, strings.Join(words, ": "))
}

// coreWords names a core, and which of its blocks are hurt.
func (r *fsckReport) coreWords(f store.Finding) string {
	words := "log " + f.Core.String()
	if name := r.names[f.Core]; name != "" {
		words = fmt.Sprintf("log %q (%s)", name, f.Core)
	}
	switch {
	case f.First+1 == f.End:
		words += fmt.Sprintf(", block %d", f.First)
	case f.First < f.End:
		words += fmt.Sprintf(", blocks %d-%d", f.First, f.End-1)
	}
	return words
}
