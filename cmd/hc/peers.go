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
	"hc/lib/peer"
	"hc/lib/replicate"
)

func newPeers(std *cli.IO) *urfave.App {
	return &urfave.App{
		Name:        "hc-peers",
		Usage:       "tell who has a drive, and up to which version",
		ArgsUsage:   "[DRIVE]",
		Description: peersDescription,
		Flags:       append(append([]urfave.Flag{cli.StoreFlag()}, append(network.PeerFlags(), network.DiscoveryFlags()...)...), cli.JSONFlag()),
		Metadata: cli.Manual{
			Examples: []cli.Example{
				{Does: "of this working copy", Command: "hc peers"},
				{Does: "of another drive, also at an address that is not known here", Command: "hc peers KEY --peer host"},
			},
			SeeAlso:   []string{"hc(1)", "hc-share(1)", "hc-sync(1)", "hc-serve(1)"},
			Arguments: cli.CoreArguments,
		}.Metadata(),
		Action: func(c *urfave.Context) error { return peers(c, std) },
	}
}

const peersDescription = `
hc peers asks, all at once, the peers that are named, those that blocks came from before, and those that answer on the local network,
for the newest signed head of a drive. It prints a line for each: its address, and the version that it proved, or why it did not. If nobody
has it the exit code is 6.
`

// askFor is how long a peer has to answer.
const askFor = 10 * time.Second

// answer is what came of asking a peer, as --json shows it.
type answer struct {
	Peer    string `json:"peer"`
	Version uint64 `json:"version,omitempty"`
	Error   string `json:"error,omitempty"`
}

func peers(c *urfave.Context, std *cli.IO) error {
	d, err := openDrive(c, std)
	if err != nil {
		return err
	}
	defer d.close()
	if len(d.args) > 0 {
		return cli.Usagef("want one DRIVE, and %q stands behind it", d.args[0])
	}
	dialers, err := network.Peers(std, c)
	if err != nil {
		return err
	}
	if network.Discovers(std, c, len(dialers), true) {
		found, err := network.Look(std, c, d.in, d.Key)
		if err != nil {
			return err
		}
		dialers = append(dialers, found.Dialers()...)
	}
	answers := d.askAll(c.Context, dialers)
	some := false
	for _, a := range answers {
		some = some || a.Error == ""
		if err := printAnswer(std, a); err != nil {
			return err
		}
	}
	if !some {
		return cli.Exitf(peer.ErrUnreachable, "nobody who was asked has the drive: %d peers", len(answers))
	}
	return c.Context.Err()
}

// askAll asks the peers for the head, each address once.
func (o *opened) askAll(ctx context.Context, dialers []replicate.Dialer) []answer {
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
			proved, err := replicate.AskHead(ctx, o.Key, d, replicate.FetchOptions{})
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
