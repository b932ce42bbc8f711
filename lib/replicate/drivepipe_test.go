package replicate

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"hc/lib/hyperdrive"
	"hc/lib/keys"
	"hc/lib/proof"
	"hc/lib/store"
)

// proved is the files that a stream of a drive proves.
type proved map[string]*bytes.Buffer

type closed struct{ *bytes.Buffer }

func (closed) Close() error { return nil }

func (p proved) File(item hyperdrive.Item) (io.WriteCloser, error) {
	p[item.Name] = &bytes.Buffer{}
	return closed{p[item.Name]}, nil
}
func (p proved) Link(item hyperdrive.Item) error {
	p[item.Name] = bytes.NewBufferString(*item.Entry.Link)
	return nil
}
func (p proved) Refused(item hyperdrive.Item) error { return item.Err }

// pipe writes a claim of the drive and verifies it.
func (d *testDrive) pipe(into *store.Store, claim proof.Claim, peers ...Dialer) (proved, error) {
	d.t.Helper()
	var b bytes.Buffer
	writeErr := WriteProof(d.t.Context(), &b, keys.Ref{Key: d.key}, PipeOptions{Store: into, Peers: peers, Claim: claim})
	got := proved{}
	_, err := proof.Verify(d.t.Context(), &b, proof.Options{Key: &d.key, Claim: &claim, Files: got}, nil)
	if writeErr == nil && err != nil {
		d.t.Errorf("%v was written, and is not verified: %v", claim, err)
	}
	return got, errors.Join(writeErr, err)
}

func (d *testDrive) checkPiped(claim proof.Claim, got proved) {
	d.t.Helper()
	below := strings.TrimSuffix(claim.Path, "/") + "/"
	want := 0
	for name, data := range d.files {
		if name != claim.Path && !(claim.Kind == proof.KindTree && strings.HasPrefix(name, below)) {
			continue
		}
		want++
		if got[name] == nil || !bytes.Equal(got[name].Bytes(), data) {
			d.t.Errorf("%v: %q is not what it is in the drive", claim, name)
		}
	}
	if len(got) != want || want == 0 {
		d.t.Errorf("%v: %d files, want %d", claim, len(got), want)
	}
}

func TestPathsAndTreesArePiped(t *testing.T) {
	noLeaks(t)
	from := newDrive(t, 200)
	claims := []proof.Claim{
		{Kind: proof.KindPath, Path: "/dir 3/файл-129"},
		{Kind: proof.KindPath, Path: "/dir 0/файл-0"}, // empty
		{Kind: proof.KindTree, Path: "/dir 3"},
		{Kind: proof.KindTree, Path: "/"},
	}
	kept := newStore(t)
	for name, into := range map[string]func() *store.Store{
		"new store": func() *store.Store { return newStore(t) },
		"store":     func() *store.Store { return kept },
		"no store":  func() *store.Store { return nil },
	} {
		for _, claim := range claims {
			t.Run(fmt.Sprint(name, " ", claim), func(t *testing.T) {
				got, err := from.pipe(into(), claim, from.peer(ServerOptions{}))
				if err != nil {
					t.Fatal(err)
				}
				from.checkPiped(claim, got)
			})
		}
	}
	for _, claim := range claims { // and from what was kept, with nobody to ask
		got, err := from.pipe(kept, claim)
		if err != nil {
			t.Fatal(err)
		}
		from.checkPiped(claim, got)
	}
}

func TestWhatIsNotThereIsPiped(t *testing.T) {
	from := newDrive(t, 50)
	for _, c := range []struct {
		claim proof.Claim
		is    error
	}{
		{proof.Claim{Kind: proof.KindPath, Path: "/missing"}, proof.ErrAbsent},
		{proof.Claim{Kind: proof.KindTree, Path: "/missing"}, proof.ErrAbsent},
		{proof.Claim{Kind: proof.KindPath, Path: "/dir 3"}, hyperdrive.ErrNotFile},
		{proof.Claim{Kind: proof.KindPath, Path: "/link"}, hyperdrive.ErrNotFile},
	} {
		for _, into := range []*store.Store{newStore(t), nil} {
			if got, err := from.pipe(into, c.claim, from.peer(ServerOptions{})); !errors.Is(err, c.is) || len(got) > 0 {
				t.Errorf("%v: %d files, %v, want %q", c.claim, len(got), err, c.is)
			}
		}
	}
}

// A peer that has the names only: what there is is written, and that it is not all.
func TestPipeWithoutBlobs(t *testing.T) {
	from := newDrive(t, 50)
	claim := proof.Claim{Kind: proof.KindTree, Path: "/"}
	_, err := from.pipe(newStore(t), claim, from.peer(ServerOptions{Keys: []keys.Key{from.key}}))
	if !errors.Is(err, proof.ErrPartial) {
		t.Errorf("blobs that nobody has: %v, want ErrPartial", err)
	}
}
