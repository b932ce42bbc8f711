package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	urfave "github.com/urfave/cli/v2"

	"hc/lib/cli"
	"hc/lib/cli/network"
	"hc/lib/hyperdrive"
	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/peer"
	"hc/lib/replicate"
	"hc/lib/worktree"
)

// pulled is a version that was pulled, as --json shows it.
type pulled struct {
	Type    string `json:"type"`
	Key     string `json:"key"`
	Version uint64 `json:"version"`
	Cite    string `json:"cite"`
	Written uint64 `json:"written"` // files and links
	Removed uint64 `json:"removed"`
	Same    uint64 `json:"same"` // were in the folder already
	Refused uint64 `json:"refused"`
	Bytes   uint64 `json:"bytes"`   // written
	Blocks  uint64 `json:"blocks"`  // received
	Fetched uint64 `json:"fetched"` // bytes of them
	Here    uint64 `json:"here"`    // bytes that were not fetched, as the store had them
}

// following is a working copy that takes what its drive's owner publishes.
type following struct {
	std      *cli.IO
	tree     *worktree.Tree
	progress *cli.Progress
	refused  uint64
	faulty   bool            // at least one of these is not what was signed
	kept     map[string]bool // edited names that were reported
	versions int             // that came, or were here
	last     string          // of these
	away     bool            // all peers are lost
	exec     bool            // a command was named as a peer

	blocks, bytes atomic.Uint64 // that came over the wire since the last version
	came          atomic.Int64  // bytes that came over the wire in all
	files, wrote  atomic.Int64  // written in all, and their bytes
	named, lost   atomic.Int64  // peers
	losses        sync.Map      // those that are lost, by name
}

// counts returns what the progress line shows besides bytes.
func (f *following) counts() []cli.Count {
	return []cli.Count{
		{Name: "files", Value: f.files.Load()},
		{Name: "here already", Value: max(0, f.wrote.Load()-f.came.Load()), Bytes: true},
		{Name: "peers", Value: max(0, f.named.Load()-f.lost.Load())},
	}
}

// follow brings the newest version, or the one that ref pins, into a working copy; live: and all that come later.
func follow(c *urfave.Context, std *cli.IO, tree *worktree.Tree, ref keys.Ref, live bool) error {
	f := &following{std: std, tree: tree, exec: c.IsSet("exec"), kept: map[string]bool{}}
	f.progress = cli.NewProgress(std, cli.ProgressOptions{Counts: f.counts})
	defer f.progress.Done()
	dialers, err := network.Peers(std, c)
	if err != nil {
		return err
	}
	found, err := f.look(c, &dialers)
	if err != nil {
		return err
	}
	f.named.Store(int64(len(dialers)))
	options := worktree.PullOptions{
		Pin: ref,
		Drive: replicate.DriveOptions{Peers: dialers, Live: live, Fetch: replicate.FetchOptions{
			NoDedup: c.Bool("no-dedup"),
			Dropped: f.dropped,
			Trace:   f.trace,
			Worked:  f.worked(network.Remembers(std, c, tree.Store(), tree.Key())),
			More:    found.More(),
		}},
		Update: worktree.UpdateOptions{
			Force:     c.Bool("force"),
			KeepEdits: live,
			Refused:   f.refuse,
			Wrote:     func(string) { f.files.Add(1) },
			Progress: func(_ string, bytes, total uint64) {
				f.progress.SetTotal(int64(total))
				f.progress.Add(int64(bytes), 0)
				f.wrote.Add(int64(bytes))
			},
		},
		Pulled: f.pulled,
	}
	if !live {
		return f.end(tree.Pull(c.Context, options))
	}
	return f.end(f.persist(c.Context, func() error { return tree.Pull(c.Context, options) }))
}

// How long to wait before lost peers are tried again.
const (
	firstWait = time.Second
	mostWait  = 30 * time.Second
)

// persist pulls again when all peers are lost, with ever longer waits. Peers that were never reached are not lost.
func (f *following) persist(ctx context.Context, pull func() error) error {
	wait := firstWait
	for {
		before := f.versions
		err := pull()
		if f.versions > before {
			wait = firstWait
		}
		lost := errors.Is(err, replicate.ErrLost) || errors.Is(err, peer.ErrUnreachable)
		if ctx.Err() != nil || f.versions == 0 || !lost || errors.Is(err, merkle.ErrUnverified) {
			return err
		}
		if !f.away {
			f.std.Notef("%v: trying again", err)
		}
		f.away = true
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		wait = min(2*wait, mostWait)
	}
}

