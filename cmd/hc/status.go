package main

import (
	"fmt"

	urfave "github.com/urfave/cli/v2"

	"hc/lib/cli"
	"hc/lib/folder"
	"hc/lib/worktree"
)

func newStatus(std *cli.IO) *urfave.App {
	return &urfave.App{
		Name:        "hc-status",
		Usage:       "show what a working copy is, and what was edited in it",
		ArgsUsage:   "[FOLDER]",
		Description: statusDescription,
		Flags:       append([]urfave.Flag{cli.JSONFlag()}, folderFlags()...),
		Metadata: cli.Manual{
			Examples: []cli.Example{
				{Does: "of the working copy that this folder is in", Command: "hc status"},
			},
			SeeAlso: []string{"hc(1)", "hc-diff(1)", "hc-sync(1)", "hc-log(1)"},
		}.Metadata(),
		Action: func(c *urfave.Context) error { return status(c, std) },
	}
}

const statusDescription = `
hc status shows which drive a folder is a working copy of, whether it publishes or follows it, which version is checked out and which is
the newest known here. It names the files that differ from the version that is checked out: A added, M modified, D deleted; L is a file
that the last clone or pull left out, and that is as it was before, or not there: the next one tries it again. It asks no peer, and
changes nothing; edits are not an error. A name with control characters is shown in quotes.
`

// state is what hc status says, as --json shows it.
type state struct {
	Type      string   `json:"type"`
	Key       string   `json:"key"`
	Publishes bool     `json:"publishes"`
	Version   uint64   `json:"version"`
	Newest    uint64   `json:"newest"`
	Cite      string   `json:"cite"`
	Pinned    bool     `json:"pinned,omitempty"`
	Parts     []string `json:"parts,omitempty"`
	Under     bool     `json:"interrupted,omitempty"`
	Edited    int      `json:"edited"`
	LeftOut   int      `json:"left_out,omitempty"`
}

func status(c *urfave.Context, std *cli.IO) error {
	in, tree, err := openTree(c, std)
	if err != nil {
		return err
	}
	defer in.Close()
	version, err := tree.Version(c.Context)
	if err != nil {
		return err
	}
	newest, err := tree.Newest(c.Context)
	if err != nil {
		return err
	}
	s := state{
		Type: "status", Key: tree.Key().String(), Publishes: tree.Publishes(), Version: version.Version(), Newest: newest.Version(),
		Cite: tree.At().String(), Pinned: tree.IsPinned(), Parts: tree.Parts, Under: tree.Interrupted(),
	}
	if !std.JSON {
		if err := sayState(std, s); err != nil {
			return err
		}
	}
	options := folder.Options{
		Exclude: c.StringSlice("exclude"), Include: c.StringSlice("include"),
		SkipSpecial: true, Checksum: c.Bool("checksum"),
		Warn: func(text string) { std.Warnf("%s", text) },
	}
	err = tree.Status(c.Context, version, options, func(change worktree.Change) error {
		if change.LeftOut {
			s.LeftOut++
		} else {
			s.Edited++
		}
		return printLetter(std, change)
	})
	if err == nil && std.JSON {
		return cli.WriteJSON(std.Out, s)
	}
	return err
}

func sayState(std *cli.IO, s state) error {
	role := "follows"
	if s.Publishes {
		role = "publishes"
	}
	text := fmt.Sprintf("# %s drive %s\n# version %d is checked out", role, s.Key, s.Version)
	switch {
	case s.Under:
		text += ", and an update was interrupted: run it again"
	case s.Newest > s.Version:
		text += fmt.Sprintf(", the newest one here is %d", s.Newest)
	default:
		text += ", which is the newest one here"
	}
	if len(s.Parts) > 0 {
		text += fmt.Sprintf("\n# only of %q", s.Parts)
	}
	_, err := fmt.Fprintln(std.Out, text)
	return err
}
