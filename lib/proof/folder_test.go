package proof

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"hc/lib/hash"
	"hc/lib/hyperbee"
	"hc/lib/hyperdrive"
	"hc/lib/merkle"
)

func TestEveryPathAndTree(t *testing.T) {
	for _, group := range []int{1 << 20, 12, 1} {
		withGroups(t, group, 4096)
		d := sampleDrive(t)
		for name, content := range d.content {
			c := pathOf(name)
			stream := d.write(c, nil)
			g, sum, _ := d.read(stream, Options{Claim: &c, Key: ptr(d.names.Key())}, nil)
			if len(g.whole) != 1 || g.whole[name] != content || sum.Bytes != uint64(len(content)) || sum.Files != 1 {
				t.Errorf("%s: %q, %+v", name, g.whole, sum)
			}
			var out bytes.Buffer
			if _, err := Verify(t.Context(), bytes.NewReader(stream), Options{Claim: &c, Out: &out}, nil); err != nil || out.String() != content {
				t.Errorf("%s: %q, %v", name, out.String(), err)
			}
		}
		for _, folder := range []string{"/", "/data", "/data/raw", "/many"} {
			c := treeOf(folder)
			g, sum, _ := d.read(d.write(c, nil), Options{Claim: &c}, nil)
			want := maps.Clone(d.content)
			maps.DeleteFunc(want, func(name, _ string) bool { return !strings.HasPrefix(name, strings.TrimRight(folder, "/")+"/") })
			if !maps.Equal(g.whole, want) || sum.Files != uint64(len(want)) {
				t.Errorf("%s: %q, want %q", folder, g.whole, want)
			}
			if !slices.IsSorted(g.order) || (folder == "/") != (g.links["/link"] == "data/table.csv") || len(g.bad) > 0 {
				t.Errorf("%s: %q, links %q, refused %q", folder, g.order, g.links, g.bad)
			}
		}
	}
}

func TestWhatIsNoFile(t *testing.T) {
	d := sampleDrive(t)
	for _, c := range []struct {
		claim Claim
		is    error
		says  string
	}{
		{pathOf("/nothing"), ErrAbsent, `"/nothing"`},
		{pathOf("/a"), ErrAbsent, `"/a"`}, // before all
		{pathOf("/zz"), ErrAbsent, `"/zz"`},
		{pathOf("/man"), ErrAbsent, `"/man"`},
		{pathOf("/many/03"), ErrAbsent, "proved not to exist"},
		{pathOf("/many"), hyperdrive.ErrNotFile, `"/many" is a folder`},
		{pathOf("/data"), hyperdrive.ErrNotFile, `"/data" is a folder`},
		{pathOf("/link"), hyperdrive.ErrNotFile, `"/link" is a link to "data/table.csv"`},
		{treeOf("/nothing"), ErrAbsent, `folder "/nothing"`},
		{treeOf("/stock"), ErrAbsent, `folder "/stock"`},
		{treeOf("/zz"), ErrAbsent, `folder "/zz"`},
	} {
		stream := d.write(c.claim, c.is)
		g, _, err := d.read(stream, Options{Claim: &c.claim}, c.is)
		if !strings.Contains(err.Error(), c.says) || len(g.begun) > 0 {
			t.Errorf("%v: %v, %q", c.claim, err, g.begun)
		}
		for n := 0; n < len(stream); n += 19 * stride(7) {
			if _, err := Verify(t.Context(), bytes.NewReader(stream[:n]), Options{Claim: &c.claim}, nil); !errors.Is(err, ErrPartial) || errors.Is(err, c.is) {
				t.Fatalf("%v, cut at byte %d: %v", c.claim, n, err)
			}
		}
	}
}

func TestDrivesWithoutFiles(t *testing.T) {
	unsigned := newDrive(t)
	unsigned.names = newLog(t)
	c := treeOf("/")
	unsigned.read(unsigned.write(c, ErrPartial), Options{Claim: &c}, ErrPartial)

	header := newDrive(t)
	g, _, _ := header.read(header.write(c, nil), Options{Claim: &c}, nil)
	if len(g.order) > 0 {
		t.Errorf("an empty drive has %q", g.order)
	}
	p := pathOf("/a")
	header.read(header.write(p, ErrAbsent), Options{Claim: &p}, ErrAbsent)

	emptied := newDrive(t)
	emptied.put("/a")
	emptied.remove("/a")
	emptied.read(emptied.write(c, nil), Options{Claim: &c}, nil)
	f := treeOf("/b")
	emptied.read(emptied.write(f, ErrAbsent), Options{Claim: &f}, ErrAbsent)
}

