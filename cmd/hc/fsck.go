package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"hc/lib/cli"
	"hc/lib/cli/network"
	"hc/lib/keys"
	"hc/lib/replicate"
	"hc/lib/store"
)

func newFsck(std *cli.IO) *urfave.App {
	return &urfave.App{
		Name:        "hc-fsck",
		Usage:       "check that a store holds what was signed",
		Description: fsckDescription,
		Flags: []urfave.Flag{
			cli.StoreFlag(),
			&urfave.BoolFlag{Name: "repair", Usage: "repair what can be repaired, and clear blocks that are lost"},
			&urfave.StringSliceFlag{Name: "peer", Usage: "with --repair: fetch what is lost from the peer at `HOST[:PORT]`; may be repeated"},
			cli.JSONFlag(),
		},
		Metadata: cli.Manual{
			Examples: []cli.Example{
				{Does: "check the store ./.hc", Command: "hc fsck"},
				{Does: "check another store, in a script", Command: "hc fsck -C /srv/data/.hc --json"},
				{Does: "repair it, and fetch lost blocks again", Command: "hc fsck --repair --peer 192.0.2.1:4977"},
			},
			SeeAlso: []string{"hc(1)", "hc-append(1)", "hc-fetch(1)"},
		}.Metadata(),
		Action: func(c *urfave.Context) error {
			switch {
			case c.Args().Present():
				return cli.Usagef("unexpected argument %q", c.Args().First())
			case c.IsSet("peer") && !c.Bool("repair"):
				return cli.Usagef("--peer needs --repair")
			}
			return fsck(c, std)
		},
	}
}

const fsckDescription = `
hc fsck reads every byte of a store. It compares records with their checksums, blocks with their hashes, these with the tree, the tree
with the head that was signed, and that with its signature; and the index, and everything else that is derived from the packs, with the
packs. It only reads, and others may write to the store meanwhile.

Each finding is a line on standard output: where it is, what it affects, and what to do next. Some cost nothing (what a crash left
behind, a block that nothing needs), and the exit code stays 0. If only derived files are affected it is 1, and nothing is lost. If
blocks, heads or keys are, it is 4.

With --repair, derived files are built again, second copies of headers are written again from the first, a bit that has flipped in a
name or a secret key is turned back, and lost blocks are taken from elsewhere in the store. Blocks that are nowhere in it are fetched
again, with --peer; otherwise they are cleared, so that no peer is told that they are here. If the damage may hide the end of a log
that is signed here, --peer looks for that, too; until it has, hc-append refuses to sign that log. Each peer that is named is asked, and
the longest log is taken: what each has is printed, since a mirror that lags cannot know of the rest. If one cannot be asked, nothing
is given up. Nothing is ever signed. Then the store is checked once more: whatever is left is reported, and decides the exit code; 3
means that the store is sound, but lacks blocks that it had.

Temporary files, a small part of the store's size, go to $TMPDIR.
`

func fsck(c *urfave.Context, std *cli.IO) error {
	peers, err := network.PeersAt(c.StringSlice("peer"))
	if err != nil {
		return err
	}
	run := &fsckRun{std: std, dir: std.StoreDir(c), repair: c.Bool("repair"), peers: peers, asked: make(map[keys.Key]bool)}
	report, err := run.check(c.Context, "finding", run.repair)
	if err != nil {
		return err
	}
	if !run.repair || report.data+report.derived+report.none == 0 {
		return report.result(run.dir)
	}
	std.Notef("checking the store after the repair")
	left, err := run.check(c.Context, "left", false)
	if err != nil {
		return errors.Join(err, run.fetchErr)
	}
	return run.result(left)
}

// fsckRun is one hc fsck: a check, perhaps a repair, and then a second check.
type fsckRun struct {
	std    *cli.IO
	dir    string
	repair bool
	peers  []replicate.Dialer

	asked    map[keys.Key]bool // logs of which all peers were asked how much they have
	lost     uint64            // blocks that the repair had to clear, and that did not come back
	fetchErr error             // why not all of them did
	unheard  bool              // a peer did not say how much it has of a log whose end may be lost here
	away     bool              // a peer could not be asked for blocks that no other peer had
	unasked  bool              // a log that is signed here may have lost its end, and no peer was asked
}

// check checks the store once, and then repairs it if repair is set. kind is what findings are called.
func (r *fsckRun) check(ctx context.Context, kind string, repair bool) (report *fsckReport, err error) {
	report = &fsckReport{kind: kind}
	progress := cli.NewProgress(r.std, cli.ProgressOptions{DataOut: true})
	defer progress.Done()
	checker, err := store.NewChecker(ctx, r.dir, store.CheckOptions{
		Progress: func(bytes, blocks int) { progress.Add(int64(bytes), int64(blocks)) },
		Found:    func(f store.Finding) { report.add(r.std, f) },
		Scratch:  os.TempDir(),
		Repair:   repair,
	})
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, checker.Close()) }()
	progress.SetTotal(checker.Bytes())
	report.names = checker.Names()
	if err := checker.Run(ctx); err != nil || !repair {
		return report, err
	}
	progress.Done()
	if err := checker.Repair(ctx); err != nil {
		return report, err
	}
	if err := r.fetch(ctx, checker); err != nil {
		return report, err
	}
	if r.unheard {
		r.std.Warnf("what is damaged stays where it is, and hc-append refuses to sign: repeat this when all peers answer, or name only those that do")
		return report, nil
	}
	if r.away {
		r.std.Warnf("what is damaged stays where it is: repeat this when all peers answer, or name only those that do")
		return report, nil
	}
	if err := checker.ClearLost(ctx); err != nil {
		return report, err
	}
	return report, checker.Discard(ctx, len(r.peers) > 0)
}

// result returns the error of the last check, with what was lost before it.
func (r *fsckRun) result(left *fsckReport) error {
	err := left.result(r.dir)
	switch {
	case err != nil:
		return errors.Join(err, r.fetchErr)
	case r.fetchErr != nil:
		return fmt.Errorf("%s lost: %w", plural(int(r.lost), "block"), r.fetchErr)
	case r.lost > 0:
		return cli.Hint(cli.Exitf(cli.ErrPartial, "the store %q is sound again, but has lost %s", r.dir, plural(int(r.lost), "block")),
			"fetch them from a peer that has them")
	case r.unasked:
		return cli.Exitf(cli.ErrPartial, "the store %q is sound again, but may have lost the newest blocks of logs that are signed here", r.dir)
	}
	return nil
}

// fsckReport counts findings while they are printed.
type fsckReport struct {
	kind          string // finding, or left: what a repair did not mend
	names         map[keys.Key]string
	data, derived int
	none          int
	blocks        uint64
}

func (r *fsckReport) add(std *cli.IO, f store.Finding) {
	switch f.Harm {
	case store.HarmData:
		r.data++
		r.blocks += f.End - f.First
	case store.HarmDerived:
		r.derived++
	case store.HarmNone:
		r.none++
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

// print writes one finding. Run makes a failed output the exit code.
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
		}{r.kind, harms[f.Harm], f.File, f.Offset, f.Length, core, r.names[f.Core], f.First, f.End, f.What, f.Next})
		return
	}
	var words []string
	if r.kind != "finding" {
		words = append(words, r.kind)
	}
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

// coreWords names a core, and which of its blocks are affected.
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
