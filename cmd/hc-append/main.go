// Command hc-append adds blocks to a signed log.
package main

import (
	"errors"
	"fmt"
	"strconv"
	"syscall"
	"time"

	urfave "github.com/urfave/cli/v2"

	"hc/lib/cli"
	"hc/lib/cli/network"
	"hc/lib/drive"
	"hc/lib/hypercore"
	"hc/lib/keylock"
	"hc/lib/peer"
	"hc/lib/replicate"
	"hc/lib/store"
	"hc/lib/stream"
)

func main() { cli.Main(newApp, network.Exits) }

func newApp(std *cli.IO) *urfave.App {
	return &urfave.App{
		Name:        "hc-append",
		Usage:       "append blocks to a signed log, and print its key and length",
		ArgsUsage:   "NAME|KEY",
		Description: description,
		Flags: append([]urfave.Flag{
			cli.StoreFlag(),
			&urfave.BoolFlag{Name: "raw", Usage: "all of standard input is one block (at most 15 MiB)"},
			&urfave.BoolFlag{Name: "lines", Usage: "each line, with its LF, is one block, published as it comes"},
			&urfave.StringFlag{Name: "flush-every", Usage: "with --lines: sign and publish once per `N` lines, or per duration (default 200ms after the first line)"},
			&urfave.BoolFlag{Name: "drive", Usage: "the input is a folder (hc-chunk DIR): import it into a drive"},
			&urfave.BoolFlag{Name: "new", Usage: "fail if the name is taken already"},
			&urfave.Uint64Flag{Name: "expect-length", Usage: "fail unless the log has `N` blocks now"},
			&urfave.BoolFlag{Name: "if-changed", Usage: "append nothing if the log already ends with just this input"},
			&urfave.StringFlag{Name: "onto", TakesFile: true, Usage: "continue from the head in `FILE` (hc-fetch KEY --head; for a drive --names), without the log itself"},
			&urfave.StringSliceFlag{Name: "peer", Usage: "first ask the peer at `HOST[:PORT]` for the newest head; may be repeated"},
			&urfave.BoolFlag{Name: "compat", Usage: "a new log's key is its plain public key, without a manifest"},
			cli.JSONFlag(),
		}, cli.SecretFlags()...),
		Metadata: cli.Manual{
			Examples: []cli.Example{
				{Does: "publish a table", Command: "hc-chunk < table.csv | hc-append table"},
				{Does: "one line, one block", Command: "hc-append --lines events < events.ndjson"},
				{Does: "follow a log file", Command: "tail -F app.log | hc-append --lines app"},
				{Does: "publish a folder", Command: "hc-chunk ./data | hc-append data --drive"},
				{Does: "one block", Command: "echo 'one item' | hc-append --raw notes"},
				{Does: "with a key from a CI system's secret store", Command: "hc-append table --secret-key-fd 3 3< /run/secrets/table < stream"},
				{Does: "append where the log is not stored, as in a CI job", Command: "hc-chunk < data.csv | hc-append KEY --onto head.proof --secret-key-file key"},
				{Does: "the same input twice is appended once", Command: "hc-chunk < data.csv | hc-append table --if-changed"},
			},
			SeeAlso:   []string{"hc-chunk(1)", "hc-fetch(1)", "hc-keys(1)", "hc-serve(1)"},
			Arguments: cli.CoreArguments,
		}.Metadata(),
		Action: func(c *urfave.Context) error {
			j, err := parse(c, std)
			if err != nil {
				return err
			}
			return j.hint(j.run(c, std))
		},
	}
}

const description = `
hc-append reads an hc-stream, as hc-chunk writes it, adds its blocks to the log NAME of the store, signs the new head, and prints the log's
KEY and LENGTH. A name that is not taken yet becomes a new log with a fresh key pair, whose secret half stays in the store. The secret
key may also come from outside the store, and be locked with a passphrase: hc-keys(1) says how, and which files are refused. The append
is durable when the line is printed. A stream that is cut off, or changed on its way, appends nothing.

A log is the concatenation of everything that was ever appended to it: right for events, tables that only grow, and single files. To
publish the next version of a file, append it to a log of its own, or put it into a drive.

With --drive the input is a folder with its files, as 'hc-chunk DIR' writes it. NAME is then a drive, which stock Hyperdrive reads. It is
two logs: one has the names, and its key is printed; the other, whose key follows from that, has the bytes. LENGTH is the drive's
version. All of the folder is imported, or nothing; what did not change is not written again, and a folder without changes gets no new
version.

With --lines and --raw the input has no end mark: whatever arrived is published. Lines are published 200 ms after the first of them
arrived, unless --flush-every says otherwise, and an endless input is fine.

--onto takes what 'hc-fetch KEY --head' wrote, a few hundred bytes, in place of the log: its roots and the secret key are all that an
append needs. Such a store can serve what it appended only to peers that have the log up to that head, or that want only what is new.
If the store has a part of the log already, the head must be one that it knows; an older one changes nothing.

With --drive, --onto takes what 'hc-fetch KEY --names' wrote: both heads, and the names, but no file's bytes.

--if-changed compares the input with the end of the log. If the log ends with just these blocks, nothing is appended, and the same line
is printed. If the store has only the log's roots, what it takes to tell is asked of --peer, or comes with a head that was fetched as the
version before the last append (hc-fetch FORK.LENGTH.KEY --head); for more than a million blocks only a store that has the log can tell.

One key is for one writer. Restoring an old backup of a log, or writing it on two machines, would sign a second history, which its
readers refuse. So any tool that meets a longer head, or a conflicting one, remembers it, and appending is refused with exit code 7 until
'hc doctor NAME' has resolved it. --peer asks each peer that is named for such a head first; if one cannot be asked, nothing is appended.
`

