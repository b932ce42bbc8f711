package discovery

import (
	"context"
	"slices"
	"sync"
	"time"

	"hc/lib/keys"
)

// Limits on what is found for one core, from whatever source.
const (
	maxFound = 64               // addresses
	retry    = 10 * time.Second // before an address that is found again is passed on again: the peer may be back
)

// Finder looks for the peers of one core, for any number of callers. Safe for concurrent use.
type Finder struct {
	mu     sync.Mutex // guards all below
	handed map[string]time.Time
	wake   chan struct{} // closed, and replaced, when there is one more
	news   []string      // addresses in the order in which they were passed on, repetitions included
}

// Find looks for peers of the core with that discovery key on networks, until ctx ends. known are addresses that are worth a
// try. failed is called with the errors of networks.
func Find(ctx context.Context, id keys.Key, networks []Network, known []string, failed func(error)) *Finder {
	f := &Finder{handed: map[string]time.Time{}, wake: make(chan struct{})}
	for _, address := range known {
		f.add(address)
	}
	for _, network := range networks {
		go func() {
			if err := network.Find(ctx, id, f.add); err != nil && ctx.Err() == nil {
				failed(err)
			}
		}()
	}
	return f
}

func (f *Finder) add(address string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	last, again := f.handed[address]
	if again && time.Since(last) < retry || !again && len(f.handed) >= maxFound || len(f.news) >= 64*maxFound {
		return
	}
	f.handed[address] = time.Now()
	f.news = append(f.news, address)
	close(f.wake)
	f.wake = make(chan struct{})
}

// after returns the addresses passed on from number n on, and a channel that is closed when there are more.
func (f *Finder) after(n int) ([]string, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.news[min(n, len(f.news)):], f.wake
}

// Found returns the addresses found so far, each once.
func (f *Finder) Found() (addresses []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, address := range f.news {
		if !slices.Contains(addresses, address) {
			addresses = append(addresses, address)
		}
	}
	return addresses
}

// Await reports whether a peer is found within that time.
func (f *Finder) Await(ctx context.Context, within time.Duration) bool {
	timer := time.NewTimer(within)
	defer timer.Stop()
	for {
		news, wake := f.after(0)
		if len(news) > 0 {
			return true
		}
		select {
		case <-wake:
		case <-timer.C:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// Peers returns a channel of the addresses that were found, and of those found from now on, until ctx ends. An address comes
// again if it is found again after a while.
func (f *Finder) Peers(ctx context.Context) <-chan string {
	out := make(chan string)
	go func() {
		defer close(out)
		for n := 0; ; {
			news, wake := f.after(n)
			for _, address := range news {
				n++
				select {
				case out <- address:
				case <-ctx.Done():
					return
				}
			}
			select {
			case <-wake:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}
