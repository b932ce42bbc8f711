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
		{pathOf("/many/03"), ErrAbsent, "proved not to be there"},
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
		for n := 0; n < len(stream); n += 19 {
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

// TestFolderVersions reads each version that the sample drive went through.
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

// TestTreeHashPinsContent: a citation says nothing of the blobs; it is the sha256 of a record that does.
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

// folderSample is a stream of a drive with what it proves.
type folderSample struct {
	d      *testDrive
	claim  Claim
	stream []byte
	files  map[string]string
}

func folderSamples(t testing.TB) []folderSample {
	withGroups(t, 12, 4)
	d := newDrive(t)
	d.put("/data/one", "some bytes", "and more", "and an end")
	d.put("/data/two", "two\n", "lines\n")
	d.mapped("/mapped", 1, 2, 0)
	d.put("/data/two", "again\n")
	var list []folderSample
	for _, c := range []Claim{pathOf("/data/one"), pathOf("/mapped"), treeOf("/data"), {Kind: KindTree, Path: "/", At: ptr(uint64(4))}} {
		s := folderSample{d: d, claim: c, stream: d.write(c, nil)}
		g, _, _ := d.read(s.stream, Options{Claim: &c}, nil)
		s.files = g.whole
		if len(g.whole) == 0 {
			t.Fatalf("%v: nothing", c)
		}
		list = append(list, s)
	}
	return list
}

// refuse expects that a changed stream fails, and that nothing comes out but what was proved before.
func (s folderSample) refuse(t *testing.T, what string, stream []byte) error {
	t.Helper()
	g := gather()
	opt := Options{Claim: &s.claim, Key: ptr(s.d.names.Key()), Files: g}
	_, err := Verify(t.Context(), bytes.NewReader(stream), opt, nil)
	if !errors.Is(err, ErrUnverified) && !errors.Is(err, ErrPartial) && !errors.Is(err, ErrConflict) {
		t.Fatalf("%v: %s: %v", s.claim, what, err)
	}
	for name, content := range g.begun {
		if want, ok := s.files[name]; !ok || !strings.HasPrefix(want, content.String()) {
			t.Fatalf("%v: %s: %s came out as %q", s.claim, what, name, content)
		}
	}
	for name, content := range g.whole {
		if content != s.files[name] {
			t.Fatalf("%v: %s: %s was called whole with %q", s.claim, what, name, content)
		}
	}
	return err
}

func TestFolderEveryTruncation(t *testing.T) {
	for _, s := range folderSamples(t) {
		for n := range s.stream {
			if err := s.refuse(t, fmt.Sprintf("cut at %d", n), s.stream[:n]); !errors.Is(err, ErrPartial) {
				t.Errorf("%v, cut at byte %d of %d: %v, want ErrPartial", s.claim, n, len(s.stream), err)
			}
		}
	}
}

func TestFolderEveryFlippedBit(t *testing.T) {
	for i, s := range folderSamples(t) {
		every := 1 + i%2*10 // the samples are alike
		if raceEnabled {
			every = 97
		}
		for turn := 0; turn < 8*len(s.stream); turn += every {
			i, bit := turn/8, turn%8
			s.stream[i] ^= 1 << bit
			s.refuse(t, fmt.Sprintf("byte %d, bit %d flipped", i, bit), s.stream)
			s.stream[i] ^= 1 << bit
		}
	}
}

func TestFolderEveryFrameMoved(t *testing.T) {
	for _, s := range folderSamples(t) {
		frames := parse(t, s.stream)
		for i := range frames {
			s.refuse(t, fmt.Sprintf("without %q", frames[i].line), unparse(slices.Delete(slices.Clone(frames), i, i+1)))
			for j := range i {
				if frames[i].line != frames[j].line {
					moved := slices.Clone(frames)
					moved[i], moved[j] = moved[j], moved[i]
					s.refuse(t, fmt.Sprintf("%q and %q swapped", frames[j].line, frames[i].line), unparse(moved))
				}
				again := slices.Insert(slices.Clone(frames), i, frames[j])
				s.refuse(t, fmt.Sprintf("%q again before %q", frames[j].line, frames[i].line), unparse(again))
			}
		}
		s.refuse(t, "one byte more", append(bytes.Clone(s.stream), '\n'))
	}
}

// TestHostileDrives: what was signed is no drive, or not the content that its records say.
func TestHostileDrives(t *testing.T) {
	key := func(name string) string { return string(hyperdrive.Key(name)) }
	wrong := func(change func(*hyperdrive.Blob)) func(*testDrive) {
		return func(d *testDrive) {
			blob := d.append("some ", "bytes")
			d.append("of another file")
			change(&blob)
			d.entry("/f", hyperdrive.Entry{Blob: &blob})
		}
	}
	for name, c := range map[string]struct {
		make func(d *testDrive)
		is   error
		says string
	}{
		"another offset":   {wrong(func(b *hyperdrive.Blob) { b.ByteOffset++ }), ErrUnverified, "begins at byte"},
		"too few bytes":    {wrong(func(b *hyperdrive.Blob) { b.ByteLength++ }), ErrUnverified, "bytes, the entry says"},
		"too many bytes":   {wrong(func(b *hyperdrive.Blob) { b.ByteLength-- }), ErrUnverified, "more than the"},
		"one block more":   {wrong(func(b *hyperdrive.Blob) { b.BlockLength++ }), ErrUnverified, "more than the"},
		"no map":           {wrong(func(b *hyperdrive.Blob) { b.Map = true }), ErrUnverified, "map"},
		"beyond the end":   {wrong(func(b *hyperdrive.Blob) { b.BlockLength = 4 }), ErrPartial, "not available"},
		"far beyond":       {wrong(func(b *hyperdrive.Blob) { b.BlockOffset = 1 << 50 }), ErrPartial, "not available"},
		"a map of 2^53":    {wrong(func(b *hyperdrive.Blob) { b.Map, b.BlockLength = true, 1<<53-1 }), ErrUnverified, "over the limit"},
		"a piece too long": {func(d *testDrive) { d.append("x"); d.mapOf("/f", []hyperdrive.Piece{{Block: 0, Length: 2}}) }, ErrUnverified, "map says 2"},
		"another sha256": {func(d *testDrive) {
			blob := d.append("some bytes")
			meta := hyperdrive.Meta{SHA256: &[32]byte{1}}
			d.entry("/f", hyperdrive.Entry{Blob: &blob, Metadata: meta.Encode()})
		}, ErrUnverified, "sha256"},
		"a record that is none": {func(d *testDrive) { d.set(key("/f"), []byte("7")) }, ErrUnverified, "malformed entry"},
		"a record of nothing":   {func(d *testDrive) { d.entry("/f", hyperdrive.Entry{}) }, ErrUnverified, "neither a file nor a link"},
		"a root that is its child": {func(d *testDrive) {
			d.names.append([]byte("\x0a\x0b\x0a\x09\x0a\x01\x01\x12\x04\x01\x00\x01\x00\x12\x01k"))
		}, ErrUnverified, "out of order"},
		"a block that is none": {func(d *testDrive) { d.names.append([]byte("block")) }, ErrUnverified, "not a tree of names"},
		"another header":       {func(d *testDrive) { d.names = newLog(t, []byte("a header"), []byte("a block")) }, ErrUnverified, "header"},
	} {
		d := newDrive(t)
		c.make(d)
		claim := pathOf("/f")
		var b bytes.Buffer
		// Of what is wrong with the content, the writer sees a part.
		writeErr := Write(t.Context(), &b, d.names, WriteOptions{Claim: claim, Blobs: d.open})
		if writeErr != nil && !errors.Is(writeErr, c.is) {
			t.Errorf("%s: write: %v", name, writeErr)
		}
		want := c.is
		if name == "a map of 2^53" { // nothing comes that would show it
			want = ErrPartial
		}
		g, _, err := d.read(b.Bytes(), Options{Claim: &claim}, want)
		if writeErr == nil && !strings.Contains(err.Error(), c.says) || writeErr != nil && !strings.Contains(writeErr.Error(), c.says) {
			t.Errorf("%s: %v; write: %v", name, err, writeErr)
		}
		if len(g.whole) > 0 {
			t.Errorf("%s: %q is whole", name, g.whole)
		}
	}
}

var badNames = []string{"/../evil", "/a/../../evil", "/nul\x00byte", "/dir/", "//double", "/./dot", "/.hc/names", "/"}

// hostileNames is a drive of names that no disk may have, beside good ones that lie below a link and a file.
func hostileNames(t testing.TB) *testDrive {
	d := newDrive(t)
	d.put("/good", "good")
	for _, name := range badNames {
		d.put(name, "evil of "+name)
	}
	d.link("/../link", "/etc")
	d.set(string(hyperdrive.Key("/malformed")), []byte("{"))
	d.set("files\x00noslash", []byte("null"))
	d.set("other\x00/key", []byte("{}"))
	d.link("/out", "../..")
	d.put("/out/file", "below a link")
	d.put("/good/file", "below a file")
	return d
}

// TestHostileNames: names that no disk may have are refused by name, and the others come.
func TestHostileNames(t *testing.T) {
	d := hostileNames(t)
	c := treeOf("/")
	g, _, _ := d.read(d.write(c, nil), Options{Claim: &c}, nil)
	want := map[string]string{"/good": "good", "/out/file": "below a link", "/good/file": "below a file"}
	if !maps.Equal(g.whole, want) || len(g.links) != 1 || len(g.bad) != len(badNames)+2 {
		t.Errorf("files %q, links %q, refused %d: %q", g.whole, g.links, len(g.bad), g.bad)
	}
	for _, err := range g.bad {
		if !errors.Is(err, hyperdrive.ErrName) && !errors.Is(err, hyperdrive.ErrEntry) {
			t.Error(err)
		}
	}
}

// TestRandomDrives writes and reads trees of random drives in small groups: what is known before a group is worked out
// alike on both sides, wherever the last group was.
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

// TestTreeIsCheap: a drive whose names were set in one batch, in their order, costs about two nodes and one record for each
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

// expecting is a source of names that wants to know what comes.
type expecting struct {
	*testLog
	told map[uint64]bool
	late []uint64 // blocks that were read untold
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

// TestSourceIsTold: only the header and the root are read without a word before.
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