type job struct {
	word       string
	raw, lines bool
	drive      bool
	onto       string // a file, "" for none
	peers      []replicate.Dialer
	flush      hypercore.Flush
	options    hypercore.AppendOptions
	incoming   *hypercore.Incoming // of a stream that goes into a log
}

func parse(c *urfave.Context, std *cli.IO) (job, error) {
	j := job{
		word:    c.Args().First(),
		raw:     c.Bool("raw"),
		lines:   c.Bool("lines"),
		drive:   c.Bool("drive"),
		onto:    c.String("onto"),
		options: hypercore.AppendOptions{New: c.Bool("new"), Compat: c.Bool("compat"), IfChanged: c.Bool("if-changed")},
	}
	switch {
	case c.NArg() != 1:
		return j, cli.Usagef("want one NAME or KEY, got %d arguments", c.NArg())
	case j.raw && j.lines:
		return j, cli.Usagef("--raw and --lines cannot be used together")
	case j.drive && (j.raw || j.lines):
		return j, cli.Usagef("--drive takes a folder: --raw and --lines are for logs")
	case j.drive && (j.options.Compat || j.options.IfChanged):
		return j, cli.Usagef("--drive: --compat is for logs, and what did not change is never written again")
	case c.IsSet("flush-every") && !j.lines:
		return j, cli.Usagef("--flush-every needs --lines")
	case j.lines && j.options.IfChanged:
		return j, cli.Usagef("--lines publishes as it goes, before it could tell whether anything changed: pipe the input through hc-chunk --algorithm lines instead")
	case j.onto == "-":
		return j, cli.Usagef("--onto: standard input carries data: name a file, or a descriptor (/dev/fd/3)")
	case j.onto != "" && (j.options.New || j.options.Compat):
		return j, cli.Usagef("--onto is for a log that exists: --new and --compat are for one that does not")
	}
	var err error
	if j.peers, err = network.PeersAt(c.StringSlice("peer")); err != nil {
		return j, err
	}
	if len(j.peers) > 0 {
		j.options.Ask, j.options.Roots = j.askHeads, j.askRoots
	}
	if c.IsSet("expect-length") {
		length := c.Uint64("expect-length")
		j.options.ExpectLength = &length
	}
	if j.flush, err = parseFlush(c.String("flush-every")); err != nil {
		return j, err
	}
	if j.options.SecretFile, err = std.Secret(c); err != nil {
		return j, err
	}
	passphrases, err := std.Passphrases(c, true)
	if err != nil {
		return j, err
	}
	j.options.Unlock = keylock.With(passphrases.Current)
	return j, nil
}

// parseFlush reads a count ("1000") or a duration ("500ms").
func parseFlush(s string) (hypercore.Flush, error) {
	if s == "" {
		return hypercore.Flush{Interval: hypercore.DefaultFlush}, nil
	}
	if count, err := strconv.ParseUint(s, 10, 64); err == nil && count > 0 {
		return hypercore.Flush{Count: count}, nil
	}
	interval, err := time.ParseDuration(s)
	if err != nil || interval <= 0 {
		return hypercore.Flush{}, cli.Usagef("--flush-every %q is neither a number of lines nor a duration such as 500ms", s)
	}
	return hypercore.Flush{Interval: interval}, nil
}

