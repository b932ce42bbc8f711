package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"

	urfave "github.com/urfave/cli/v2"
	"golang.org/x/sync/errgroup"

	"hc/lib/cli"
	"hc/lib/cli/network"
	"hc/lib/drive"
	"hc/lib/folder"
	"hc/lib/keylock"
	"hc/lib/peer"
	"hc/lib/replicate"
	"hc/lib/store"
	"hc/lib/worktree"
)

// defaultListen is where a share is served, if the port is free.
const defaultListen = ":4977"

func newShare(std *cli.IO) *urfave.App {
	return &urfave.App{
		Name:        "hc-share",
		Usage:       "publish a folder, serve it, and publish what changes in it",
		ArgsUsage:   "[FOLDER]",
		Description: shareDescription,
		Flags: append([]urfave.Flag{
			&urfave.StringFlag{Name: "listen", Usage: "serve at `HOST:PORT` (default " + defaultListen + ", or any free port if that is taken)"},
			&urfave.BoolFlag{Name: "once", Usage: "publish and exit: nothing is served or watched"},
			&urfave.BoolFlag{Name: "no-discovery", Usage: "do not answer peers that look for the drive on the local network"},
			&urfave.BoolFlag{Name: "no-watch", Usage: "serve what the folder has now, and do not watch it"},
			cli.JSONFlag(),
		}, append(folderFlags(), cli.SecretFlags()...)...),
		Metadata: cli.Manual{
			Examples: []cli.Example{
				{Does: "share a folder; prints its key", Command: "hc share ./dataset"},
				{Does: "copy it, on the same network", Command: "hc clone KEY ./copy"},
				{Does: "copy it from elsewhere", Command: "hc clone KEY ./copy --peer host:4977"},
				{Does: "publish what changed, from a script", Command: "hc share ./dataset --once"},
			},
			SeeAlso: []string{"hc(1)", "hc-clone(1)", "hc-sync(1)", "hc-status(1)"},
		}.Metadata(),
		Action: func(c *urfave.Context) error { return share(c, std) },
	}
}

const shareDescription = `
hc share makes a drive of a folder, or publishes its next version: it imports what changed, prints the drive's key, serves the drive, and
imports again whenever something in the folder changes. Anybody with the key can read all of it, from any peer that has it; only somebody
with the secret key, which stays in the folder's store (.hc), can publish. Back that up.

Unless --listen names an address of this machine alone (localhost:4977), it is served on every network interface, so whoever can reach
this machine and has the key can read it; without the key nobody can.

Peers with the key find the share on the local network. It is announced by multicast DNS under its discovery key only, from which nobody
learns the key.

What .hcignore files name, in the syntax of gitignore(5), is left out, and so is every .hc. The files stay as they are; the store beside
them holds their versions, compressed, each chunk once.

A device, a named pipe or a name that is not UTF-8 is an error, unless --skip-special is given; one that appears later is named, and left
out. A file that something writes to whenever it is read is named, and stays in the drive as it was until the writing stops; --once and
'hc sync' then exit with 3.
`

// folderFlags say which files are imported.
func folderFlags() []urfave.Flag {
	return append(cli.ImportFlags(""), &urfave.BoolFlag{Name: "checksum", Usage: "read every file, even those with unchanged size and times"})
}

// publishOptions reads the flags for publishing.
func publishOptions(c *urfave.Context, std *cli.IO) (options worktree.PublishOptions, err error) {
	options.Folder.Exclude, options.Folder.Include = c.StringSlice("exclude"), c.StringSlice("include")
	options.Folder.SkipSpecial, options.Folder.Checksum = c.Bool("skip-special"), c.Bool("checksum")
	options.Folder.Warn = func(text string) { std.Warnf("%s", text) }
	if options.Append.SecretFile, err = std.Secret(c); err != nil {
		return options, err
	}
	passphrases, err := std.Passphrases(c, false)
	if err != nil {
		return options, err
	}
	options.Append.Unlock = keylock.With(passphrases.Current)
	return options, nil
}

// openFolder opens the store of a folder, and creates it if create is set.
func openFolder(c *urfave.Context, std *cli.IO, folder string, create bool) (*store.Store, error) {
	info, err := os.Stat(folder)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, cli.Usagef("%q is not a folder: put the file into one", folder)
	}
	in, err := store.Open(c.Context, worktree.StoreDir(folder), store.Options{Create: create})
	if err == nil && in.NetworkFS() {
		std.Warnf("the store is on a network file system, which may lose what it reports as synced")
	}
	return in, err
}

