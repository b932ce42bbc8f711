// Command hc-fetch writes a core, or a part of it, as a proof stream.
package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	urfave "github.com/urfave/cli/v2"

	"hc/lib/cli"
	"hc/lib/cli/network"
	"hc/lib/drive"
	"hc/lib/gather"
	"hc/lib/hypercore"
	"hc/lib/hyperdrive"
	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/proof"
	"hc/lib/replicate"
	"hc/lib/store"
)

func main() { cli.Main(newApp, network.Exits) }

func newApp(std *cli.IO) *urfave.App {
	return &urfave.App{
		Name:        "hc-fetch",
		Usage:       "fetch a log or a drive, or a part of it, and write it with its proof",
		ArgsUsage:   "KEY|NAME [PATH]",
		Description: description,
		Flags: append([]urfave.Flag{
			cli.StoreFlag(),
			&urfave.StringFlag{Name: "blocks", Usage: "only the blocks `A-B`, both included (A-: to the end)"},
			&urfave.StringFlag{Name: "bytes", Usage: "only the bytes `A-B`, both included (A-: to the end)"},
			&urfave.BoolFlag{Name: "head", Usage: "only the signed head with the tree's roots, no data"},
			&urfave.BoolFlag{Name: "tree", Usage: "of a drive, all files of the folder PATH, or of the whole drive"},
			&urfave.BoolFlag{Name: "names", Usage: "of a drive, all names and both heads, but no file's bytes: what an import continues from"},
			&urfave.BoolFlag{Name: "live", Usage: "continue with what is appended, until interrupted"},
			&urfave.BoolFlag{Name: "follow-fork", Usage: "replace what is here if its key has signed the log again under a higher fork"},
			&urfave.BoolFlag{Name: "no-store", Usage: "store nothing"},
			network.DedupFlag(),
			&urfave.BoolFlag{Name: "sync", Usage: "sync blocks to the disk before they count as stored"},
			&urfave.BoolFlag{Name: "force", Aliases: []string{"f"}, Usage: "write even to a terminal"},
			cli.JSONFlag(),
		}, append(network.PeerFlags(), network.DiscoveryFlags()...)...),
		Metadata: cli.Manual{
			Examples: []cli.Example{
				{Does: "fetch a log and check it", Command: "hc-fetch KEY --peer host:4977 | hc-verify KEY > table.csv"},
				{Does: "the same over ssh", Command: "hc-fetch KEY --exec 'ssh host hc-serve --stdio' | hc-verify KEY"},
				{Does: "a part", Command: "hc-fetch KEY --bytes 1000000-1999999 | hc-verify KEY --bytes 1000000-1999999"},
				{Does: "a file of a drive", Command: "hc-fetch KEY data/table.csv --peer host | hc-verify KEY --path data/table.csv"},
				{Does: "follow a log", Command: "hc-fetch KEY --peer host --live | hc-verify KEY"},
				{Does: "a version that cannot change", Command: "hc-fetch 0.LENGTH.KEY | hc-verify 0.LENGTH.KEY"},
				{Does: "carry it on a stick", Command: "hc-fetch KEY --peer host > usb.proof"},
			},
			SeeAlso:   []string{"hc-serve(1)", "hc-verify(1)"},
			Arguments: cli.CoreArguments,
		}.Metadata(),
		Action: func(c *urfave.Context) error {
			claim, err := parse(c)
			if err != nil {
				return err
			}
			if err := cli.RefuseTerminal(std, c.Bool("force")); err != nil {
				return cli.Hint(err, "pipe it into hc-verify, or use --force")
			}
			return hint(fetch(c, std, claim), claim, c.IsSet("exec"))
		},
	}
}

const description = `
hc-fetch writes a proof stream: the blocks of the log with just those hashes that tie them to the head which its key signed, for hc-verify
to check and to turn into bytes. It takes the log from the peers that are named, with --peer, --exec or $HC_PEERS, keeps it in the store,
so that nothing is fetched twice, and writes it as it arrives.

If no peer is named it writes what the store holds. Only if that lacks something of what is asked for does it look for peers: where
blocks of that log came from before, and on the local network, where hc-serve --announce answers. It asks for the log's discovery key, so
nobody who listens learns the key. If it finds no peer within 3 seconds, it makes do with the store. --discover looks in any case,
--no-discovery and $HC_NO_DISCOVERY never.

With PATH, KEY is that of a drive: the stream is that file, or with --tree the folder with everything below it, with the proof that the
drive has it under that name, or that it has nothing of that name. Of the drive's names only those on the way are fetched.

A fetch that was interrupted continues from where it was. A log that nothing was appended to yet has no signed head, so there is nothing
to prove: exit code 3; with --live its first block is waited for.

A log that its key signed again, under a higher fork, is a different one: exit code 7, and what is here stays and can be read as before.
With --follow-fork it is replaced: what both share stays, the rest is forgotten and fetched again.
`

