package replicate

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"hc/lib/hyperbee"
	"hc/lib/hypercore"
	"hc/lib/hyperdrive"
	"hc/lib/keys"
	"hc/lib/proof"
)

// craftedDrive is a drive whose entries say what its writer likes.
type craftedDrive struct{ *testDrive }

func craftDrive(t *testing.T, entries map[string]hyperdrive.Entry, blobs ...[]byte) *craftedDrive {
	t.Helper()
	d := &craftedDrive{&testDrive{testCore: &testCore{t: t, store: newStore(t)}}}
	d.appendBlobs(blobs...)
	batch := hyperbee.NewBatch(nil, 1)
	for name, entry := range entries {
		if err := batch.Put(t.Context(), hyperdrive.Key(name), entry.Encode()); err != nil {
			t.Fatal(err)
		}
	}
	blocks, err := batch.Flush(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	d.append(blocks...)
	return d
}

// appendBlobs appends to the blobs, whatever the names say.
func (d *craftedDrive) appendBlobs(blocks ...[]byte) {
	d.t.Helper()
	try := func(err error) {
		d.t.Helper()
		if err != nil {
			d.t.Fatal(err)
		}
	}
	names, err := hypercore.OpenWriter(d.t.Context(), d.store, "log", hypercore.AppendOptions{Drive: true})
	try(err)
	manifest, key, err := hyperdrive.BlobsManifest(names.Key(), names.Manifest())
	try(err)
	blobs, err := names.OpenCompanion(d.t.Context(), key, manifest)
	try(err)
	try(blobs.Append(d.t.Context(), blocks...))
	_, err = blobs.Commit(d.t.Context())
	try(err)
	if names.Length() > 0 {
		names.Abort()
		return
	}
	try(names.Append(d.t.Context(), hyperbee.Header())) // keeps the key
	_, err = names.Commit(d.t.Context())
	try(err)
}

func plainFile(first, count, offset, bytes uint64) hyperdrive.Entry {
	return hyperdrive.Entry{Blob: &hyperdrive.Blob{BlockOffset: first, BlockLength: count, ByteOffset: offset, ByteLength: bytes}}
}

// What an entry says of blobs is not believed; it costs neither memory nor time without end, and other files are read.
func TestHostileEntries(t *testing.T) {
	noLeaks(t)
	wrong := hyperdrive.Meta{SHA256: &[32]byte{1}}.Encode()
	mapped := func(first, bytes uint64) hyperdrive.Entry {
		entry := plainFile(first, 1, 10, bytes)
		entry.Blob.Map = true
		return entry
	}
	entries := map[string]hyperdrive.Entry{
		"/good":           plainFile(0, 2, 0, 10),
		"/beyond":         plainFile(1, 5, 5, 25),
		"/far beyond":     plainFile(1<<52, 1<<52, 0, 1<<53-1),
		"/offset":         plainFile(1, 1, 4, 5),
		"/fewer":          plainFile(0, 2, 0, 11),
		"/more":           plainFile(0, 2, 0, 9),
		"/sha256":         {Blob: plainFile(0, 2, 0, 10).Blob, Metadata: wrong},
		"/map beyond":     mapped(2, 4),
		"/map of a block": {Blob: &hyperdrive.Blob{BlockLength: 1, ByteLength: 5, Map: true}},
	}
	from := craftDrive(t, entries, []byte("hello"), []byte("world"), []byte{0, 1, 9, 1})
	want := map[string]error{
		"/good": nil, "/beyond": hyperdrive.ErrBehind, "/far beyond": hyperdrive.ErrBehind,
	}
	options := DriveOptions{Store: newStore(t), Peers: []Dialer{from.peer(ServerOptions{})}, Wait: 50 * time.Millisecond}
	d := openDrive(t, keys.Ref{Key: from.key}, options)
	for name := range entries {
		is, ok := want[name]
		if !ok {
			is = hyperdrive.ErrContent
		}
		item, err := d.Files().Get(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := d.Content(t.Context(), item, &out); !errors.Is(err, is) || out.Len() > 10 {
			t.Errorf("%s: %d bytes, %v, want %v", name, out.Len(), err, is)
		}
	}
	plan, err := d.Plan(t.Context(), "/")
	if err != nil || plan.Refused != 2 {
		t.Errorf("the plan is %+v, %v, want both maps refused", plan, err)
	}
	if err := d.FetchAll(t.Context(), plan); !errors.Is(err, proof.ErrPartial) || !errors.Is(err, hyperdrive.ErrBehind) {
		t.Errorf("fetching all: %v", err)
	}
}

// A proof of what nobody has yet waits, but not for ever, and says that it is not all.
func TestPipeOfBlobsThatAreBehind(t *testing.T) {
	from := craftDrive(t, map[string]hyperdrive.Entry{"/early": plainFile(0, 1, 0, 5), "/late": plainFile(1, 1, 5, 5)}, []byte("early"))
	write := func(path string, wait time.Duration) (string, error) {
		var b, out bytes.Buffer
		claim := proof.Claim{Kind: proof.KindPath, Path: path}
		options := PipeOptions{Store: newStore(t), Peers: []Dialer{from.peer(ServerOptions{})}, Claim: claim, Wait: wait}
		err := WriteProof(t.Context(), &b, keys.Ref{Key: from.key}, options)
		if err == nil {
			_, err = proof.Verify(t.Context(), &b, proof.Options{Key: &from.key, Claim: &claim, Out: &out}, nil)
		}
		return out.String(), err
	}
	if got, err := write("/early", waitLimit); got != "early" || err != nil {
		t.Errorf("what is there: %q, %v", got, err)
	}
	began := time.Now()
	if got, err := write("/late", 50*time.Millisecond); !errors.Is(err, hyperdrive.ErrBehind) && !errors.Is(err, proof.ErrPartial) || got != "" {
		t.Errorf("what is not there: %q, %v", got, err)
	}
	if took := time.Since(began); took > waitLimit {
		t.Errorf("it took %v to see that it is not there", took)
	}
	var appending sync.WaitGroup
	appending.Go(func() { from.appendBlobs([]byte("late!")) })
	if got, err := write("/late", waitLimit); got != "late!" || err != nil {
		t.Errorf("what came later: %q, %v", got, err)
	}
	appending.Wait()
}

// Names that no one should write to a disk are counted, and what they point to is not fetched.
func TestHostileNames(t *testing.T) {
	entries := map[string]hyperdrive.Entry{"/good": plainFile(0, 1, 0, 5)}
	for i, name := range []string{"/../up", "/a/./b", "//x", "/dir/", "/.hc/keys/x", "/nul\x00"} {
		entries[name] = plainFile(1+uint64(i), 1, 5, 5)
	}
	from := craftDrive(t, entries, []byte("good!"), []byte("other"), []byte("files"))
	d := openDrive(t, keys.Ref{Key: from.key}, DriveOptions{Store: newStore(t), Peers: []Dialer{from.peer(ServerOptions{})}})
	plan, err := d.Plan(t.Context(), "/")
	if err != nil || plan.Files != 1 || plan.Refused != len(entries)-1 || plan.Blocks != 1 {
		t.Errorf("the plan is %+v, %v", plan, err)
	}
}

// A map that lists the same blocks over and over costs as much memory as these.
func TestPlanOfWhatIsListedOverAndOver(t *testing.T) {
	plan, most := DrivePlan{}, 0
	for i := range uint64(10 * mostApart) {
		plan.addRun(2*(i%1000), 1)
		most = max(most, len(plan.runs))
	}
	plan.joinRuns()
	if most > 2*mostApart || len(plan.runs) != 1000 || plan.most != 1999 {
		t.Errorf("%d runs at most, in the end %d up to %d, want 1000 up to 1999", most, len(plan.runs), plan.most)
	}
	apart := DrivePlan{}
	for i := range uint64(3 * mostApart) {
		apart.addRun(2*(3*mostApart-i), 1)
	}
	apart.joinRuns()
	if len(apart.runs) != 3*mostApart || apart.runs[0].First != 2 {
		t.Errorf("of %d runs that are apart there are %d", 3*mostApart, len(apart.runs))
	}
}

// That the peers are lost is told as such, not as blobs that nobody has.
func TestDriveWhosePeersAreLost(t *testing.T) {
	noLeaks(t)
	from := craftDrive(t, map[string]hyperdrive.Entry{"/late": plainFile(1, 1, 5, 5)}, []byte("early"))
	conn := from.serving(ServerOptions{})
	d, err := OpenDrive(t.Context(), keys.Ref{Key: from.key}, DriveOptions{Store: newStore(t), Peers: []Dialer{over("lost", conn)}})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	item, err := d.Files().Get(t.Context(), "/late")
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if err := d.Content(t.Context(), item, &bytes.Buffer{}); !errors.Is(err, ErrLost) {
		t.Errorf("the content: %v", err)
	}
	plan, err := d.Plan(t.Context(), "/")
	if err == nil {
		err = d.FetchAll(t.Context(), plan)
	}
	if !errors.Is(err, ErrLost) {
		t.Errorf("fetching all: %v", err)
	}
}

// However many files of a version are beyond the blobs that peers have, they are waited for once.
func TestWaitsOnceForBlobsThatAreBehind(t *testing.T) {
	entries := map[string]hyperdrive.Entry{"/early": plainFile(0, 1, 0, 5)}
	for i := range uint64(200) {
		entries[fmt.Sprintf("/late%d", i)] = plainFile(1+i, 1, 5, 5)
	}
	from := craftDrive(t, entries, []byte("early"))
	d := openDrive(t, keys.Ref{Key: from.key}, DriveOptions{Store: newStore(t), Peers: []Dialer{from.peer(ServerOptions{})}, Wait: time.Second})
	began := time.Now()
	for name := range entries {
		item, err := d.Files().Get(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Soon(t.Context(), []hyperdrive.Item{item}); errors.Is(err, hyperdrive.ErrBehind) != (name != "/early") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if took := time.Since(began); took > waitLimit/2 {
		t.Errorf("it took %v", took)
	}
}

// Blobs that were waited for and came were not waited for in vain: what else of the version is behind gets as long again.
func TestWaitsAnewBehindBlobsThatCame(t *testing.T) {
	from := craftDrive(t, map[string]hyperdrive.Entry{"/early": plainFile(0, 1, 0, 5), "/late": plainFile(1, 1, 5, 4)}, []byte("early"))
	d := openDrive(t, keys.Ref{Key: from.key}, DriveOptions{Store: newStore(t), Peers: []Dialer{from.peer(ServerOptions{})}, Wait: waitLimit})
	waits := func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		return !d.waiting.IsZero()
	}
	item, err := d.Files().Get(t.Context(), "/late")
	if err != nil {
		t.Fatal(err)
	}
	asked := make(chan error, 1)
	go func() {
		_, err := d.Soon(t.Context(), []hyperdrive.Item{item})
		asked <- err
	}()
	eventually(t, waits)
	from.appendBlobs([]byte("late"))
	if err := <-asked; err != nil || waits() {
		t.Errorf("%v, and it goes on being waited: %v", err, waits())
	}
}