func share(c *urfave.Context, std *cli.IO) error {
	folder := "."
	switch c.NArg() {
	case 0:
		if root, ok := worktree.Find("."); ok {
			folder = root
		}
	case 1:
		folder = c.Args().First()
	default:
		return cli.Usagef("want one FOLDER, got %d arguments", c.NArg())
	}
	if c.Bool("once") && (c.IsSet("listen") || c.Bool("no-watch")) {
		return cli.Usagef("--once serves nothing: leave out --listen and --no-watch")
	}
	if err := checkAddresses(c); err != nil {
		return err
	}
	options, err := publishOptions(c, std) // before there is a store: a secret key may be refused
	if err != nil {
		return err
	}
	in, err := openFolder(c, std, folder, true)
	if err != nil {
		return err
	}
	defer in.Close()
	s := sharing{c: c, std: std, in: in, options: options}
	if err := s.begin(folder); err != nil {
		return err
	}
	if c.Bool("once") {
		return s.unsettled()
	}
	return s.serve(nil)
}

// checkAddresses refuses invalid addresses, before anything is published.
func checkAddresses(c *urfave.Context) error {
	if address := c.String("listen"); address != "" {
		if err := peer.CheckListen(address); err != nil {
			return err
		}
	}
	_, err := network.PeersAt(c.StringSlice("peer"))
	return err
}

// sharing is a folder that is served and watched.
type sharing struct {
	c    *urfave.Context
	std  *cli.IO
	in   *store.Store
	tree *worktree.Tree

	options worktree.PublishOptions
	left    []string // files that the last import left as they were

	news []chan struct{} // one for each mirror: there is another version
}

// begin publishes what the folder has, and prints the key.
func (s *sharing) begin(folder string) error {
	progress := cli.NewProgress(s.std, cli.ProgressOptions{})
	defer progress.Done()
	s.options.Left = func(path string) { s.left = append(s.left, path) }
	first := s.options
	first.Progress = func(bytes, blocks int) { progress.Add(int64(bytes), int64(blocks)) }
	tree, result, err := worktree.Begin(s.c.Context, s.in, first)
	if err != nil {
		return s.hint(err, folder)
	}
	progress.Done()
	s.tree = tree
	s.sayLeft(nil)
	if err := s.say(result); err != nil || s.std.JSON {
		return err
	}
	_, err = fmt.Fprintf(s.std.Out, "%s\n", result.Key)
	return err
}

// sayLeft names the files that were left as they were, except those that were named before.
func (s *sharing) sayLeft(before []string) {
	for _, path := range s.left {
		if !slices.Contains(before, path) {
			s.std.Warnf("%q stays as the drive has it for now: something writes to it whenever it is read", path)
		}
	}
}

// unsettled returns an error if files were left as they were.
func (s *sharing) unsettled() error {
	if len(s.left) == 0 {
		return nil
	}
	return cli.Exitf(cli.ErrPartial, "%s left as the drive had it: named above; publish again when nothing writes to it", plural(len(s.left), "file"))
}

func (s *sharing) hint(err error, root string) error {
	if errors.Is(err, folder.ErrSpecial) {
		return cli.Hint(err, "--skip-special leaves it out, --exclude leaves out anything")
	}
	if t, ofErr := worktree.Of(s.in); ofErr == nil && !t.Publishes() {
		return cli.Hint(err, fmt.Sprintf("%q follows somebody else's drive: 'hc sync' updates it", filepath.Clean(root)))
	}
	return err
}

// published is an import, as --json shows it.
type published struct {
	Type string `json:"type"`
	drive.Result
}

// serve serves the drive, publishes what changes, and brings that to mirrors, until it is interrupted.
func (s *sharing) serve(mirrors []replicate.Dialer) error {
	ctx, stop := context.WithCancel(s.c.Context)
	defer stop()
	server, err := newDriveServer(ctx, s.std, s.in, s.tree)
	if err != nil {
		return err
	}
	var running errgroup.Group
	run := func(do func() error) {
		running.Go(func() error {
			defer stop()
			return do()
		})
	}
	for _, mirror := range mirrors {
		news := make(chan struct{}, 1)
		s.news = append(s.news, news)
		run(func() error { return s.bring(ctx, server, mirror, news) })
	}
	if !s.c.Bool("no-watch") {
		run(func() error { return s.watch(ctx) })
	}
	err = serverWhile(ctx, server, func(ctx context.Context) error {
		return listenFor(ctx, s.std, server, s.c.String("listen"), network.Announces(s.std, s.c))
	})
	stop()
	return errors.Join(err, running.Wait(), s.c.Context.Err())
}

