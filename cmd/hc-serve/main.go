// Command hc-serve lets peers fetch the cores of a store.
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"sync"
	"sync/atomic"

	urfave "github.com/urfave/cli/v2"

	"hc/lib/cli"
	"hc/lib/cli/network"
	"hc/lib/hypercore"
	"hc/lib/keylock"
	"hc/lib/keys"
	"hc/lib/peer"
	"hc/lib/replicate"
	"hc/lib/store"
)

func main() { cli.Main(newApp, network.Exits) }

func newApp(std *cli.IO) *urfave.App {
	return &urfave.App{
		Name:        "hc-serve",
		Usage:       "let peers fetch the logs of a store, live",
		ArgsUsage:   "[NAME|KEY...]",
		Description: description,
		Flags: append([]urfave.Flag{
			cli.StoreFlag(),
			&urfave.StringFlag{Name: "listen", Usage: "accept TCP connections on `HOST:PORT` (a port of 0 takes any free one)"},
			&urfave.BoolFlag{Name: "announce", Usage: "with --listen: answer peers that look on the local network for what is served"},
			&urfave.BoolFlag{Name: "stdio", Usage: "serve one peer on standard input and output"},
			&urfave.StringFlag{Name: "push", Usage: "bring the logs to the mirror at `HOST[:PORT]`, and exit when it has them, synced"},
			&urfave.BoolFlag{Name: "no-reserve", Usage: "with --push: do not reserve the new length first"},
			&urfave.IntFlag{Name: "until-synced", Usage: "exit when `N` connections have had all of the logs"},
			&urfave.StringSliceFlag{Name: "accept", Usage: "be a mirror of `KEY|FILE`: take what peers bring of that log, or of those in the file; may be repeated"},
			&urfave.BoolFlag{Name: "follow-fork", Usage: "with --accept: replace what is here if its key has signed the log again under a higher fork"},
			&urfave.StringFlag{Name: "max-bytes", Usage: "with --accept: refuse a log of more than `SIZE`", DefaultText: "no limit"},
			&urfave.StringFlag{Name: "limit-rate", Usage: "send at most `SIZE` a second, over all peers"},
			&urfave.IntFlag{Name: "max-peers", Value: 256, Usage: "with --listen: serve at most `N` peers at once"},
			cli.JSONFlag(),
		}, cli.SecretFlags()...),
		Metadata: cli.Manual{
			Examples: []cli.Example{
				{Does: "serve every log of the store", Command: "hc-serve --listen 127.0.0.1:4977"},
				{Does: "serve one log to anybody", Command: "hc-serve --listen :4977 table"},
				{Does: "be found on the local network", Command: "hc-serve --listen :4977 --announce"},
				{Does: "serve the other end of a pipe", Command: "hc-fetch KEY --exec 'ssh host hc-serve --stdio' | hc-verify KEY"},
				{Does: "be a mirror of one log", Command: "hc-serve --listen :4977 --accept KEY"},
				{Does: "bring the mirror what was appended", Command: "hc-serve table --push mirror:4977"},
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
hc-serve answers stock Hypercore peers, versions 10 and 11, and hc-fetch. It serves every log of the store, or only those that are named, a
drive's with both of its cores; a peer needs a log's key to get anything of it, and learns of no other. What other processes append or
download is announced at once, and so are logs that are new since it started. If a peer announces more of a log than is here, and the
log's secret key is here, it is asked for its head. If the key signed that, this copy is old, or the key is used twice: there is a
warning, and nothing is appended until 'hc doctor' has resolved it.

--push connects to a mirror, brings it the logs that are named, and exits with 0 when the mirror has everything that is here, synced to its
disk, and has proved that its log is this one; a peer with another history of it is a conflict, exit code 7. With the secret key of a log,
which comes from where hc-append takes it, its new length is reserved at the mirror before the signature leaves this machine: if two
machines hold one key and append at the same time, one wins, and the other exits with 7, and has published nothing. A mirror that is not
hc cannot reserve: use --no-reserve, and make sure that nobody else signs that log.

--accept makes a mirror. It takes what peers bring of those logs, from anyone, since they prove that the key signed it; it syncs before it
says that it has it, and refuses all other logs, except the blobs of a drive that it accepts. A log that its key signed again under a
higher fork, as hc doctor does, replaces what is here with --follow-fork only. A FILE has one KEY a line, and # begins a comment.
Everything in the store is served, too, unless logs are named.

With --listen it reports the address: on standard error, unless --quiet is given, or with --json on standard output.

With --announce it answers, by multicast DNS, peers that look on the local network for one of these logs. Both sides send only its
discovery key: anybody who listens learns that somebody has a log, and could read it only with its key.

With --stdio the connection is standard input and output, so any program that carries bytes can be the network: ssh, socat, a container's
exec.
`

func check(c *urfave.Context) error {
	ways := 0
	for _, is := range []bool{c.IsSet("listen"), c.Bool("stdio"), c.IsSet("push")} {
		if is {
			ways++
		}
	}
	switch {
	case ways != 1:
		return cli.Usagef("want one of --listen HOST:PORT, --stdio and --push HOST")
	case (c.IsSet("push") || c.IsSet("until-synced")) && !c.Args().Present():
		return cli.Usagef("which logs? --push and --until-synced need a NAME or KEY")
	case c.IsSet("push") && (c.IsSet("accept") || c.IsSet("until-synced")):
		return cli.Usagef("--push cannot be used with --accept or --until-synced")
	case c.Bool("no-reserve") && !c.IsSet("push"):
		return cli.Usagef("--no-reserve needs --push")
	case (c.IsSet("secret-key-file") || c.IsSet("secret-key-fd") || c.IsSet("passphrase-fd")) && !c.IsSet("push"):
		return cli.Usagef("--secret-key-file, --secret-key-fd and --passphrase-fd need --push")
	case c.Bool("follow-fork") && !c.IsSet("accept"):
		return cli.Usagef("--follow-fork needs --accept")
	case c.IsSet("max-bytes") && !c.IsSet("accept"):
		return cli.Usagef("--max-bytes needs --accept")
	case c.IsSet("until-synced") && c.Int("until-synced") < 1:
		return cli.Usagef("--until-synced %d: at least one", c.Int("until-synced"))
	case c.Bool("announce") && !c.IsSet("listen"):
		return cli.Usagef("--announce needs --listen")
	case c.Int("max-peers") < 1:
		return cli.Usagef("--max-peers %d: at least one", c.Int("max-peers"))
	case c.IsSet("listen"):
		return peer.CheckListen(c.String("listen"))
	case c.IsSet("push"):
		return peer.CheckAddress(c.String("push"))
	}
	return nil
}

func serve(c *urfave.Context, std *cli.IO) error {
	accept, err := cli.KeyList(c.StringSlice("accept"))
	if err != nil {
		return err
	}
	of, err := open(c, std, accept != nil)
	if err != nil {
		return err
	}
	defer of.Close()
	named, err := find(c.Context, of, c.Args().Slice())
	if err != nil {
		return err
	}
	named = withBlobs(c.Context, of, named, c.IsSet("push") || c.IsSet("until-synced"))
	options, limiter, err := serverOptions(c, std)
	if err != nil {
		return err
	}
	options.Keys, options.Accept, options.FollowForks = named, accept, c.Bool("follow-fork")
	options.Beside = func(ctx context.Context, key keys.Key) ([]keys.Key, bool) { return beside(ctx, of, key) }
	options.Guard = func(ctx context.Context, proved hypercore.Proved) error {
		return guard(ctx, std, std.StoreDir(c), proved)
	}
	reserving, err := pushOptions(c, std, of, named)
	if err != nil {
		return err
	}
	server := replicate.NewServer(of, options)
	ctx, stop := context.WithCancel(c.Context)
	watched := make(chan error, 1)
	go func() {
		defer stop() // without the watch a server would look alive and announce nothing
		watched <- server.Run(ctx)
	}()
	serving := serving{std: std, dir: std.StoreDir(c), of: of, server: server, limiter: limiter, named: named}
	switch {
	case c.Bool("stdio"):
		err = serving.stdio(ctx, c.Int("until-synced") > 0)
	case c.IsSet("push"):
		err = serving.push(ctx, c.String("push"), reserving)
	default:
		serving.announces = c.Bool("announce")
		err = serving.listen(ctx, c.String("listen"), c.Int("max-peers"), c.Int("until-synced"))
	}
	stop()
	return errors.Join(err, <-watched, c.Context.Err())
}

// guard remembers a head that a reader of our own log has, if it is not one of ours. It then has to be settled before anything is
// appended. The store was opened read-only.
func guard(ctx context.Context, std *cli.IO, dir string, proved hypercore.Proved) error {
	in, err := store.Open(ctx, dir, store.Options{})
	if err != nil {
		return fmt.Errorf("remembering that a reader has %s of core %v: %w", hypercore.HeadWords(proved.Head), proved.Key, err)
	}
	defer in.Close()
	err = hypercore.Guard(ctx, in, proved)
	var seen *hypercore.SeenError
	if errors.As(err, &seen) {
		std.Warnf("a reader has more than is here: %v: %s", seen, seen.Hint())
		return nil
	}
	return err
}

// open opens the store; a mirror creates it, and writes to it.
func open(c *urfave.Context, std *cli.IO, mirror bool) (*store.Store, error) {
	dir := std.StoreDir(c)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) && !mirror {
		return nil, cli.Exitf(cli.ErrNotFound, "there is no store %q: append something first, or name another with -C", dir)
	}
	if !mirror {
		_ = store.MendMark(c.Context, dir) // a store that cannot be written to is served as far as possible
	}
	return store.Open(c.Context, dir, store.Options{ReadOnly: !mirror, Create: mirror})
}

// serverOptions reads the flags about sizes and rates.
func serverOptions(c *urfave.Context, std *cli.IO) (options replicate.ServerOptions, limiter *peer.Limiter, err error) {
	options.Dropped = func(peer string, reason error) { std.Log.Warn("lost a peer", "reason", reason) }
	var damaged sync.Once // each look at the store meets it again
	options.Failed = func(reason error) {
		var seen *hypercore.SeenError
		if errors.As(reason, &seen) {
			std.Warnf("a peer brought more of a log that is signed here, and it was not taken: %v: %s", seen, seen.Hint())
			return
		}
		if errors.Is(reason, store.ErrDamaged) {
			damaged.Do(func() { std.Warnf("not served: %v", reason) })
		}
		std.Log.Error("cannot serve", "reason", reason)
	}
	if c.IsSet("max-bytes") {
		most, err := cli.ParseSize(c.String("max-bytes"))
		if err != nil {
			return options, nil, err
		}
		options.MaxBytes = uint64(most)
	}
	limiter, stall, err := network.Limiter(c, c.Int("max-peers"))
	options.Stall, options.Peers = stall, c.Int("max-peers")
	return options, limiter, err
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

// serving is a server with what each way to reach it needs.
type serving struct {
	std     *cli.IO
	dir     string // the store's
	of      *store.Store
	server  *replicate.Server
	limiter *peer.Limiter
	named   []keys.Key

	announces bool // what listens
}

func (s serving) stdio(ctx context.Context, untilSynced bool) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	conn := s.limiter.Writing(peer.Stdio(s.std.In, s.std.Out))
	if !untilSynced {
		return s.server.Serve(ctx, "stdio", conn)
	}
	synced := false
	err := s.server.ServeUntil(ctx, "stdio", conn, s.named, func() { synced = true; stop() })
	if err == nil && !synced {
		return fmt.Errorf("%w: the peer on standard input left before it had everything", replicate.ErrLost)
	}
	return err
}

// pushOptions gets the secret keys that reserve what is pushed, before the other end has to wait.
func pushOptions(c *urfave.Context, std *cli.IO, of *store.Store, named []keys.Key) (options replicate.PushOptions, err error) {
	if !c.IsSet("push") || c.Bool("no-reserve") {
		return options, nil
	}
	file, err := std.Secret(c)
	if err != nil {
		return options, err
	}
	passphrases, err := std.Passphrases(c, true)
	if err != nil {
		return options, err
	}
	secrets := make(map[keys.Key]keys.Secret, len(named))
	for _, key := range named {
		from := file
		if from != nil {
			if own, ok := from.Key(); ok && own != key {
				from = nil // it is for another one of the logs
			}
		}
		secret, ok := signsToo(c.Context, of, key, secrets)
		if ok {
			secrets[key] = secret
			continue
		}
		secret, err := hypercore.SecretOf(c.Context, of, key, from, keylock.With(passphrases.Current))
		if err == nil {
			err = hypercore.CheckSecret(c.Context, of, key, secret)
		}
		if errors.Is(err, hypercore.ErrReadOnly) {
			err = cli.Hint(err, "give the secret key, or use --no-reserve if this machine is not the one that signs the log")
		}
		if err != nil {
			return options, err
		}
		secrets[key] = secret
	}
	options.Secret = func(key keys.Key) (keys.Secret, error) { return secrets[key], nil }
	return options, nil
}

func (s serving) push(ctx context.Context, address string, options replicate.PushOptions) error {
	to := replicate.Dialer{Name: address, Dial: func(ctx context.Context) (peer.Conn, error) {
		conn, err := peer.Dial(ctx, address)
		if err != nil {
			return nil, err
		}
		return s.limiter.Writing(conn), nil
	}}
	err := s.pushDrives(ctx, to, options)
	if errors.Is(err, replicate.ErrNotAccepted) {
		return cli.Hint(err, "start the mirror with --accept KEY; one that is not hc may take it with --no-reserve")
	}
	if errors.Is(err, peer.ErrUnreachable) {
		return cli.Hint(err, "is hc-serve running there?")
	}
	if errors.Is(err, store.ErrConflict) {
		return s.remember(ctx, to, options.Secret != nil, err)
	}
	return err
}

// remember keeps the mirror's heads as seen, so that nothing is signed on top of a conflict with them; signs says that the user can
// settle it here. The store was opened read-only.
func (s serving) remember(ctx context.Context, to replicate.Dialer, signs bool, why error) error {
	in, err := store.Open(ctx, s.dir, store.Options{})
	if err != nil {
		return why
	}
	defer in.Close()
	for _, key := range s.named {
		found, err := replicate.Examine(ctx, in, key, []replicate.Dialer{to}, replicate.FetchOptions{})
		switch {
		case err != nil || len(found.Seen) == 0:
		case signs || found.Owned:
			why = cli.Hint(why, fmt.Sprintf("hc doctor %v says what can be done with what was signed here", key))
		default:
			seen := hypercore.SeenError{Key: key, Here: found.View.Head(), There: found.Seen[len(found.Seen)-1].Head}
			why = cli.Hint(why, seen.Hint())
		}
	}
	return why
}

func (s serving) listen(ctx context.Context, address string, most, untilSynced int) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	listener, err := network.Listen(ctx, s.std, address)
	if err != nil {
		return err
	}
	if s.announces {
		announced, err := network.Announce(ctx, s.std, listener.Addr(), s.server)
		if err != nil {
			listener.Close()
			return err
		}
		defer announced()
		defer stop()
	}
	var had atomic.Int64
	return peer.Serve(ctx, listener, most+replicate.Comers, func(ctx context.Context, conn peer.Conn, remote net.Addr) {
		conn = s.limiter.Writing(conn)
		if untilSynced == 0 {
			_ = s.server.Serve(ctx, remote.String(), conn) // reported by Dropped
			return
		}
		_ = s.server.ServeUntil(ctx, remote.String(), conn, s.named, func() {
			s.std.Log.Info("synced", "peer", remote.String())
			if had.Add(1) == int64(untilSynced) {
				stop()
			}
		})
	})
}
