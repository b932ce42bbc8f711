package replicate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hc/lib/drive"
	"hc/lib/hash"
	"hc/lib/hyperbee"
	"hc/lib/hypercore"
	"hc/lib/hyperdrive"
	"hc/lib/keys"
	"hc/lib/peer"
	"hc/lib/proof"
	"hc/lib/store"
	"hc/lib/stream"
)

// testDrive is a drive in a store of its own, with its files.
type testDrive struct {
	*testCore
	files map[string][]byte // by name; a link's target
	links map[string]bool
}

const testMode, testTime = fs.FileMode(0o640), int64(1764422524123456789)

// newDrive makes a drive of count files, each of a few blocks of at most 1000 bytes, some empty, some equal to another.
func newDrive(t *testing.T, count int) *testDrive {
	t.Helper()
	d := &testDrive{testCore: &testCore{t: t, store: newStore(t)}, files: map[string][]byte{}, links: map[string]bool{}}
	random := rand.New(rand.NewPCG(2, uint64(count)))
	for i := range count {
		data := make([]byte, random.IntN(5000)*(i%5)/4)
		for at := range data {
			data[at] = byte(random.Uint32())
		}
		d.files[fmt.Sprintf("/dir %d/файл-%d", i%7, i)] = data
	}
	d.files["/link"] = []byte("dir 0")
	d.links["/link"] = true
	d.importAll()
	return d
}

// importAll brings the drive to its files.
func (d *testDrive) importAll() {
	d.t.Helper()
	var b bytes.Buffer
	w := stream.NewWriter(&b)
	try := func(err error) {
		d.t.Helper()
		if err != nil {
			d.t.Fatal(err)
		}
	}
	try(w.Tree(nil))
	for _, name := range slices.Sorted(maps.Keys(d.files)) {
		if d.links[name] {
			try(w.Link(name[1:], string(d.files[name])))
			continue
		}
		try(w.File(testMode, testTime, name[1:]))
		for piece := range slices.Chunk(d.files[name], 1000) {
			try(w.Chunk(piece))
		}
	}
	try(w.Close())
	result, err := drive.Import(d.t.Context(), d.store, "drive", &b, hypercore.AppendOptions{}, nil)
	try(err)
	d.key, err = keys.ParseKey(result.Key)
	try(err)
}

// check compares all files of a drive, as they can be read there.
func (d *testDrive) check(files *hyperdrive.Drive, content func(item hyperdrive.Item, w *bytes.Buffer) error) {
	d.t.Helper()
	seen := 0
	err := files.List(d.t.Context(), "/", func(item hyperdrive.Item) error {
		seen++
		want, ok := d.files[item.Name]
		if !ok || item.Err != nil {
			return fmt.Errorf("%q is listed: %w", item.Name, item.Err)
		}
		if d.links[item.Name] {
			if item.Entry.Link == nil || *item.Entry.Link != string(want) {
				return fmt.Errorf("%q is no link to %q", item.Name, want)
			}
			return nil
		}
		var out bytes.Buffer
		if err := content(item, &out); err != nil {
			return err
		}
		if !bytes.Equal(out.Bytes(), want) {
			return fmt.Errorf("%q has %d bytes, want %d", item.Name, out.Len(), len(want))
		}
		return nil
	})
	if err != nil || seen != len(d.files) {
		d.t.Fatalf("%d names, want %d: %v", seen, len(d.files), err)
	}
}

// once is a peer that can be dialled once only.
func once(t *testing.T, connect func() peer.Conn) Dialer {
	var dialled atomic.Int64
	return Dialer{Name: "once", Dial: func(context.Context) (peer.Conn, error) {
		if dialled.Add(1) > 1 {
			t.Error("a second connection was made")
		}
		return connect(), nil
	}}
}

func (d *testDrive) peer(options ServerOptions) Dialer {
	connect := d.server(options)
	return once(d.t, func() peer.Conn { return connect() })
}

