// Command hc-chunk cuts bytes into blocks where their content says so, for hc-append.
package main

import (
	urfave "github.com/urfave/cli/v2"

	"hc/lib/cli"
)

func main() { cli.Main(newApp) }

func newApp(std *cli.IO) *urfave.App {
	return &urfave.App{
		Name:        "hc-chunk",
		Usage:       "cut bytes into blocks where their content says so",
		ArgsUsage:   "[FILE|DIR...]",
		Description: description,
		Flags: append([]urfave.Flag{
			&urfave.StringFlag{Name: "algorithm", Value: "rabin", Usage: "cut by `NAME`: rabin, fastcdc, fixed or lines"},
			&urfave.StringFlag{Name: "avg", Usage: "aim at `SIZE` on average, a power of two; the size of fixed (64KiB)"},
			&urfave.StringFlag{Name: "min", Usage: "cut no chunk shorter than `SIZE` (a quarter of the average)"},
			&urfave.StringFlag{Name: "max", Usage: "cut no chunk longer than `SIZE` (four times the average; lines: 15MiB)"},
			&urfave.BoolFlag{Name: "list", Usage: "write offset, length, leaf hash and SHA-256 of each chunk instead"},
			&urfave.BoolFlag{Name: "cuts", Usage: "write offset and length of each chunk instead; nothing is hashed"},
			&urfave.BoolFlag{Name: "join", Usage: "read a stream and write the bytes of its blocks"},
			&urfave.BoolFlag{Name: "stats", Usage: "report on standard error how many chunks there were, and how long"},
			&urfave.BoolFlag{Name: "force", Aliases: []string{"f"}, Usage: "write even to a terminal"},
			cli.JSONFlag(),
		}, folderFlags()...),
		Metadata: cli.Manual{
			Examples: []cli.Example{
				{Does: "publish a table; an edit costs only the changed chunks", Command: "hc-chunk < table.csv | hc-append table"},
				{Does: "publish a folder", Command: "hc-chunk dataset | hc-append dataset --drive"},
				{Does: "publish its next version: only what changed is read", Command: "hc-chunk dataset --since dataset | hc-append dataset --drive"},
				{Does: "publish what is in an archive", Command: "zcat files.tar.gz | hc-chunk --tar | hc-append files --drive"},
				{Does: "see what would be published", Command: "hc-chunk dataset --exclude '*.tmp' --dry-run"},
				{Does: "show where a file is cut, and the hashes", Command: "hc-chunk --list big.iso"},
				{Does: "one block for each line", Command: "hc-chunk --algorithm lines events.ndjson | hc-append events"},
				{Does: "turn a stream back into bytes", Command: "hc-chunk big.iso | hc-chunk --join | cmp - big.iso"},
			},
			SeeAlso:   []string{"hc-append(1)", "hc-verify(1)"},
			Choices:   map[string][]string{"algorithm": algorithms},
			Arguments: cli.FileArguments,
		}.Metadata(),
		Action: func(c *urfave.Context) error {
			opts, err := parse(c, std)
			if err != nil {
				return err
			}
			cli.CollectSooner() // it reuses its buffers
			return run(c.Context, std, opts)
		},
	}
}

const description = `
Reads files, or standard input if there are none or one is '-', cuts them into chunks, and writes them as an hc-stream, which hc-append
takes. If an argument is a folder, the stream is of files, for hc-append --drive. Chunks end where the content says so: an insertion
changes the chunks that it touches, and all others are the same as before, wherever they have moved to. A file's last chunk ends with it.

Content is cut by a Rabin fingerprint (the default; the cuts of restic/chunker and npm rabin with the polynomial 0x3DA3358B4DC173), by
FastCDC (its version of 2020), every so many bytes, or after every line feed. Sizes are given as 65536, 64k or 64KiB.

A stream that was cut short, by a failure here or later in the pipe, has no end; whatever reads it reports that, and hc-append appends
nothing of it. --join exits with 1 then: do not use what it wrote before. A failure earlier in the pipe cannot be told from the end of
the input: of 'make-csv | hc-chunk | hc-append table' the half that make-csv wrote is appended, although 'set -o pipefail' makes the
pipeline fail. If half of it would do harm, let make-csv write a file first. Nobody may write into a FILE while it is cut: the stream
would match no one version of it, or be refused, as one that was changed on its way. Data added after its end does no harm.

FOLDERS. The content of one DIR goes to the root of the drive; several arguments keep their base names. Symbolic links are kept, and none
is followed; one that leads into DIR by an absolute name leads there in the drive, too. Modes and times are kept, empty folders are not,
and hard links become files. What the drive has and the folder does not is deleted from the drive, unless --add is given. A device, a
pipe, or a name that is not UTF-8 is an error, unless --skip-special is given. A file that something writes to while it is read is read
again, or, if it is larger than 256 KiB, is an error: it is never imported half old, half new.

A file named .hcignore says what is left out of its folder and of folders below, in the syntax of gitignore(5). --exclude and --include
act like lines after all of them, relative to the root of the drive, the latter with a ! before it.

With --since the stream has only what differs from the drive NAME in the store: what is new, changed, and gone. A file counts as
unchanged if mode and SHA-256 are the drive's; it is not even read if size, times and inode are the same as when it was last read, which
is recorded in the store (stat/), together with what the drive has. A different time alone is no change. If the drive has moved on when
the stream arrives, nothing is imported, and hc-append exits with 7.

--tar reads a tar from standard input, or FILE, in place of a folder. Hard links stay hard links of the stream. A name that leads out of
the folder, one that comes twice, a sparse file, and a tar that just stops are errors.

Nothing is read from a folder named .hc, in any spelling that some file system takes for it: such a folder is a store and holds secret
keys.
`