// look adds peers that it finds, if none is named or the flags ask for it.
func (f *following) look(c *urfave.Context, dialers *[]replicate.Dialer) (*network.Found, error) {
	named := len(*dialers)
	if !network.Discovers(f.std, c, named, true) {
		if named == 0 {
			return nil, cli.Hint(cli.Usagef("no peer to fetch from"), "name one with --peer or --exec")
		}
		return nil, nil
	}
	found, err := network.Look(f.std, c, f.tree.Store(), f.tree.Key())
	if err == nil && found == nil && named == 0 {
		return nil, cli.Hint(fmt.Errorf("%w: no peer on this network has drive %v", peer.ErrUnreachable, f.tree.Key()), "name a peer with --peer or --exec")
	}
	*dialers = append(*dialers, found.Dialers()...)
	return found, err
}

func (f *following) trace(sent bool, proof *merkle.Proof) {
	if sent || proof.Block == nil {
		return
	}
	f.blocks.Add(1)
	f.bytes.Add(uint64(len(proof.Block.Value)))
	f.came.Add(int64(len(proof.Block.Value)))
}

// dropped notes a lost peer; it is called for each of the drive's cores.
func (f *following) dropped(peer string, reason error) {
	if _, already := f.losses.LoadOrStore(peer, true); !already {
		f.lost.Add(1)
	}
	f.std.Log.Warn("lost a peer", "reason", reason)
}

// worked returns what is called for a peer that is of use, perhaps again.
func (f *following) worked(remember func(peer string)) func(peer string) {
	return func(peer string) {
		if _, lost := f.losses.LoadAndDelete(peer); lost {
			f.lost.Add(-1)
		}
		remember(peer)
	}
}

func (f *following) refuse(name string, why error) {
	if errors.Is(why, worktree.ErrLocal) {
		if f.kept[name] {
			return
		}
		f.kept[name] = true
	}
	f.refused++
	f.faulty = f.faulty || errors.Is(why, hyperdrive.ErrContent) || errors.Is(why, merkle.ErrUnverified)
	f.std.Warnf("left out: %v", why)
}

// pulled reports which version is in the folder.
func (f *following) pulled(ref keys.Ref, done worktree.Updated) {
	f.versions++
	again := f.last == ref.String() && done.Written+done.Removed == 0
	f.last = ref.String()
	if f.away {
		f.away = false
		f.std.Notef("connected again")
		if again {
			return
		}
	}
	blocks, fetched := f.blocks.Swap(0), f.bytes.Swap(0)
	line := pulled{
		Type: "pulled", Key: ref.Key.String(), Version: ref.Length, Cite: ref.String(),
		Written: done.Written, Removed: done.Removed, Same: done.Same, Refused: done.Refused, Bytes: done.Bytes,
		Blocks: blocks, Fetched: fetched, Here: done.Bytes - min(done.Bytes, fetched),
	}
	if f.std.JSON {
		_ = cli.WriteJSON(f.std.Out, line)
		return
	}
	if done.Written+done.Removed == 0 {
		f.std.Notef("version %d: nothing new", ref.Length)
		return
	}
	f.std.Notef("version %d: %s written, %d removed; %s, %s of it already here",
		ref.Length, plural(int(done.Written), "file"), done.Removed, cli.FormatSize(int64(done.Bytes)), cli.FormatSize(int64(line.Here)))
}

// end adds to an error what to do next.
func (f *following) end(err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, worktree.ErrLocal):
		return cli.Hint(err, "move them away, or use --force to lose the edits")
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return cli.Hint(err, "make room, then run it again: what is here is kept")
	case err == nil && f.refused > 0:
		kind := cli.ErrPartial
		if f.faulty {
			kind = cli.ErrUnverified
		}
		return cli.Exitf(kind, "%s left out: named above, with the reason", plural(int(f.refused), "name"))
	}
	return network.Hint(err, f.exec)
}
