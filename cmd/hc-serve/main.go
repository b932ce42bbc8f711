// Command hc-serve lets peers fetch the cores of a store.
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"

	urfave "github.com/urfave/cli/v2"

	"hc/lib/cli"
	"hc/lib/hypercore"
	"hc/lib/keys"
	"hc/lib/peer"
	"hc/lib/replicate"
	"hc/lib/store"
)

func main() { cli.Main(newApp) }

func newApp(std *cli.IO) *urfave.App {
	return &urfave.App{
		Name:        "hc-serve",
		Usage:       "let peers fetch the logs of a store, live",
		ArgsUsage:   "[NAME|KEY...]",
		Description: description,
		Flags: []urfave.Flag{
			cli.StoreFlag(),
			&urfave.StringFlag{Name: "listen", Usage: "accept TCP connections on `HOST:PORT` (a port of 0 takes any free one)"},
			&urfave.BoolFlag{Name: "stdio", Usage: "serve one peer on standard input and output"},
			&urfave.IntFlag{Name: "max-peers", Value: 256, Usage: "with --listen: serve at most `N` peers at once"},
			cli.JSONFlag(),
		},
		Metadata: cli.Manual{
			Examples: []cli.Example{
				{Does: "serve every log of the store", Command: "hc-serve --listen 127.0.0.1:4977"},
				{Does: "serve one log to anybody", Command: "hc-serve --listen :4977 table"},
				{Does: "serve the other end of a pipe", Command: "hc-fetch KEY --exec 'ssh host hc-serve --stdio' | hc-verify KEY"},
			},
			SeeAlso:   []string{"hc-append(1)", "hc-fetch(1)"},
			Arguments: cli.CoreArguments,
		}.Metadata(),
		Action: func(c *urfave.Context) error {
			if err := check(c); err != nil {
				return err
			}
			return serve(c, std)
		},
	}
}

const description = `
hc-serve answers stock Hypercore peers, versions 10 and 11, and hc-fetch. It serves every log of the store, or only those
that are named; a peer needs a log's key to get anything of it, and learns of no other. What other processes append, or
download, is announced at once, and so are logs that are new since it started.

With --stdio the connection is standard input and output, so any program that carries bytes can be the network: ssh,
socat, a container's exec.
`

func check(c *urfave.Context) error {
	switch {
	case c.IsSet("listen") == c.Bool("stdio"):
		return cli.Usagef("want --listen HOST:PORT or --stdio, and not both")
	case c.Int("max-peers") < 1:
		return cli.Usagef("--max-peers %d: at least one", c.Int("max-peers"))
	}
	return nil
}

func serve(c *urfave.Context, std *cli.IO) error {
	dir := std.StoreDir(c)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return cli.Exitf(cli.ErrNotFound, "there is no store %q: append something first, or name another with -C", dir)
	}
	of, err := store.Open(c.Context, dir, store.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer of.Close()
	named, err := find(c.Context, of, c.Args().Slice())
	if err != nil {
		return err
	}
	server := replicate.NewServer(of, replicate.ServerOptions{
		Keys:    named,
		Dropped: func(peer string, reason error) { std.Log.Warn("lost a peer", "reason", reason) },
	})
	ctx, stop := context.WithCancel(c.Context)
	watched := make(chan error, 1)
	go func() {
		defer stop() // without the watch a server would look alive and tell nothing
		watched <- server.Run(ctx)
	}()
	if c.Bool("stdio") {
		err = server.Serve(ctx, "stdio", peer.Stdio(std.In, std.Out))
	} else {
		err = listen(ctx, std, server, c.String("listen"), c.Int("max-peers"))
	}
	stop()
	return errors.Join(err, <-watched, c.Context.Err())
}

func find(ctx context.Context, of *store.Store, words []string) ([]keys.Key, error) {
	var named []keys.Key
	for _, word := range words {
		ref, err := hypercore.Find(ctx, of, word)
		if err != nil {
			return nil, err
		}
		named = append(named, ref.Key)
	}
	return named, nil
}

func listen(ctx context.Context, std *cli.IO, server *replicate.Server, address string, most int) error {
	listener, err := peer.Listen(ctx, address)
	if errors.Is(err, syscall.EADDRINUSE) {
		err = cli.Hint(err, "take another port (0: any free one)")
	}
	if err != nil {
		return err
	}
	if err := sayAddress(std, listener.Addr()); err != nil {
		listener.Close()
		return err
	}
	return peer.Serve(ctx, listener, most, func(ctx context.Context, conn peer.Conn, remote net.Addr) {
		_ = server.Serve(ctx, remote.String(), conn) // told by Dropped
	})
}

func sayAddress(std *cli.IO, address net.Addr) error {
	if std.JSON {
		return cli.WriteJSON(std.Out, map[string]string{"type": "listening", "address": address.String()})
	}
	_, err := fmt.Fprintf(std.Err, "hc-serve: listening on %v\n", address)
	return err
}
