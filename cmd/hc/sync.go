package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	urfave "github.com/urfave/cli/v2"

	"hc/lib/cli"
	"hc/lib/cli/network"
	"hc/lib/drive"
	"hc/lib/hypercore"
	"hc/lib/keyfile"
	"hc/lib/keys"
	"hc/lib/replicate"
	"hc/lib/store"
	"hc/lib/worktree"
)

func newSync(std *cli.IO) *urfave.App {
	return &urfave.App{
		Name:        "hc-sync",
		Usage:       "publish what changed in a working copy, or fetch what its owner published",
		ArgsUsage:   "[FOLDER]",
		Description: syncDescription,
		Flags: append(append(append(followFlags(),
			&urfave.BoolFlag{Name: "live", Usage: "keep running, and sync every change"},
			&urfave.StringFlag{Name: "listen", Usage: "with --live, if this is the drive's owner: serve at `HOST:PORT`"},
			cli.JSONFlag(),
		), folderFlags()...), cli.SecretFlags()...),
		Metadata: cli.Manual{
			Examples: []cli.Example{
				{Does: "fetch what is new, once; exit code 0: all is here and verified", Command: "hc sync --peer host"},
				{Does: "fetch what is new, and whatever comes later", Command: "hc sync --live --peer host"},
				{Does: "as the owner: publish, and push to a mirror", Command: "hc sync --peer mirror"},
				{Does: "as the owner: publish and push every change", Command: "hc sync --live --peer mirror"},
			},
			SeeAlso: []string{"hc(1)", "hc-share(1)", "hc-pull(1)", "hc-status(1)"},
		}.Metadata(),
		Action: func(c *urfave.Context) error { return runSync(c, std) },
	}
}

const syncDescription = `
A drive has one writer: whoever holds its secret key publishes, and all others follow. hc sync says which of the two this working copy
is, and does its part. If the key is here it imports what changed, and brings it to the peers that are named, which must be mirrors
('hc-serve --accept KEY'); it ends when they have all of it on their disks, and have proved that they have this history. If they have
another one, from a second copy that publishes, too, the exit code is 7. If the key is not here, it does what 'hc pull' does, with its
exit codes: 0 means that all of the newest version is here, verified and written.

With --live the owner serves, publishes every change, as 'hc share' does, and brings each version to the mirrors that are named; a
follower takes each version as it comes, within a fraction of a second. If the connection is lost it continues when the peer can be
reached again; a file that was edited here stays as it is and is named, and the others are updated.
`

func runSync(c *urfave.Context, std *cli.IO) error {
	if err := checkAddresses(c); err != nil {
		return err
	}
	in, tree, err := openTree(c, std)
	if err != nil {
		return err
	}
	defer in.Close()
	if !tree.Publishes() {
		std.Notef("following drive %v", tree.Key())
		return follow(c, std, tree, keys.Ref{Key: tree.Key()}, c.Bool("live"))
	}
	std.Notef("publishing drive %v", tree.Key())
	options, err := publishOptions(c, std)
	if err != nil {
		return err
	}
	s := sharing{c: c, std: std, in: in, options: options}
	mirrors, err := network.NamedPeers(std, c)
	if err != nil {
		return err
	}
	s.options.Append.Unlock = once(s.options.Append.Unlock)
	s.lookAt(tree, mirrors)
	if err := s.begin(tree.Root); err != nil {
		return err
	}
	if c.Bool("live") {
		return s.serve(mirrors)
	}
	if err := s.push(mirrors); err != nil {
		return err
	}
	return s.unsettled()
}

// lookAt asks mirrors for their heads before another one is signed: one that conflicts is kept as seen, and then nothing is published
// on top of what is here. A mirror that does not answer is reported when the drive is brought to it.
func (s *sharing) lookAt(tree *worktree.Tree, mirrors []replicate.Dialer) {
	cores, err := drive.Cores(s.c.Context, s.in, tree.Key())
	if err != nil {
		return // the first publish was killed
	}
	for _, mirror := range mirrors {
		for _, key := range cores {
			if _, err := replicate.Examine(s.c.Context, s.in, key, []replicate.Dialer{mirror}, replicate.FetchOptions{}); err != nil {
				s.std.Log.Info("not asked for its head", "mirror", mirror.Name, "reason", err)
				break
			}
		}
	}
}

// push brings the drive to the mirrors.
func (s *sharing) push(mirrors []replicate.Dialer) error {
	if len(mirrors) == 0 {
		return nil
	}
	server, err := newDriveServer(s.c.Context, s.std, s.in, s.tree)
	if err != nil {
		return err
	}
	return serverWhile(s.c.Context, server, func(ctx context.Context) error {
		for _, mirror := range mirrors {
			if err := s.pushTo(ctx, server, mirror); err != nil {
				return err
			}
		}
		return nil
	})
}

// pushTo brings the drive to a mirror.
func (s *sharing) pushTo(ctx context.Context, server *replicate.Server, mirror replicate.Dialer) error {
	cores, err := drive.Cores(ctx, s.in, s.tree.Key())
	if err != nil {
		return err
	}
	names, blobs := cores[0], cores[1]
	options := replicate.PushOptions{Secret: func(keys.Key) (keys.Secret, error) { // the names' key signs both
		return hypercore.SecretOf(ctx, s.in, names, s.options.Append.SecretFile, s.options.Append.Unlock)
	}}
	err = server.PushDrive(ctx, mirror, names, blobs, options)
	switch {
	case errors.Is(err, replicate.ErrNotAccepted):
		return cli.Hint(err, "start the mirror with --accept "+names.String())
	case errors.Is(err, store.ErrConflict):
		s.lookAt(s.tree, []replicate.Dialer{mirror})
		return cli.Hint(err, fmt.Sprintf("hc doctor %v says what can be done", names))
	case err != nil:
		return err
	}
	s.std.Notef("%s has all of it", mirror.Name)
	return nil
}

// bring brings every version to a mirror, until ctx ends; news announces one. A mirror that was reached once is tried again when it is
// lost, with ever longer waits; one that never was, or that has another history, ends it.
func (s *sharing) bring(ctx context.Context, server *replicate.Server, mirror replicate.Dialer, news <-chan struct{}) error {
	had, away, wait := false, false, firstWait
	for {
		var again <-chan time.Time
		err := s.pushTo(ctx, server, mirror)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			had, away, wait = true, false, firstWait
		case !had || errors.Is(err, store.ErrConflict):
			return err
		default:
			if !away {
				s.std.Warnf("%v: trying again", err)
			}
			away, again = true, time.After(wait)
			wait = min(2*wait, mostWait)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-news:
		case <-again:
		}
	}
}

// once makes a locked key be opened only once, for publishing and for the mirrors.
func once(unlock hypercore.Unlocker) hypercore.Unlocker {
	var opening sync.Mutex // guards opened, and lets only one ask for a passphrase
	opened := map[keys.Key]keyfile.File{}
	return func(ctx context.Context, file keyfile.File) (keyfile.File, error) {
		opening.Lock()
		defer opening.Unlock()
		key, _ := file.Key()
		if plain, ok := opened[key]; ok {
			return plain, nil
		}
		plain, err := unlock(ctx, file)
		if err == nil {
			opened[key] = plain
		}
		return plain, err
	}
}
