package main

import (
	"context"
	"errors"

	urfave "github.com/urfave/cli/v2"

	"hc/lib/cli"
	"hc/lib/cli/network"
	"hc/lib/drive"
	"hc/lib/keys"
	"hc/lib/replicate"
)

func newSync(std *cli.IO) *urfave.App {
	return &urfave.App{
		Name:        "hc-sync",
		Usage:       "publish what changed in a working copy, or bring what its owner published",
		ArgsUsage:   "[FOLDER]",
		Description: syncDescription,
		Flags: append(append(append(followFlags(),
			&urfave.BoolFlag{Name: "live", Usage: "stay, and go on with every change"},
			&urfave.StringFlag{Name: "listen", Usage: "with --live, where this is the drive's owner: serve at `HOST:PORT`"},
			cli.JSONFlag(),
		), folderFlags()...), cli.SecretFlags()...),
		Metadata: cli.Manual{
			Examples: []cli.Example{
				{Does: "what is new, once: 0 says that all is here and verified", Command: "hc sync --peer host"},
				{Does: "and whatever comes", Command: "hc sync --live --peer host"},
				{Does: "as the owner: publish, and bring it to a mirror", Command: "hc sync --peer mirror"},
			},
			SeeAlso: []string{"hc(1)", "hc-share(1)", "hc-pull(1)", "hc-status(1)"},
		}.Metadata(),
		Action: func(c *urfave.Context) error { return runSync(c, std) },
	}
}

const syncDescription = `
A drive has one writer: who holds its secret key publishes, and all others follow. hc sync says which of the two this working copy
is, and does what that one does. Where the key is here it imports what changed, and brings it to the peers that are named, which
must be mirrors ('hc-serve --accept KEY'); it ends when they have all of it on their disks. Where it is not, it does what 'hc pull' does, with its exit codes: 0 says that all of the newest version is here, verified and written.

With --live the owner serves, and publishes every change, as 'hc share' does; a follower takes each version as it comes, within a
fraction of a second.
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
	if err := s.begin(tree.Root); err != nil {
		return err
	}
	if c.Bool("live") {
		return s.serve()
	}
	if err := s.push(); err != nil {
		return err
	}
	return s.unsettled()
}

// push brings the drive to the mirrors that are named.
func (s *sharing) push() error {
	to, err := network.NamedPeers(s.std, s.c)
	if err != nil || len(to) == 0 {
		return err
	}
	cores, err := drive.Cores(s.c.Context, s.in, s.tree.Key())
	if err != nil {
		return err
	}
	server := replicate.NewServer(s.in, replicate.ServerOptions{Keys: cores})
	return serverWhile(s.c.Context, server, func(ctx context.Context) error {
		for _, mirror := range to {
			err := server.Push(ctx, mirror, cores, replicate.PushOptions{})
			if errors.Is(err, replicate.ErrNotAccepted) {
				return cli.Hint(err, "start the mirror with --accept for both keys: "+cores[0].String()+" and "+cores[1].String())
			}
			if err != nil {
				return err
			}
			s.std.Notef("%s has all of it", mirror.Name)
		}
		return nil
	})
}