func parse(c *urfave.Context) (proof.Claim, error) {
	claim := proof.Claim{}
	if c.NArg() < 1 || c.NArg() > 2 {
		return claim, cli.Usagef("want one KEY or NAME, and maybe a PATH, got %d arguments", c.NArg())
	}
	if c.NArg() == 2 {
		claim.Kind = proof.KindPath
	}
	parts := c.NArg() - 1
	for name, kind := range map[string]proof.Kind{"blocks": proof.KindBlocks, "bytes": proof.KindBytes, "head": proof.KindHead} {
		if c.IsSet(name) && (name != "head" || c.Bool(name)) {
			claim.Kind = kind
			parts++
		}
	}
	if c.Bool("tree") {
		claim.Kind = proof.KindTree
		parts += 2 - c.NArg()
	}
	if c.Bool("names") {
		claim.Kind = proof.KindNames
		parts++
	}
	if parts > 1 {
		return claim, cli.Usagef("--blocks, --bytes, --head, PATH, --tree and --names cannot be used together")
	}
	var err error
	switch claim.Kind {
	case proof.KindBlocks:
		claim.From, claim.To, err = cli.ParseRange(c.String("blocks"))
	case proof.KindBytes:
		claim.From, claim.To, err = cli.ParseRange(c.String("bytes"))
	case proof.KindPath, proof.KindTree:
		claim.Path, err = parsePath(c.Args().Get(1), claim.Kind)
	}
	if c.Bool("follow-fork") && len(c.StringSlice("peer"))+len(c.StringSlice("exec")) == 0 {
		return claim, cli.Usagef("--follow-fork asks peers: name one with --peer or --exec")
	}
	if c.Bool("live") && claim.Kind != proof.KindAll && claim.Kind != proof.KindBlocks {
		return claim, cli.Usagef("--live is for all of the log, or --blocks")
	}
	return claim, err
}

// parsePath returns the drive's name for what was typed.
func parsePath(path string, kind proof.Kind) (string, error) {
	name, err := hyperdrive.CleanName(path)
	switch {
	case err != nil:
		return "", cli.Usagef("%v", err)
	case name == "/" && kind == proof.KindPath:
		return "", cli.Usagef("%q is the whole drive: use --tree", path)
	}
	return name, nil
}

func fetch(c *urfave.Context, std *cli.IO, claim proof.Claim) error {
	dialers, err := network.Peers(std, c)
	if err != nil {
		return err
	}
	in, err := openStore(c, std, len(dialers) > 0)
	if err != nil {
		return err
	}
	defer func() {
		if in != nil {
			in.Close()
		}
	}()
	ref, err := hypercore.Find(c.Context, in, c.Args().First())
	if err != nil {
		return err
	}
	found, err := look(c, std, in, ref, claim, len(dialers))
	if err != nil {
		return err
	}
	if found != nil && len(dialers) == 0 { // the store was opened read-only, if there is one
		if in != nil {
			in.Close()
		}
		if in, err = openStore(c, std, true); err != nil {
			return err
		}
	}
	dialers = append(dialers, found.Dialers()...)
	if c.Bool("no-store") && len(dialers) > 0 {
		in = nil
	}
	if c.Bool("follow-fork") && in != nil {
		if err := followForks(c.Context, std, in, ref.Key, dialers, claim); err != nil {
			return err
		}
	}
	progress := cli.NewProgress(std, cli.ProgressOptions{DataOut: true})
	defer progress.Done()
	received, copied := 0, 0
	defer func() { std.Log.Info("done", "received", received, "copied", copied) }()
	options := replicate.PipeOptions{
		Store: in,
		Peers: dialers,
		Sync:  c.Bool("sync"),
		Claim: claim,
		Live:  c.Bool("live"),
		Fetch: replicate.FetchOptions{
			NoDedup: c.Bool("no-dedup"),
			Dropped: func(_ string, reason error) { std.Log.Warn("lost a peer", "reason", reason) },
			Copied:  func(uint64, int) { copied++ },
			Trace: func(_ bool, p *merkle.Proof) {
				if p.Block != nil {
					received++
				}
			},
			Worked: network.Remembers(std, c, in, ref.Key),
			More:   found.More(),
		},
	}
	return replicate.WriteProof(std.UntilReaderGone(c.Context), counting(std.Out, progress), ref, options)
}

