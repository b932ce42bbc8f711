package proof

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"hc/lib/hyperbee"
	"hc/lib/hyperdrive"
	"hc/lib/keys"
	"hc/lib/merkle"
)

// testDrive is a drive in memory: the logs of its names and of its blobs.
type testDrive struct {
	t            testing.TB
	names, blobs *testLog
	content      map[string]string // files of the newest version
}

func newDrive(t testing.TB) *testDrive {
	t.Helper()
	return newDriveOf(t, newLog(t))
}

func newDriveOf(t testing.TB, names *testLog) *testDrive {
	t.Helper()
	manifest, key, err := hyperdrive.BlobsManifest(names.Key(), names.Manifest())
	if err != nil {
		t.Fatal(err)
	}
	d := &testDrive{t: t, names: names, content: map[string]string{}}
	d.blobs = newLogOf(t, names.secret, key, manifest)
	d.names.append(hyperbee.Header())
	return d
}

// set puts a record into the names.
func (d *testDrive) set(key string, value []byte) {
	d.t.Helper()
	batch := hyperbee.NewBatch(d.names, d.names.length())
	if err := batch.Put(d.t.Context(), []byte(key), value); err != nil {
		d.t.Fatal(err)
	}
	d.flush(batch)
}

func (d *testDrive) flush(batch *hyperbee.Batch) {
	d.t.Helper()
	blocks, err := batch.Flush(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	d.names.append(blocks...)
}

func (d *testDrive) remove(name string) {
	d.t.Helper()
	batch := hyperbee.NewBatch(d.names, d.names.length())
	if found, err := batch.Delete(d.t.Context(), hyperdrive.Key(name)); err != nil || !found {
		d.t.Fatal(name, found, err)
	}
	d.flush(batch)
	delete(d.content, name)
}

// append puts blocks into the blobs.
func (d *testDrive) append(blocks ...string) hyperdrive.Blob {
	blob := hyperdrive.Blob{BlockOffset: d.blobs.length(), ByteOffset: merkle.ByteLength(d.blobs.roots.Nodes())}
	for _, b := range blocks {
		d.blobs.append([]byte(b))
		blob.BlockLength++
		blob.ByteLength += uint64(len(b))
	}
	return blob
}

// put makes a file of these blocks, with its sha256.
func (d *testDrive) put(name string, blocks ...string) {
	d.t.Helper()
	content := strings.Join(blocks, "")
	sum := sha256.Sum256([]byte(content))
	blob := d.append(blocks...)
	meta := hyperdrive.Meta{Mode: 0o644, HasMode: true, SHA256: &sum}
	d.entry(name, hyperdrive.Entry{Blob: &blob, Metadata: meta.Encode()})
	d.content[name] = content
}

// stock makes a file as stock does, with no record of its sha256.
func (d *testDrive) stock(name string, blocks ...string) {
	d.t.Helper()
	blob := d.append(blocks...)
	d.entry(name, hyperdrive.Entry{Blob: &blob})
	d.content[name] = strings.Join(blocks, "")
}

func (d *testDrive) entry(name string, e hyperdrive.Entry) {
	d.t.Helper()
	d.set(string(hyperdrive.Key(name)), e.Encode())
}

func (d *testDrive) link(name, target string) {
	d.t.Helper()
	d.entry(name, hyperdrive.Entry{Link: &target})
}

// mapped makes a file of existing blocks.
func (d *testDrive) mapped(name string, blocks ...uint64) {
	d.t.Helper()
	var pieces []hyperdrive.Piece
	var content []byte
	for _, b := range blocks {
		pieces = append(pieces, hyperdrive.Piece{Block: b, Length: uint64(len(d.blobs.blocks[b]))})
		content = append(content, d.blobs.blocks[b]...)
	}
	d.mapOf(name, pieces)
	d.content[name] = string(content)
}

func (d *testDrive) mapOf(name string, pieces []hyperdrive.Piece) {
	d.t.Helper()
	var blocks []string
	for some := range slices.Chunk(pieces, 8192) {
		blocks = append(blocks, string(hyperdrive.EncodeMapBlock(some)))
	}
	blob := d.append(blocks...)
	blob.Map = true
	d.entry(name, hyperdrive.Entry{Blob: &blob})
}

func (d *testDrive) open(_ context.Context, key keys.Key) (Source, error) {
	if key != d.blobs.Key() {
		return nil, fmt.Errorf("core %v was asked for", key)
	}
	return d.blobs, nil
}

// write writes a stream and expects the error want.
func (d *testDrive) write(claim Claim, want error) []byte {
	d.t.Helper()
	var b bytes.Buffer
	if err := Write(d.t.Context(), &b, d.names, WriteOptions{Claim: claim, Blobs: d.open}); !errors.Is(err, want) {
		d.t.Fatalf("Write(%v) = %v, want %v", claim, err, want)
	}
	return b.Bytes()
}

// gathered is everything that a FolderSink received.
type gathered struct {
	begun map[string]*strings.Builder
	whole map[string]string // whose content is verified
	links map[string]string
	bad   []error
	order []string
}

func newGathered() *gathered {
	return &gathered{begun: map[string]*strings.Builder{}, whole: map[string]string{}, links: map[string]string{}}
}

type gatheredFile struct {
	*strings.Builder
	of   *gathered
	name string
}

func (f gatheredFile) Close() error {
	f.of.whole[f.name] = f.String()
	return nil
}

func (g *gathered) File(item hyperdrive.Item) (io.WriteCloser, error) {
	g.order = append(g.order, item.Name)
	g.begun[item.Name] = &strings.Builder{}
	return gatheredFile{g.begun[item.Name], g, item.Name}, nil
}

func (g *gathered) Link(item hyperdrive.Item) error {
	g.order = append(g.order, item.Name)
	g.links[item.Name] = *item.Entry.Link
	return nil
}

func (g *gathered) Refused(item hyperdrive.Item) error {
	g.bad = append(g.bad, item.Err)
	return nil
}

// read verifies a stream and expects the error want.
func (d *testDrive) read(stream []byte, opt Options, want error) (*gathered, Summary, error) {
	d.t.Helper()
	g := newGathered()
	opt.Files = g
	sum, err := Verify(d.t.Context(), bytes.NewReader(stream), opt, nil)
	if !errors.Is(err, want) {
		d.t.Fatalf("Verify(%v) = %v, want %v\n%s", opt.Claim, err, want, abridge(stream))
	}
	return g, sum, err
}

// sampleDrive has a file of every kind, and a tree of names of two levels.
func sampleDrive(t testing.TB) *testDrive {
	d := newDrive(t)
	d.put("/data/table.csv", "name,quantity\n", "nuts,3\n")
	d.put("/data/raw/one", "some bytes", "and more", "and an end")
	d.put("/empty")
	d.stock("/stock", "a file", " as stock has it")
	d.link("/link", "data/table.csv")
	for i := range 12 {
		d.put(fmt.Sprintf("/many/%02d", i), fmt.Sprintf("file %d", i))
	}
	d.mapped("/mapped", 3, 4, 0, 1, 3)
	d.remove("/many/03")
	d.put("/many/04", "file 4 again")
	return d
}

func treeOf(path string) Claim { return Claim{Kind: KindTree, Path: path} }
func pathOf(path string) Claim { return Claim{Kind: KindPath, Path: path} }
