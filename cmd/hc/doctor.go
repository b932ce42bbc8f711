package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	urfave "github.com/urfave/cli/v2"

	"hc/lib/cli"
	"hc/lib/cli/network"
	"hc/lib/hypercore"
	"hc/lib/keylock"
	"hc/lib/keys"
	"hc/lib/replicate"
	"hc/lib/store"
)

func newDoctor(std *cli.IO) *urfave.App {
	return &urfave.App{
		Name:        "hc-doctor",
		Usage:       "find out why a log refuses appends, and resolve it",
		ArgsUsage:   "[NAME|KEY]",
		Description: doctorDescription,
		Flags: append([]urfave.Flag{
			cli.StoreFlag(),
			&urfave.StringSliceFlag{Name: "peer", Usage: "ask the peer at `HOST[:PORT]`; may be repeated"},
			&urfave.BoolFlag{Name: "adopt", Usage: "take over the newest head that the peers have"},
			&urfave.BoolFlag{Name: "new-fork", Usage: "sign what is here again, under a fork above every one that was seen"},
			cli.JSONFlag(),
		}, cli.SecretFlags()...),
		Metadata: cli.Manual{
			Examples: []cli.Example{
				{Does: "look at every log in the store", Command: "hc doctor"},
				{Does: "find out whether this copy is old", Command: "hc doctor table --peer host:4977"},
				{Does: "continue from what a peer has", Command: "hc doctor table --adopt --peer host:4977"},
				{Does: "continue from what is here", Command: "hc doctor table --new-fork"},
			},
			SeeAlso:   []string{"hc(1)", "hc-append(1)", "hc-fetch(1)"},
			Arguments: cli.CoreArguments,
		}.Metadata(),
		Action: func(c *urfave.Context) error {
			d, err := doctorFor(c, std)
			if err != nil {
				return err
			}
			return d.hint(d.run(c))
		},
	}
}

const doctorDescription = `
A log has one writer. If its key signed two heads and neither continues the other, its readers cannot tell which is right. So a tool
that meets a head that does not fit the stored log remembers it, and hc-append then refuses with exit code 7. hc doctor reports which
heads were seen and what they can mean; with --peer it asks a peer for more.

If the head that was seen continues what is here, this store is an old copy: a restored backup, say. --adopt takes the newer head over,
and nothing is lost. If it does not, the key was used in two places, each of which signed blocks of its own, and one of the two
histories has to end. --new-fork keeps the one that is here: it signs it again under a fork above every one that was seen. Stock peers,
and readers that use --follow-fork, then replace what they have of the other. On the other machine --adopt takes that over: its history
is cut back to what both share, and its own blocks after that are given up; append them again if they are still wanted.

While anything is left to be resolved, the exit code is 7.
`

// doctor is one run of hc doctor.
type doctor struct {
	std      *cli.IO
	word     string // "" for every core
	adopt    bool
	newFork  bool
	peers    []replicate.Dialer
	options  hypercore.AppendOptions
	names    map[keys.Key]string
	conflict int // cores that are left in conflict
}

func doctorFor(c *urfave.Context, std *cli.IO) (*doctor, error) {
	d := &doctor{std: std, word: c.Args().First(), adopt: c.Bool("adopt"), newFork: c.Bool("new-fork"), names: map[keys.Key]string{}}
	switch {
	case c.NArg() > 1:
		return nil, cli.Usagef("want one NAME or KEY, or none, got %d arguments", c.NArg())
	case d.adopt && d.newFork:
		return nil, cli.Usagef("--adopt and --new-fork cannot be used together")
	case d.word == "" && (d.adopt || d.newFork || c.IsSet("peer")):
		return nil, cli.Usagef("which log? name it")
	case d.adopt && !c.IsSet("peer"):
		return nil, cli.Usagef("--adopt needs a --peer that has the head that was seen")
	case d.newFork && c.IsSet("peer"):
		return nil, cli.Usagef("--new-fork asks no peer: leave out --peer")
	}
	var err error
	if d.peers, err = network.PeersAt(c.StringSlice("peer")); err != nil {
		return nil, err
	}
	if !d.newFork {
		return d, nil
	}
	if d.options.SecretFile, err = std.Secret(c); err != nil {
		return nil, err
	}
	passphrases, err := std.Passphrases(c, false)
	if err != nil {
		return nil, err
	}
	d.options.Unlock = keylock.With(passphrases.Current)
	return d, nil
}

