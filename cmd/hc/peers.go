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
	"hc/lib/keys"
	"hc/lib/peer"
	"hc/lib/replicate"
	"hc/lib/store"
)

func newPeers(std *cli.IO) *urfave.App {
	return &urfave.App{
		Name:        "hc-peers",
		Usage:       "show which peers have a log or a drive, and up to which version",
		ArgsUsage:   "[NAME|KEY]",
		Description: peersDescription,
		Flags: append([]urfave.Flag{
			cli.StoreFlag(),
			&urfave.StringSliceFlag{Name: "peer", Usage: "ask the peer at `HOST[:PORT]`; may be repeated"},
			&urfave.StringSliceFlag{Name: "exec", Usage: "ask through the standard input and output of `COMMAND`"},
			cli.JSONFlag(),
		}, network.DiscoveryFlags()...),
		Metadata: cli.Manual{
			Examples: []cli.Example{
				{Does: "who has the drive of this working copy", Command: "hc peers"},
				{Does: "ask at an address about a log or a drive, which need not be here", Command: "hc peers KEY --peer host"},
			},
			SeeAlso:   []string{"hc(1)", "hc-share(1)", "hc-sync(1)", "hc-serve(1)"},
			Arguments: cli.CoreArguments,
		}.Metadata(),
		Action: func(c *urfave.Context) error { return peers(c, std) },
	}
}

const peersDescription = `
hc peers asks, all at once, the peers that are named, those that blocks came from before, and those that answer on the local network,
for the newest signed head of a log or a drive. It prints a line for each: its address, and the version that it proved (of a log, its
length), or why it did not. If no peer has it the exit code is 6. A KEY need not be in the store, and then no store is needed. In a
working copy it may be left out, which means the copy's own drive, and a NAME is taken only with -C.
`

// askFor is how long a peer has to answer.
const askFor = 10 * time.Second

// answer is the result of asking a peer, as --json shows it.
type answer struct {
	Peer    string `json:"peer"`
	Version uint64 `json:"version,omitempty"`
	Error   string `json:"error,omitempty"`
}

func peers(c *urfave.Context, std *cli.IO) error {
	key, in, err := askedFor(c, std)
	if err != nil {
		return err
	}
	if in != nil {
		defer in.Close()
	}
	dialers, err := network.Peers(std, c)
	if err != nil {
		return err
	}
	if network.Discovers(std, c, len(dialers), true) {
		found, err := network.Look(std, c, in, key)
		if err != nil {
			return err
		}
		dialers = append(dialers, found.Dialers()...)
	}
	answers := askAll(c.Context, key, dialers)
	some := false
	for _, a := range answers {
		some = some || a.Error == ""
		if err := printAnswer(std, a); err != nil {
			return err
		}
	}
	switch {
	case some:
		return c.Context.Err()
	case len(answers) == 0:
		return cli.Hint(cli.Exitf(peer.ErrUnreachable, "no peer of %v is known here, and none was found", key), "name one with --peer")
	}
	return cli.Exitf(peer.ErrUnreachable, "none of the peers that were asked has %v: %d peers", key, len(answers))
}

// askedFor returns the log that is meant, and the store that may know peers of it; nil where there is none.
func askedFor(c *urfave.Context, std *cli.IO) (keys.Key, *store.Store, error) {
	if c.NArg() > 1 {
		return keys.Key{}, nil, cli.Usagef("want one NAME or KEY, got %d arguments", c.NArg())
	}
	o, ref, err := find(c, std)
	if errors.Is(err, store.ErrNoStore) {
		if ref, notKey := keys.ParseRef(c.Args().First()); notKey == nil {
			return ref.Key, nil, nil
		}
	}
	if err != nil {
		return keys.Key{}, nil, err
	}
	if len(o.args) > 0 {
		o.close()
		return keys.Key{}, nil, cli.Usagef("%q is neither a KEY, nor, with -C, a NAME of the store", o.args[0])
	}
	return ref.Key, o.in, nil
}

// askAll asks the peers for the head, each address once.
func askAll(ctx context.Context, key keys.Key, dialers []replicate.Dialer) []answer {
	var answers []answer
	var asked []replicate.Dialer
	seen := map[string]bool{}
	for _, d := range dialers {
		if !seen[d.Name] {
			seen[d.Name] = true
			asked, answers = append(asked, d), append(answers, answer{Peer: d.Name})
		}
	}
	var asking sync.WaitGroup
	for i, d := range asked {
		asking.Go(func() {
			ctx, stop := context.WithTimeout(ctx, askFor)
			defer stop()
			proved, err := replicate.AskHead(ctx, key, d, replicate.FetchOptions{})
			switch {
			case errors.Is(ctx.Err(), context.DeadlineExceeded):
				answers[i].Error = fmt.Sprintf("no answer within %v", askFor)
			case err != nil:
				answers[i].Error = err.Error()
			default:
				answers[i].Version = proved.Head.Length
			}
		})
	}
	asking.Wait()
	return answers
}

func printAnswer(std *cli.IO, a answer) error {
	if std.JSON {
		return cli.WriteJSON(std.Out, a)
	}
	what := fmt.Sprintf("version %d", a.Version)
	if a.Error != "" {
		what = a.Error
	}
	_, err := fmt.Fprintf(std.Out, "%s: %s\n", shown(a.Peer), what)
	return err
}
