package network

import (
	"context"
	"net"
	"slices"
	"sync"
	"time"

	urfave "github.com/urfave/cli/v2"

	"hc/lib/cli"
	"hc/lib/discovery"
	"hc/lib/keys"
	"hc/lib/peer"
	"hc/lib/replicate"
	"hc/lib/store"
)

// Announce answers peers that look on the local network for what a server, which listens at an address, has, until ctx ends;
// then wait returns.
func Announce(ctx context.Context, std *cli.IO, at net.Addr, server *replicate.Server) (wait func(), err error) {
	tcp, ok := at.(*net.TCPAddr)
	if !ok || tcp.IP.IsLoopback() {
		return nil, cli.Hint(cli.Usagef("nobody else can reach %v", at), "listen on an address of the network, or on all (:4977)")
	}
	var announcing sync.WaitGroup
	announcing.Go(func() {
		offer := func(id keys.Key) bool { return server.Has(ctx, id) }
		if err := (discovery.MDNS{}).Announce(ctx, tcp, offer); err != nil {
			std.Log.Warn("cannot announce what is served", "reason", err)
		}
	})
	return announcing.Wait, nil
}

// lookFirst is how long to wait for the first peer.
const lookFirst = 3 * time.Second

// discoveryOff is set if no tool is to look for peers, as in a job that must not depend on what else runs on its network.
const discoveryOff = "HC_NO_DISCOVERY"

// Found is the peers of one core that were found, and that will be.
type Found struct {
	finder  *discovery.Finder
	limiter *peer.Limiter
}

// Announces reports whether a command that announces by default is to announce what it serves.
func Announces(std *cli.IO, c *urfave.Context) bool {
	return !c.Bool("no-discovery") && std.Getenv(discoveryOff) == ""
}

// Discovers reports whether to look for peers: if [DiscoveryFlags] say so, or if it is useful and none is named.
func Discovers(std *cli.IO, c *urfave.Context, named int, useful bool) bool {
	if !Announces(std, c) {
		return false
	}
	return c.Bool("discover") || useful && named == 0
}

// Look looks for peers of a core until the command ends: on the local network, and where blocks of it came from before, which
// the store, if there is one, remembers. It returns when it has found one, or nil after 3 seconds without any.
func Look(std *cli.IO, c *urfave.Context, of *store.Store, key keys.Key) (*Found, error) {
	limiter, _, err := Limiter(c, 0)
	if err != nil {
		return nil, err
	}
	f, id := &Found{limiter: limiter}, keys.DiscoveryKey(key)
	var known []string
	if of != nil {
		if known, err = of.KnownPeers(id); err != nil {
			std.Log.Warn("cannot tell where blocks came from", "reason", err)
		}
	}
	f.finder = discovery.Find(c.Context, id, []discovery.Network{discovery.MDNS{}}, known, func(reason error) {
		std.Log.Warn("cannot look for peers", "reason", reason)
	})
	if !f.finder.Await(c.Context, lookFirst) {
		std.Log.Info("no peer found", "looked", lookFirst)
		return nil, nil
	}
	return f, nil
}

// Dialers returns the peers that were found so far; none on nil.
func (f *Found) Dialers() (peers []replicate.Dialer) {
	if f == nil {
		return nil
	}
	for _, address := range f.finder.Found() {
		peers = append(peers, at(address, f.limiter))
	}
	return peers
}

// Remembers returns a function that records in the store a peer that was useful; nil without a store.
func Remembers(std *cli.IO, c *urfave.Context, of *store.Store, key keys.Key) func(peer string) {
	if of == nil {
		return nil
	}
	commands := c.StringSlice("exec")
	return func(name string) {
		if slices.Contains(commands, name) {
			return
		}
		if err := of.RememberPeer(keys.DiscoveryKey(key), name); err != nil {
			std.Log.Warn("cannot remember a peer", "reason", err)
		}
	}
}

// More is for replicate.FetchOptions: it yields peers found before and during a fetch; nil on nil.
func (f *Found) More() func(ctx context.Context) <-chan replicate.Dialer {
	if f == nil {
		return nil
	}
	return f.more
}

func (f *Found) more(ctx context.Context) <-chan replicate.Dialer {
	out := make(chan replicate.Dialer)
	go func() {
		defer close(out)
		for address := range f.finder.Peers(ctx) {
			select {
			case out <- at(address, f.limiter):
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}