// hint says what to do next.
func (d *doctor) hint(err error) error {
	if errors.Is(err, hypercore.ErrReadOnly) {
		return cli.Hint(err, "name the secret key with --secret-key-file")
	}
	return network.Hint(err, false)
}

func (d *doctor) run(c *urfave.Context) error {
	in, err := store.Open(c.Context, d.std.StoreDir(c), store.Options{ReadOnly: len(d.peers) == 0 && !d.newFork})
	if err != nil {
		return err
	}
	defer in.Close()
	names, err := in.Names()
	if err != nil {
		return err
	}
	for _, name := range slices.Backward(names) {
		d.names[name.Key] = name.Name
	}
	if d.word == "" {
		return d.everyCore(c.Context, in)
	}
	ref, err := hypercore.Find(c.Context, in, d.word)
	if err != nil {
		return err
	}
	if err := d.treat(c.Context, in, ref.Key); err != nil {
		return err
	}
	return d.conclude()
}

// nameOf returns a core's name, or else its key.
func (d *doctor) nameOf(key keys.Key) string {
	if name := d.names[key]; name != "" {
		return name
	}
	return key.String()
}

func (d *doctor) everyCore(ctx context.Context, in *store.Store) error {
	cores, err := in.Cores(ctx)
	if err != nil {
		return err
	}
	for _, key := range cores {
		found, err := hypercore.Examine(ctx, in, key)
		if err != nil {
			return err
		}
		if len(found.Seen) == 0 && !d.std.JSON {
			continue
		}
		if err := d.report(found); err != nil {
			return err
		}
	}
	if d.conflict == 0 && !d.std.JSON {
		_, err := fmt.Fprintf(d.std.Out, "%s: no head was seen that conflicts with what is here\n", plural(len(cores), "log"))
		return err
	}
	return d.conclude()
}

// treat does what was asked for with one core, and reports its state.
func (d *doctor) treat(ctx context.Context, in *store.Store, key keys.Key) error {
	switch {
	case d.adopt:
		return d.takeOver(ctx, in, key)
	case d.newFork:
		before, after, err := hypercore.NewFork(ctx, in, d.word, d.options)
		if err != nil {
			return err
		}
		return d.done(key, replicate.Adopted{Before: before, After: after, Common: after.Length})
	}
	found, err := replicate.Examine(ctx, in, key, d.peers, replicate.FetchOptions{})
	if err != nil {
		return err
	}
	return d.report(found)
}

func (d *doctor) takeOver(ctx context.Context, in *store.Store, key keys.Key) error {
	adopted, err := replicate.Adopt(ctx, in, key, d.peers, replicate.FetchOptions{})
	var seen *hypercore.SeenError
	if errors.As(err, &seen) {
		err = cli.Hint(err, fmt.Sprintf("neither continues the other: end one of the two, here with hc doctor %s --new-fork, or there", d.nameOf(key)))
	}
	if err != nil {
		return err
	}
	if adopted.Before.Fork == adopted.After.Fork && adopted.Before.Length == adopted.After.Length {
		return cli.Exitf(cli.ErrPartial, "the peers have no newer head of core %q than the one here: %s", d.word, hypercore.HeadWords(adopted.After))
	}
	if err := d.done(key, adopted); err != nil {
		return err
	}
	left, err := in.SeenHeads(ctx, key)
	if err == nil && len(left) > 0 {
		d.conflict++
	}
	return err
}

// conclude returns the error for the conflicts that are left.
func (d *doctor) conclude() error {
	switch {
	case d.conflict == 1:
		return cli.Exitf(cli.ErrConflict, "a log has a head here and another elsewhere, and the key signed both")
	case d.conflict > 1:
		return cli.Exitf(cli.ErrConflict, "%d logs have a head here and another elsewhere, and their keys signed both", d.conflict)
	}
	return nil
}