// look looks for peers if none is named and the store lacks something of the claim.
func look(c *urfave.Context, std *cli.IO, in *store.Store, ref keys.Ref, claim proof.Claim, named int) (*network.Found, error) {
	here, err := replicate.Holds(c.Context, in, ref, claim)
	if err != nil || !network.Discovers(std, c, named, !here) {
		return nil, err
	}
	found, err := network.Look(std, c, in, ref.Key)
	if err == nil && found == nil && named == 0 {
		std.Notef("no peer was found on this network")
	}
	return found, err
}

// followForks switches to a higher fork of a log, and, if a drive's files are wanted, of its blobs.
func followForks(ctx context.Context, std *cli.IO, in *store.Store, key keys.Key, peers []replicate.Dialer, claim proof.Claim) error {
	if err := followFork(ctx, std, in, key, peers); err != nil {
		return err
	}
	if claim.Kind != proof.KindPath && claim.Kind != proof.KindTree {
		return nil
	}
	cores, err := drive.Cores(ctx, in, key)
	if err != nil { // not here yet, or no drive
		return nil
	}
	return followFork(ctx, std, in, cores[1], peers)
}

// followFork switches to a higher fork, if a peer has one, and reports which head was here.
func followFork(ctx context.Context, std *cli.IO, in *store.Store, key keys.Key, peers []replicate.Dialer) error {
	followed, err := replicate.FollowFork(ctx, in, key, peers, replicate.FetchOptions{})
	if err != nil || followed.Before.Fork == followed.After.Fork {
		return err
	}
	std.Notef("following %s; the log here was at %s, and the first %d blocks are the same",
		hypercore.HeadWords(followed.After), hypercore.HeadWords(followed.Before), followed.Common)
	return nil
}

// hint adds to an error what to do next.
func hint(err error, claim proof.Claim, exec bool) error {
	switch {
	case errors.Is(err, hyperdrive.ErrNotDrive) && claim.Kind == proof.KindPath:
		return cli.Hint(err, "leave out PATH")
	case errors.Is(err, hyperdrive.ErrNotDrive):
		kind, _, _ := strings.Cut(claim.String(), " ")
		return cli.Hint(err, "leave out --"+kind)
	case errors.Is(err, proof.ErrBlockMissing):
		return cli.Hint(err, "name a peer that has it (--peer or --exec)")
	}
	return network.Hint(err, exec)
}

// openStore opens the store, and creates it if something is to be kept. Without a store there may still be peers.
func openStore(c *urfave.Context, std *cli.IO, fetching bool) (*store.Store, error) {
	keep := fetching && !c.Bool("no-store")
	dir := std.StoreDir(c)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) && !keep {
		return nil, nil
	}
	in, err := store.Open(c.Context, dir, store.Options{Create: keep, Late: true, ReadOnly: !keep})
	if keep && (errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)) {
		return nil, cli.Hint(err, "keep it elsewhere (-C DIR), or keep nothing (--no-store)")
	}
	return in, err
}

// counted shows the progress of writes to w.
type counted struct {
	w        io.Writer
	progress *cli.Progress
}

func (c counted) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.progress.Add(int64(n), 0)
	return n, err
}

// countedFile is counted for a writer that takes many pieces at once, and from files.
type countedFile struct {
	counted
	file gather.FileWriter
}

func (c countedFile) WritePieces(pieces [][]byte) error {
	bytes := 0
	for _, piece := range pieces {
		bytes += len(piece)
	}
	return c.noted(bytes, c.file.WritePieces(pieces))
}

func (c countedFile) WriteFrom(file io.ReaderAt, offset int64, b []byte) error {
	return c.noted(len(b), c.file.WriteFrom(file, offset, b))
}

func (c countedFile) noted(bytes int, err error) error {
	if err == nil {
		c.progress.Add(int64(bytes), 0)
	}
	return err
}

// counting returns w with progress shown.
func counting(w io.Writer, progress *cli.Progress) io.Writer {
	c := counted{w, progress}
	if file, ok := w.(gather.FileWriter); ok {
		return countedFile{c, file}
	}
	return c
}
