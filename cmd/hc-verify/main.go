// Command hc-verify checks a proof stream and writes the bytes that it proves.
package main

import (
	urfave "github.com/urfave/cli/v2"

	"hc/lib/cli"
	"hc/lib/keys"
	"hc/lib/proof"
)

func main() { cli.Main(newApp) }

func newApp(std *cli.IO) *urfave.App {
	return &urfave.App{
		Name:        "hc-verify",
		Usage:       "check a proof stream, and write the bytes that it proves",
		ArgsUsage:   "[KEY|NAME]",
		Description: description,
		Flags: []urfave.Flag{
			cli.StoreFlag(),
			&urfave.StringFlag{Name: "blocks", Usage: "the stream must prove the blocks `A-B`, both included (A-: to the end)"},
			&urfave.StringFlag{Name: "bytes", Usage: "the stream must prove the bytes `A-B`, both included (A-: to the end)"},
			&urfave.StringFlag{Name: "path", Usage: "the stream must prove the file `PATH` of a drive"},
			&urfave.StringFlag{Name: "tree", Usage: "the stream must prove the folder `PATH` of a drive, with everything below it (/ if only --tar or --sha256sums is given)"},
			&urfave.BoolFlag{Name: "tar", Usage: "write the folder as a tar"},
			&urfave.BoolFlag{Name: "sha256sums", Usage: "write a line for each file of the folder, as sha256sum does"},
			&urfave.BoolFlag{Name: "names", Usage: "the stream must prove all names of a drive, which are listed"},
			&urfave.BoolFlag{Name: "head", Usage: "the stream must prove the newest head, which is written as FORK.LENGTH.KEY.TREEHASH"},
			&urfave.BoolFlag{Name: "list", Usage: "instead of the data, write a line for each block: number, offset, length, leaf hash"},
			&urfave.BoolFlag{Name: "explain", Usage: "instead of the data, write the tree, and which hashes proved what"},
			&urfave.Uint64Flag{Name: "min-length", Usage: "fail unless the log has at least `N` blocks"},
			&urfave.BoolFlag{Name: "store", Usage: "keep what is verified in the store, to be served again"},
			&urfave.BoolFlag{Name: "force", Aliases: []string{"f"}, Usage: "write to a terminal even what is not text"},
			cli.JSONFlag(),
		},
		Metadata: cli.Manual{
			Examples: []cli.Example{
				{Does: "fetch a log and check it", Command: "hc-fetch KEY --peer host:4977 | hc-verify KEY > table.csv"},
				{Does: "a part", Command: "hc-fetch KEY --bytes 1000000-1999999 | hc-verify KEY --bytes 1000000-1999999"},
				{Does: "follow a log", Command: "hc-fetch KEY --peer host --live | hc-verify KEY"},
				{Does: "a version that cannot change", Command: "hc-fetch 0.LENGTH.KEY | hc-verify 0.LENGTH.KEY"},
				{Does: "a file of a drive", Command: "hc-fetch KEY data/table.csv | hc-verify KEY --path data/table.csv"},
				{Does: "a folder", Command: "hc-fetch KEY --tree / | hc-verify KEY --tar | tar -x -C copy"},
				{Does: "see what proves a block", Command: "hc-fetch KEY --blocks 6 | hc-verify KEY --explain"},
				{Does: "take a log from a stick, to be served again", Command: "hc-verify KEY --store < usb.proof > /dev/null"},
			},
			SeeAlso:   []string{"hc-fetch(1)", "hc-append(1)", "hc-serve(1)"},
			Arguments: cli.CoreArguments,
		}.Metadata(),
		Action: func(c *urfave.Context) error {
			j, err := parse(c, std)
			if err != nil {
				return err
			}
			ctx := c.Context
			if !j.keep {
				cli.CollectSooner() // it holds two buffers, and reuses them
				ctx = std.UntilReaderGone(ctx)
			}
			return j.run(ctx, std)
		},
	}
}