func openDrive(t *testing.T, ref keys.Ref, options DriveOptions) *Drive {
	t.Helper()
	d, err := OpenDrive(t.Context(), ref, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// A drive is read file by file over one connection, with a store or without.
func TestDriveIsReadAsItComes(t *testing.T) {
	noLeaks(t)
	from := newDrive(t, 60)
	for name, into := range map[string]*store.Store{"store": newStore(t), "no store": nil} {
		t.Run(name, func(t *testing.T) {
			d := openDrive(t, keys.Ref{Key: from.key}, DriveOptions{Store: into, Peers: []Dialer{from.peer(ServerOptions{})}})
			from.check(d.Files(), func(item hyperdrive.Item, w *bytes.Buffer) error { return d.Content(t.Context(), item, w) })
			from.check(d.Files(), func(item hyperdrive.Item, w *bytes.Buffer) error { return d.Content(t.Context(), item, w) })
		})
	}
}

// One file of a large drive takes a few nodes of the tree of names, and its own blocks.
func TestOneFileTakesFewBlocks(t *testing.T) {
	from := newDrive(t, 2000)
	var blocks atomic.Int64
	d := openDrive(t, keys.Ref{Key: from.key}, DriveOptions{
		Store: newStore(t),
		Peers: []Dialer{from.peer(ServerOptions{})},
		Fetch: FetchOptions{Trace: counting(&blocks)},
	})
	name := "/dir 2/файл-1234"
	item, err := d.Files().Get(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := d.Content(t.Context(), item, &out); err != nil || !bytes.Equal(out.Bytes(), from.files[name]) {
		t.Fatalf("%d bytes, %v, want %d", out.Len(), err, len(from.files[name]))
	}
	// The header, and at most 8 keys and 9 children of 5 nodes on the way down.
	if most := int64(1 + 5*17 + len(out.Bytes())/1000 + 1); blocks.Load() > most {
		t.Errorf("%d blocks came, at most %d were of use", blocks.Load(), most)
	}
	if _, err := d.Files().Get(t.Context(), "/missing"); !errors.Is(err, hyperbee.ErrNotFound) {
		t.Errorf("a missing name: %v", err)
	}
}

// A whole drive is in the store afterwards, and the second time nothing of it comes again.
func TestDriveIsFetchedWhole(t *testing.T) {
	noLeaks(t)
	from, into := newDrive(t, 300), newStore(t)
	var blocks atomic.Int64
	fetch := func() DrivePlan {
		d := openDrive(t, keys.Ref{Key: from.key}, DriveOptions{
			Store: into,
			Peers: []Dialer{from.peer(ServerOptions{})},
			Fetch: FetchOptions{Trace: counting(&blocks)},
		})
		plan, err := d.Plan(t.Context(), "/")
		if err == nil {
			err = d.FetchAll(t.Context(), plan)
		}
		if err := errors.Join(err, d.Close()); err != nil {
			t.Fatal(err)
		}
		return plan
	}
	first := fetch()
	total := uint64(0)
	for name, data := range from.files {
		if !from.links[name] {
			total += uint64(len(data))
		}
	}
	if first.Files != 300 || first.Links != 1 || first.Bytes != total || first.Missing != first.Blocks || first.Refused != 0 {
		t.Errorf("the plan is %+v, want 300 files of %d bytes, 1 link, all missing", first, total)
	}
	here, err := drive.Open(t.Context(), into, keys.Ref{Key: from.key})
	if err != nil {
		t.Fatal(err)
	}
	from.check(here.Drive, func(item hyperdrive.Item, w *bytes.Buffer) error {
		return hyperdrive.Content(t.Context(), here.Blobs(), item, w)
	})
	blocks.Store(0)
	if again := fetch(); again.Missing != 0 || blocks.Load() != 0 {
		t.Errorf("%d blocks came again; the plan is %+v", blocks.Load(), again)
	}
	for name := range from.files { // a new version brings what is new
		if strings.HasPrefix(name, "/dir 3/") {
			delete(from.files, name)
		}
	}
	from.files["/new"] = []byte("new")
	from.importAll()
	if next := fetch(); next.Missing != 1 {
		t.Errorf("of a version with one new block %d are missing", next.Missing)
	}
}

func TestFolderIsPlannedAlone(t *testing.T) {
	from := newDrive(t, 300)
	d := openDrive(t, keys.Ref{Key: from.key}, DriveOptions{Store: newStore(t), Peers: []Dialer{from.peer(ServerOptions{})}})
	plan, err := d.Plan(t.Context(), "/dir 3")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.FetchAll(t.Context(), plan); err != nil {
		t.Fatal(err)
	}
	want := uint64(0)
	for name, data := range from.files {
		if strings.HasPrefix(name, "/dir 3/") {
			want += uint64(len(data))
		}
	}
	if plan.Bytes != want || plan.Links != 0 {
		t.Errorf("the plan is %+v, want %d bytes", plan, want)
	}
}

// An earlier version is read as it was, also where its files are gone now.
func TestDriveAtAVersion(t *testing.T) {
	from := newDrive(t, 30)
	old, err := drive.Open(t.Context(), from.store, keys.Ref{Key: from.key})
	if err != nil {
		t.Fatal(err)
	}
	before := maps.Clone(from.files)
	from.files = map[string][]byte{"/only": []byte("this")}
	from.importAll()
	ref := keys.Ref{Key: from.key, Pinned: true, Length: old.Version()}
	d := openDrive(t, ref, DriveOptions{Peers: []Dialer{from.peer(ServerOptions{})}})
	from.files = before
	from.check(d.Files(), func(item hyperdrive.Item, w *bytes.Buffer) error { return d.Content(t.Context(), item, w) })

	ref.Length = 1 << 20
	if _, err := OpenDrive(t.Context(), ref, DriveOptions{Peers: []Dialer{from.peer(ServerOptions{})}}); !errors.Is(err, proof.ErrPartial) {
		t.Errorf("a version beyond the end: %v", err)
	}
	ref = keys.Ref{Key: from.key, Pinned: true, Length: old.Version(), TreeHash: &hash.Digest{}}
	if _, err := OpenDrive(t.Context(), ref, DriveOptions{Peers: []Dialer{from.peer(ServerOptions{})}}); err == nil {
		t.Error("a version with another tree hash was opened")
	}
}

// Who has the names only is told of as that, within a limited time.
func TestBlobsThatNobodyHas(t *testing.T) {
	from := newDrive(t, 10)
	d := openDrive(t, keys.Ref{Key: from.key}, DriveOptions{
		Store: newStore(t),
		Peers: []Dialer{from.peer(ServerOptions{Keys: []keys.Key{from.key}})},
		Wait:  100 * time.Millisecond,
	})
	plan, err := d.Plan(t.Context(), "/")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.FetchAll(t.Context(), plan); err == nil || plan.Missing == 0 {
		t.Errorf("all blobs came from a peer that has none: %+v, %v", plan, err)
	}
	item, err := d.Files().Get(t.Context(), "/dir 4/файл-4")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Content(t.Context(), item, &bytes.Buffer{}); !errors.Is(err, hyperdrive.ErrBehind) {
		t.Errorf("the content of a file: %v", err)
	}
}

// A core that is no drive is refused, and one that is missing.
func TestOpenDriveRefuses(t *testing.T) {
	core := newCore(t, 3)
	_, err := OpenDrive(t.Context(), keys.Ref{Key: core.key}, DriveOptions{Peers: []Dialer{over("log", core.serving(ServerOptions{}))}})
	if !errors.Is(err, hyperdrive.ErrNotDrive) || errors.Is(err, hyperbee.ErrCorrupt) {
		t.Errorf("a log: %v", err)
	}
	_, err = OpenDrive(t.Context(), keys.Ref{Key: keys.Key{1}}, DriveOptions{Peers: []Dialer{over("log", core.serving(ServerOptions{}))}})
	if !errors.Is(err, ErrNotOffered) {
		t.Errorf("a core that the peer does not have: %v", err)
	}
	_, err = OpenDrive(t.Context(), keys.Ref{Key: core.key}, DriveOptions{Peers: []Dialer{unreachable("nowhere")}})
	if !errors.Is(err, peer.ErrUnreachable) {
		t.Errorf("a peer that cannot be reached: %v", err)
	}
}

// A live drive goes over to what is imported later, soon.
func TestLiveDrive(t *testing.T) {
	noLeaks(t)
	from, into := newDrive(t, 20), newStore(t)
	d := openDrive(t, keys.Ref{Key: from.key}, DriveOptions{Store: into, Peers: []Dialer{from.peer(ServerOptions{})}, Live: true})
	for i := range 5 {
		from.files["/changed"] = fmt.Appendf(nil, "for the %d. time", i)
		from.importAll()
		began := time.Now()
		if err := d.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
		from.check(d.Files(), func(item hyperdrive.Item, w *bytes.Buffer) error { return d.Content(t.Context(), item, w) })
		if took := time.Since(began); took > waitLimit/3 {
			t.Errorf("version %d took %v", d.Files().Version(), took)
		}
	}
}
