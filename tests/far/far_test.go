package far

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hc/lib/drive"
	"hc/lib/hypercore"
	"hc/lib/keys"
	"hc/lib/peer"
	"hc/lib/proof"
	"hc/lib/replicate"
	"hc/lib/store"
	"hc/lib/stream"
	"hc/lib/worktree"
)

// journey is something done over a long way, and how many round trips it may take.
type journey struct {
	name string
	most float64
	do   func(t *testing.T, over time.Duration) (trips float64)
}

// journeys are counted to the trip, but where there is much to decide: there is some room in these.
var journeys = []journey{
	{"clone of 3 files", 8, func(t *testing.T, over time.Duration) float64 {
		return newServed(t).withFiles(3, 10).clone(over)
	}},
	{"clone of 3000 files, 30 MB", 14, func(t *testing.T, over time.Duration) float64 {
		return newServed(t).withFiles(3000, 10000).clone(over)
	}},
	{"pull of 3 files", 6, func(t *testing.T, over time.Duration) float64 {
		from := newServed(t).withFiles(3, 10)
		tree := from.tree()
		from.pull(tree, over)
		from.withFiles(3, 20)
		return from.pull(tree, over)
	}},
	{"fetch of a file", 8, func(t *testing.T, over time.Duration) float64 {
		return newServed(t).withFiles(3, 10).fetch(over, proof.Claim{Kind: proof.KindPath, Path: "/00/0"})
	}},
	{"fetch of a log of 1 block", 5, func(t *testing.T, over time.Duration) float64 {
		return newServed(t).withBlocks(1, 10).fetch(over, proof.Claim{})
	}},
	{"fetch of a log of 50 MB", 11, func(t *testing.T, over time.Duration) float64 {
		return newServed(t).withBlocks(800, 64<<10).fetch(over, proof.Claim{})
	}},
}

// The number of waits for a peer does not depend on the number of files, and little on their size.
func TestRoundTrips(t *testing.T) {
	for _, j := range journeys[:3] { // what a process makes once, such as what compresses, is made outside of the bubble
		j.do(t, 0)
	}
	synctest.Test(t, func(t *testing.T) {
		for _, j := range journeys {
			trips := j.do(t, RoundTrip)
			t.Logf("%s: %v round trips", j.name, trips)
			if trips > j.most {
				t.Errorf("%s took %v round trips, want %v at most", j.name, trips, j.most)
			}
		}
	})
}

// served is a store at the other end.
type served struct {
	t     *testing.T
	store *store.Store
	key   keys.Key
	files int
	bytes int
}

func newServed(t *testing.T) *served {
	t.Helper()
	return &served{t: t, store: openStore(t, t.TempDir())}
}

func openStore(t *testing.T, folder string) *store.Store {
	t.Helper()
	in, err := store.Open(t.Context(), worktree.StoreDir(folder), store.Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close() })
	return in
}

func (s *served) try(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// withFiles appends a version of a drive: that many files of that many bytes, which do not compress.
func (s *served) withFiles(count, size int) *served {
	s.t.Helper()
	s.files, s.bytes = count, count*size
	read, write := io.Pipe()
	go func() { write.CloseWithError(writeFiles(write, count, size)) }()
	result, err := drive.Import(s.t.Context(), s.store, "it", read, hypercore.AppendOptions{}, nil)
	s.try(err)
	s.key, err = keys.ParseKey(result.Key)
	s.try(err)
	return s
}

func writeFiles(to io.Writer, count, size int) error {
	w := stream.NewWriter(to)
	err := w.Tree(nil)
	random := noise(size)
	for i := 0; i < count && err == nil; i++ {
		if err = w.File(0o644, 1764422524123456789, fmt.Sprintf("%02d/%d", i%37, i)); err == nil {
			err = w.Chunk(random())
		}
	}
	if err != nil {
		return err
	}
	return w.Close()
}

func noise(size int) (next func() []byte) {
	random := rand.NewChaCha8([32]byte{1: byte(size)})
	return func() []byte {
		data := make([]byte, size)
		_, _ = random.Read(data)
		return data
	}
}

// withBlocks appends to a log.
func (s *served) withBlocks(count, size int) *served {
	s.t.Helper()
	w, err := hypercore.OpenWriter(s.t.Context(), s.store, "it", hypercore.AppendOptions{})
	s.try(err)
	random := noise(size)
	for range count {
		s.try(w.Append(s.t.Context(), random()))
	}
	_, err = w.Commit(s.t.Context())
	s.try(err)
	s.key, s.bytes = w.Key(), count*size
	return s
}

// from is a peer that serves the store, on connections that last until the end.
func (s *served) from(over time.Duration) (peers []replicate.Dialer, end func()) {
	server := replicate.NewServer(s.store, replicate.ServerOptions{})
	ctx, stop := context.WithCancel(s.t.Context())
	var serving sync.WaitGroup
	dial := func(context.Context) (peer.Conn, error) {
		ours, theirs := Connect(over)
		serving.Go(func() { _ = server.Serve(ctx, "reader", theirs) })
		return ours, nil
	}
	return []replicate.Dialer{{Name: "far", Dial: dial}}, func() {
		stop()
		serving.Wait()
	}
}

// tree is an empty working copy of the drive.
func (s *served) tree() *worktree.Tree {
	s.t.Helper()
	tree, err := worktree.Create(openStore(s.t, s.t.TempDir()), s.key, nil)
	s.try(err)
	return tree
}

// pull brings the newest version into a working copy.
func (s *served) pull(tree *worktree.Tree, over time.Duration) (trips float64) {
	s.t.Helper()
	peers, end := s.from(over)
	defer end()
	began := time.Now()
	s.try(tree.Pull(s.t.Context(), worktree.PullOptions{
		Drive:  replicate.DriveOptions{Peers: peers},
		Pulled: func(keys.Ref, worktree.Updated) { trips = tripsSince(began) },
	}))
	return trips
}

func (s *served) clone(over time.Duration) (trips float64) {
	s.t.Helper()
	tree := s.tree()
	trips = s.pull(tree, over)
	if got, err := filepath.Glob(filepath.Join(tree.Root, "[0-9]*", "*")); err != nil || len(got) != s.files {
		s.t.Errorf("%d files are there, want %d: %v", len(got), s.files, err)
	}
	return trips
}

// fetch reads a claim as a proof stream, and keeps it.
func (s *served) fetch(over time.Duration, claim proof.Claim) (trips float64) {
	s.t.Helper()
	peers, end := s.from(over)
	defer end()
	began := time.Now()
	var out bytes.Buffer
	s.try(replicate.WriteProof(s.t.Context(), &out, keys.Ref{Key: s.key}, replicate.PipeOptions{
		Store: openStore(s.t, s.t.TempDir()),
		Peers: peers,
		Claim: claim,
	}))
	return tripsSince(began)
}

func tripsSince(began time.Time) float64 {
	return float64(time.Since(began).Round(RoundTrip/2)) / float64(RoundTrip)
}