const description = `
hc-verify reads an hc-proof stream, as hc-fetch writes it, checks it against KEY, and writes the bytes that it proves: never one that the
key did not sign, and nothing that was not asked for. Without --blocks, --bytes, --head, --path or --tree only a stream of the whole log is
taken, so that a part does not pass for it; --list and --explain take any, except those of drives.

KEY is 64 hex digits or stock's 52 characters, FORK.LENGTH.KEY for the log as it was at that length, or the name of a log in the store; with
.TREEHASH added, a version is a citation that nobody can change, not even the owner of the key. Without KEY the stream's own key is
trusted, and named on standard error.

Of a drive, names, modes, times and sizes are those that the key signed. --tar writes a file of up to 1 MiB when all of it is verified,
including its sha256; of a larger one, each part as it is verified. The tar's end is only written if everything was verified, so look at
the exit code, with set -o pipefail. A name that no disk should have (/a/../b, or one below a link), or a link that may lead out of the
folder, is named on standard error and left out, and the exit code is 4 at the end. Unpack into an empty folder, or use hc clone: tar
writes through links that are there. A path or a folder can be proved not to be there, or to be something else: exit code 5.

Whatever was written before an error is verified. Exit code 3 means that something is missing (the stream was cut off, the log is shorter
than what was asked for), 4 that it is not what the key signed, 7 that the log was rewritten.
`

// job is what the command line asks for.
type job struct {
	options       proof.Options
	ref           keys.Ref // zero if no key is given
	given         bool     // a key is given
	list, explain bool
	folder        string // whose files are written: --tree; "": none
	sums          bool   // --sha256sums, not --tar
	names         bool   // are listed
	keep          bool   // --store
	dir           string // the store's folder
	force         bool
}

func parse(c *urfave.Context, std *cli.IO) (job, error) {
	j := job{
		list: c.Bool("list"), explain: c.Bool("explain"), keep: c.Bool("store"), force: c.Bool("force"),
		dir: std.StoreDir(c),
	}
	j.options.MinLength = c.Uint64("min-length")
	switch {
	case c.NArg() > 1:
		return j, cli.Usagef("want at most one KEY or NAME, got %d arguments", c.NArg())
	case j.list && j.explain:
		return j, cli.Usagef("--list and --explain cannot be used together")
	case j.explain && std.JSON:
		return j, cli.Usagef("--explain is for people, and has no --json")
	}
	claim, asked, err := parseClaim(c)
	if err != nil {
		return j, err
	}
	if err := j.parseFolder(c, claim); err != nil {
		return j, err
	}
	if c.NArg() == 1 {
		if j.ref, err = std.Ref(c, c.Args().First()); err != nil {
			return j, err
		}
		j.given, j.options.Key = true, &j.ref.Key
	}
	if j.ref.Pinned {
		claim.At = &j.ref.Length
		j.options.Fork, j.options.TreeHash = &j.ref.Fork, j.ref.TreeHash
	}
	j.options.AnyClaim = (j.list || j.explain) && !asked
	if asked || j.ref.Pinned {
		j.options.Claim = &claim
	}
	return j, nil
}

// parseClaim reads what the stream must prove; asked is false if no flag says so.
func parseClaim(c *urfave.Context) (claim proof.Claim, asked bool, err error) {
	for _, part := range []struct {
		flag string
		kind proof.Kind
	}{{"blocks", proof.KindBlocks}, {"bytes", proof.KindBytes}, {"head", proof.KindHead}, {"path", proof.KindPath}, {"tree", proof.KindTree}, {"names", proof.KindNames}} {
		if !c.IsSet(part.flag) && !(part.kind == proof.KindTree && (c.Bool("tar") || c.Bool("sha256sums"))) {
			continue
		}
		if asked {
			return claim, true, cli.Usagef("--blocks, --bytes, --head, --path, --tree and --names cannot be used together")
		}
		asked = true
		claim.Kind = part.kind
		switch part.kind {
		case proof.KindHead, proof.KindNames:
			continue
		case proof.KindPath, proof.KindTree:
			if claim.Path, err = parsePath(c, part.flag); err != nil {
				return claim, true, err
			}
			continue
		}
		if claim.From, claim.To, err = cli.ParseRange(c.String(part.flag)); err != nil {
			return claim, true, err
		}
		if _, err := proof.ParseClaim(claim.String()); err != nil {
			return claim, true, cli.Usagef("--%s: %w", part.flag, err)
		}
	}
	return claim, asked, nil
}
