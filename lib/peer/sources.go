package peer

import (
	"net"
	"net/netip"
	"sync"
)

// sources counts connections by address, so that one machine does not take the places of all others. Many machines may share
// an address, so it has many places. Connections from this machine are not counted.
type sources struct {
	most int // from one address

	mu    sync.Mutex // guards conns
	conns map[netip.Prefix]int
}

// enter counts one more connection; ok is false if there are enough from its address.
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

// networkBits is the network part of an IPv6 address: a network's owner has all addresses in it.
const networkBits = 64

// sourceOf returns the prefix that a connection is counted by, and whether it is counted.
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
