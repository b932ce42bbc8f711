package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"hc/lib/keys"
)

func TestPeersAreRemembered(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir, Options{})
	one, two := keys.Key{1}, keys.Key{2}
	want := func(id keys.Key, addresses ...string) {
		t.Helper()
		got, err := s.KnownPeers(id)
		if err != nil || !slices.Equal(got, addresses) {
			t.Errorf("%v: %q, %v, want %q", id, got, err, addresses)
		}
	}
	want(one)
	for _, address := range []string{"a:1", "b:2", "a:1"} {
		if err := s.RememberPeer(one, address); err != nil {
			t.Fatal(err)
		}
	}
	want(one, "a:1", "b:2")
	want(two)
	for i := range 20 {
		if err := s.RememberPeer(two, fmt.Sprint("c:", i)); err != nil {
			t.Fatal(err)
		}
	}
	want(two, "c:19", "c:18", "c:17", "c:16", "c:15", "c:14", "c:13", "c:12")
	want(one, "a:1", "b:2")
	for _, bad := range []string{"", "a b", "a\nb", string(make([]byte, 300))} {
		if err := s.RememberPeer(one, bad); err == nil {
			t.Errorf("took %q", bad)
		}
	}
	for i := range maxPeers + 10 {
		if err := s.RememberPeer(keys.Key{3, byte(i), byte(i >> 8)}, "d:1"); err != nil {
			t.Fatal(err)
		}
	}
	want(one) // long ago
	want(keys.Key{3, 11}, "d:1")
	if err := os.WriteFile(filepath.Join(dir, peersName), []byte("rubbish\n\x00"), 0o600); err != nil {
		t.Fatal(err)
	}
	want(two)
	if err := s.RememberPeer(one, "a:1"); err != nil {
		t.Fatal(err)
	}
	want(one, "a:1")
	reader := openTest(t, dir, Options{ReadOnly: true})
	if err := reader.RememberPeer(one, "b:1"); !errors.Is(err, ErrReadOnly) {
		t.Errorf("read only: %v", err)
	}
}