// hint adds to an error what to do next.
func (j job) hint(err error) error {
	switch {
	case errors.Is(err, errUntold):
		return cli.Hint(err, "it was appended, but the result was not printed")
	case errors.Is(err, store.ErrUnsynced) && j.drive:
		return cli.Hint(err, "run it again: what is there already is not written again")
	case errors.Is(err, store.ErrUnsynced) && !j.lines:
		return cli.Hint(err, "it may have been appended: run it again with --if-changed")
	case errors.Is(err, syscall.ENOSPC) && !j.lines:
		return cli.Hint(err, "nothing of it was appended: make room, then run it again")
	case errors.Is(err, peer.ErrUnreachable):
		return cli.Hint(err, "nothing was appended")
	case errors.Is(err, replicate.ErrNotOffered):
		return cli.Hint(err, "leave out --peer for a log that it never had")
	case errors.Is(err, hypercore.ErrDrive):
		return cli.Hint(err, fmt.Sprintf("add --drive (hc-chunk FOLDER | hc-append %s --drive)", j.word))
	case errors.Is(err, stream.ErrPlain):
		return cli.Hint(err, fmt.Sprintf("hc-chunk FOLDER | hc-append %s --drive", j.word))
	case errors.Is(err, hypercore.ErrFramed) && j.raw:
		return cli.Hint(err, "leave out --raw")
	case errors.Is(err, hypercore.ErrFramed):
		return cli.Hint(err, "leave out --lines (hc-chunk --algorithm lines cuts lines)")
	case errors.Is(err, hypercore.ErrReadOnly):
		return cli.Hint(err, "name the right one with --secret-key-file")
	}
	return err
}

func (j job) run(c *urfave.Context, std *cli.IO) error {
	if !j.raw && !j.lines {
		if err := cli.RefuseTyped(std, "hc-chunk FILE | hc-append NAME"); err != nil {
			return err
		}
	}
	if _, err := hypercore.Find(c.Context, nil, j.word); err != nil && !errors.Is(err, store.ErrNotFound) {
		return err // it cannot be a name in any store
	}
	size, _ := std.InSize() // before any of it is read
	if !j.raw && !j.lines && !j.drive {
		j.incoming = hypercore.Receive(c.Context, std.In) // while the store is created, which takes a few syncs
		defer j.incoming.Close()
	}
	in, err := store.Open(c.Context, std.StoreDir(c), store.Options{Create: true, Late: !j.lines}) // others may serve it before there is a line
	if err != nil {
		return err
	}
	defer in.Close()
	if in.NetworkFS() {
		std.Warnf("the store is on a network file system, which may lose what it reports as synced")
	}
	if err := j.goOnFrom(c.Context, in); err != nil {
		return err
	}
	progress := cli.NewProgress(std, cli.ProgressOptions{Total: size})
	defer progress.Done()
	defer warnOfDamage(std, in)
	if j.drive {
		return j.importFolder(c, in, std, progress)
	}
	result, err := j.append(c, in, std, progress)
	if err != nil {
		return err
	}
	progress.Done()
	return tell(std, result, result.Key, result.Length)
}

// warnOfDamage warns of damage that the append met: whoever appends may not look at the store for a long time. If the damage may have
// cost the log its newest head, nothing was appended.
func warnOfDamage(std *cli.IO, in *store.Store) {
	if damage := in.Damage(); len(damage) > 0 {
		std.Warnf("the store has earlier damage: %v: 'hc fsck' shows what is affected", damage[0])
	}
}

// errUntold says that the result of an append could not be printed.
var errUntold = errors.New("appended")

// tell prints the result.
func tell(std *cli.IO, result any, key string, length uint64) (err error) {
	if std.JSON {
		err = cli.WriteJSON(std.Out, result)
	} else {
		_, err = fmt.Fprintf(std.Out, "%s %d\n", key, length)
	}
	if err != nil {
		return cli.Exitf(errUntold, "%w", err)
	}
	return nil
}

// importFolder takes a folder into a drive.
func (j job) importFolder(c *urfave.Context, in *store.Store, std *cli.IO, progress *cli.Progress) error {
	result, err := drive.Import(c.Context, in, j.word, std.In, j.options, func(bytes, blocks int) {
		progress.Add(int64(bytes), int64(blocks))
	})
	if err != nil {
		return err
	}
	progress.Done()
	return tell(std, result, result.Key, result.Length)
}

func (j job) append(c *urfave.Context, in *store.Store, std *cli.IO, progress *cli.Progress) (hypercore.Result, error) {
	switch {
	case j.raw:
		result, err := hypercore.AppendRaw(c.Context, in, j.word, std.In, j.options)
		progress.Add(int64(result.Bytes), int64(result.Blocks))
		return result, err
	case j.lines:
		said := false // with an endless input the line at the end never comes
		return hypercore.AppendLines(c.Context, in, j.word, std.In, j.options, j.flush, func(r hypercore.Result) {
			if !said && std.ErrTerminal {
				std.Notef("publishing as %s", r.Key)
			}
			said = true
			std.Log.Info("published", "key", r.Key, "length", r.Length, "lines", r.Blocks)
			progress.Add(int64(r.Bytes), int64(r.Blocks))
		})
	}
	return j.incoming.AppendTo(c.Context, in, j.word, j.options, func(bytes, blocks int) {
		progress.Add(int64(bytes), int64(blocks))
	})
}