// serverWhile lets a server watch its store while do runs.
func serverWhile(ctx context.Context, server *replicate.Server, do func(context.Context) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	watched := make(chan error, 1)
	go func() {
		defer stop() // without the watch a server would look alive and announce nothing
		watched <- server.Run(ctx)
	}()
	err := do(ctx)
	stop()
	return errors.Join(err, <-watched)
}

// watch publishes the folder each time that something in it changes. A failure is reported, and tried again at the next change:
// a file that is being written is no reason to stop serving. Nor is a pipe that is created there a reason to publish nothing else.
func (s *sharing) watch(ctx context.Context) error {
	options := s.options
	options.Folder.SkipSpecial = true
	var said sync.Map
	options.Folder.Warn = func(text string) { // each time that something changes, again
		if _, again := said.LoadOrStore(text, true); !again {
			s.std.Warnf("%s", text)
		}
	}
	changed, err := s.tree.Watch(ctx, func(why error) {
		s.std.Warnf("looking for changes every two seconds, since the system does not report them: %v", why)
	})
	if err != nil {
		return err
	}
	for range changed {
		before := s.left
		s.left = nil
		result, err := s.tree.Publish(ctx, options)
		s.sayLeft(before)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			s.std.Warnf("nothing was published, trying again at the next change: %v", err)
			continue
		case result.Added+result.Changed+result.Removed == 0:
			continue
		}
		for _, news := range s.news {
			select {
			case news <- struct{}{}:
			default: // it has been told of one already
			}
		}
		if err := s.say(result); err != nil {
			return err
		}
	}
	return nil
}

// say reports a version that was published.
func (s *sharing) say(result drive.Result) error {
	if s.std.JSON {
		return cli.WriteJSON(s.std.Out, published{"published", result})
	}
	if result.Added+result.Changed+result.Removed == 0 {
		s.std.Notef("version %d: nothing changed", result.Length)
		return nil
	}
	s.std.Notef("version %d: %d added, %d changed, %d removed; %s new, %s already here",
		result.Length, result.Added, result.Changed, result.Removed, cli.FormatSize(int64(result.Bytes)), cli.FormatSize(int64(result.Reused)))
	return nil
}

// newDriveServer returns a server for the two cores of a working copy's drive, and for nothing else.
func newDriveServer(ctx context.Context, std *cli.IO, in *store.Store, tree *worktree.Tree) (*replicate.Server, error) {
	cores, err := drive.Cores(ctx, in, tree.Key())
	if err != nil {
		return nil, err
	}
	return replicate.NewServer(in, replicate.ServerOptions{
		Keys:    cores,
		Peers:   maxPeers,
		Dropped: func(_ string, reason error) { std.Log.Warn("lost a peer", "reason", reason) },
		Failed:  func(reason error) { std.Log.Error("cannot serve", "reason", reason) },
	}), nil
}

// maxPeers is how many peers are served at once.
const maxPeers = 128

// listenFor serves at an address, or at the usual one, or, if that is taken, at any free port.
func listenFor(ctx context.Context, std *cli.IO, server *replicate.Server, address string, announce bool) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	addresses := []string{address}
	if address == "" {
		addresses = []string{defaultListen, ":0"}
	}
	listener, err := network.Listen(ctx, std, addresses...)
	if err != nil {
		return err
	}
	if address == "" {
		std.Notef("the network can reach it: --listen localhost:PORT keeps it on this machine")
	}
	if announce {
		announced, err := network.Announce(ctx, std, listener.Addr(), server)
		if err == nil { // else it listens where no other machine can connect
			defer announced()
			defer stop()
		}
	}
	return peer.Serve(ctx, listener, maxPeers+replicate.Comers, func(ctx context.Context, conn peer.Conn, remote net.Addr) {
		_ = server.Serve(ctx, remote.String(), conn) // reported by Dropped
	})
}