// TestFolderVersions reads each version of the sample drive.
func TestFolderVersions(t *testing.T) {
	d := sampleDrive(t)
	for at := uint64(0); at <= d.names.length(); at++ {
		want := map[string]bool{}
		drive := hyperdrive.Open(d.names, at)
		if err := drive.List(t.Context(), "/", func(item hyperdrive.Item) error {
			want[item.Name] = true
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		c := Claim{Kind: KindTree, Path: "/", At: &at}
		stream := d.write(c, nil)
		g, sum, _ := d.read(stream, Options{Claim: &c, Fork: ptr(uint64(0))}, nil)
		if len(g.order) != len(want) || at > 0 && sum.TreeHash != merkle.TreeHash(d.names.rootsAt[at]) {
			t.Errorf("version %d: %q, want %v, tree hash %v", at, g.order, want, sum.TreeHash)
		}
		for _, name := range g.order {
			if !want[name] {
				t.Errorf("version %d has %s", at, name)
			}
		}
		bad := Options{Claim: &c, TreeHash: &hash.Digest{1}}
		if g, _, _ := d.read(stream, bad, ErrUnverified); len(g.begun) > 0 {
			t.Errorf("version %d of another tree hash: %v", at, g.begun)
		}
	}
	at := d.names.length() + 1
	c := Claim{Kind: KindTree, Path: "/", At: &at}
	d.read(d.write(c, ErrPartial), Options{Claim: &c}, ErrPartial)
	p := Claim{Kind: KindPath, Path: "/stock", At: &at}
	d.read(d.write(p, ErrPartial), Options{Claim: &p}, ErrPartial)
}

// TestTreeHashPinsContent: a citation says nothing about the blobs; the sha256 in a record does.
func TestTreeHashPinsContent(t *testing.T) {
	d := sampleDrive(t)
	at := d.names.length()
	tree := merkle.TreeHash(d.names.rootsAt[at])
	for name, want := range map[string]error{"/data/table.csv": nil, "/empty": nil, "/stock": ErrUnverified, "/mapped": ErrUnverified} {
		c := Claim{Kind: KindPath, Path: name, At: &at}
		stream := d.write(c, nil)
		g, _, err := d.read(stream, Options{Claim: &c, TreeHash: &tree}, want)
		if want != nil && (!strings.Contains(err.Error(), "no sha256") || g.begun[name].Len() > 0) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRandomDrives writes and reads trees of random drives in small groups: both sides agree on what is known before
// a group, wherever the last group was.
func TestRandomDrives(t *testing.T) {
	for seed := range uint64(6) {
		random := rand.New(rand.NewPCG(seed, 3))
		withGroups(t, 1+random.IntN(60), 1+random.IntN(6))
		d := newDrive(t)
		for range 30 + random.IntN(100) {
			name := fmt.Sprintf("/%c/%02d", 'a'+random.IntN(3), random.IntN(30))
			var blocks []string
			for range random.IntN(7) {
				blocks = append(blocks, strings.Repeat(string(rune('a'+random.IntN(26))), random.IntN(20)))
			}
			switch n := d.blobs.length(); {
			case n > 5 && random.IntN(4) == 0:
				d.mapped(name, random.Uint64N(n), random.Uint64N(n), random.Uint64N(n), random.Uint64N(n))
			default:
				d.put(name, blocks...)
			}
		}
		for _, c := range []Claim{treeOf("/"), treeOf("/b"), {Kind: KindTree, Path: "/", At: ptr(d.names.length() / 2)}} {
			g, _, _ := d.read(d.write(c, nil), Options{Claim: &c}, nil)
			for name, content := range g.whole {
				if c.At == nil && content != d.content[name] {
					t.Errorf("seed %d, %v: %s is %q, want %q", seed, c, name, content, d.content[name])
				}
			}
			if c.Path == "/" && c.At == nil && len(g.whole) != len(d.content) {
				t.Errorf("seed %d: %d files, want %d", seed, len(g.whole), len(d.content))
			}
		}
	}
}

// TestTreeIsCheap: a drive whose names were set in one batch, in order, costs about two nodes and one record for each
// file, however many there are.
func TestTreeIsCheap(t *testing.T) {
	d := newDrive(t)
	batch := hyperbee.NewBatch(d.names, d.names.length())
	const files = 3000
	for i := range files {
		blob := d.append("x")
		if err := batch.Put(t.Context(), hyperdrive.Key(fmt.Sprintf("/%05d", i)), hyperdrive.Entry{Blob: &blob}.Encode()); err != nil {
			t.Fatal(err)
		}
	}
	d.flush(batch)
	c := treeOf("/")
	stream := d.write(c, nil)
	_, sum, _ := d.read(stream, Options{Claim: &c}, nil)
	t.Logf("%d bytes, %d nodes, %d blocks", len(stream), sum.Nodes, sum.Blocks)
	if sum.Nodes > 5*files || sum.Blocks > 3*files || sum.Files != files {
		t.Errorf("%d nodes and %d blocks for %d files", sum.Nodes, sum.Blocks, sum.Files)
	}
}

// expecting is a source of names that implements Expecter.
type expecting struct {
	*testLog
	told map[uint64]bool
	late []uint64 // blocks that were read without a call of Expect
}

func (e *expecting) Expect(seqs []uint64) {
	for _, seq := range seqs {
		e.told[seq] = true
	}
}

func (e *expecting) Block(ctx context.Context, index uint64) ([]byte, error) {
	if !e.told[index] {
		e.late = append(e.late, index)
	}
	return e.testLog.Block(ctx, index)
}

// TestSourceIsTold: only the header and the root are read without a preceding Expect.
func TestSourceIsTold(t *testing.T) {
	d := sampleDrive(t)
	names := &expecting{testLog: d.names, told: map[uint64]bool{}}
	if err := Write(t.Context(), io.Discard, names, WriteOptions{Claim: treeOf("/"), Blobs: d.open}); err != nil {
		t.Fatal(err)
	}
	if want := []uint64{0, d.names.length() - 1}; !slices.Equal(names.late, want) {
		t.Errorf("read untold: %d, want %d", names.late, want)
	}
}
