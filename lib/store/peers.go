package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"hc/lib/keys"
	"hc/lib/store/smallfile"
)

// The file peers says where blocks of a core came from, newest first. It is only a hint: if it is damaged, or two
// processes wrote it at once, that costs a search.
const (
	peersName    = "peers"
	peersMagic   = "hc-peers 1"
	maxPeers     = 512 // lines
	maxCorePeers = 8   // lines of one core
	maxPeer      = 255 // bytes of an address
	maxPeersFile = (maxPeers + 1) * (64 + 1 + maxPeer + 1)
)

// RememberPeer notes that a peer at an address had the core with that discovery key.
func (s *Store) RememberPeer(id keys.Key, address string) error {
	if s.options.ReadOnly {
		return ErrReadOnly
	}
	if address == "" || len(address) > maxPeer || strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return fmt.Errorf("remembering a peer: %q is not an address", address)
	}
	all, err := s.readPeers()
	if err != nil {
		return err
	}
	line := id.String() + " " + address
	if len(all) > 0 && all[0] == line {
		return nil
	}
	all = append([]string{line}, slices.DeleteFunc(all, func(other string) bool { return other == line })...)
	own := 0
	all = slices.DeleteFunc(all, func(other string) bool {
		if strings.HasPrefix(other, id.String()) {
			own++
		}
		return strings.HasPrefix(other, id.String()) && own > maxCorePeers
	})
	if err := s.log.Make(context.Background()); err != nil {
		return err
	}
	text := peersMagic + "\n" + strings.Join(all[:min(len(all), maxPeers)], "\n") + "\n"
	return smallfile.Replace(s.fs, filepath.Join(s.dir, peersName), []byte(text), 0o600)
}

// KnownPeers returns the addresses at which peers had the core with that discovery key, newest first.
func (s *Store) KnownPeers(id keys.Key) (addresses []string, err error) {
	all, err := s.readPeers()
	for _, line := range all {
		if address, ok := strings.CutPrefix(line, id.String()+" "); ok {
			addresses = append(addresses, address)
		}
	}
	return addresses, err
}

func (s *Store) readPeers() (lines []string, err error) {
	raw, err := smallfile.Read(s.fs, filepath.Join(s.dir, peersName), maxPeersFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the known peers: %w", err)
	}
	rest, ok := strings.CutPrefix(string(raw), peersMagic+"\n")
	if !ok {
		return nil, nil
	}
	for line := range strings.Lines(rest) {
		line = strings.TrimSuffix(line, "\n")
		id, address, ok := strings.Cut(line, " ")
		if _, err := keys.ParseKey(id); ok && err == nil && len(id) == 64 && address != "" && len(lines) < maxPeers {
			lines = append(lines, line)
		}
	}
	return lines, nil
}
