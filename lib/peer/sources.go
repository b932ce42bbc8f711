package peer

import (
	"net"
	"net/netip"
	"sync"
)

// sources counts connections by where they come from, so that one machine does not take the places of all others. Behind an address many
// may stand, so it has many. Who is on this machine is not counted.
type sources struct {
	most int // from one address

	mu    sync.Mutex // guards conns
	conns map[netip.Prefix]int
}

// enter counts one more connection, or says that there are enough from its address.
func (s *sources) enter(remote net.Addr) (source netip.Prefix, ok bool) {
	source, counts := sourceOf(remote)
	if !counts {
		return source, true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns[source] >= s.most {
		return source, false
	}
	s.conns[source]++
	return source, true
}

func (s *sources) leave(source netip.Prefix) {
	if !source.IsValid() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns[source]--; s.conns[source] == 0 {
		delete(s.conns, source)
	}
}

// networkBits is what of an IPv6 address is a network's: whoever has one has all addresses behind it.
const networkBits = 64

// sourceOf returns what a connection is counted by.
func sourceOf(remote net.Addr) (source netip.Prefix, counts bool) {
	tcp, ok := remote.(*net.TCPAddr)
	if !ok {
		return source, false
	}
	address := tcp.AddrPort().Addr().Unmap()
	if !address.IsValid() || address.IsLoopback() {
		return source, false
	}
	source, err := address.Prefix(min(address.BitLen(), networkBits))
	return source, err == nil
}
