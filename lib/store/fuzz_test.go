package store

import (
	"bytes"
	"math/rand/v2"
	"os"
	"regexp"
	"strings"
	"testing"

	"encoding/hex"

	"hc/lib/hash"
	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/store/packlog"
)

// sampleMetas returns records of every kind and shape, by kind.
func sampleMetas() map[packlog.Kind][][]byte {
	key := keys.Key{7, 7}
	leaf := hash.Leaf([]byte("x"))
	node := merkle.Node{Index: 4, Size: 300, Hash: leaf}
	hint := merkle.Node{Index: 9, Size: 1 << 40, Hash: leaf, Hint: true}
	head := Head{Fork: 1, Length: 3, ByteLength: 70000, TreeHash: leaf, Signature: []byte("signature")}
	runs := []runMeta{
		{codec: codecRaw, count: 1, raw: 5, lengths: []uint32{5}, leaves: []hash.Digest{leaf}},
		{codec: codecZstd, ordinal: 300, count: 3, raw: 1005, lengths: []uint32{5, 0, 1000}, leaves: []hash.Digest{leaf, leaf, leaf}},
		{codec: codecDelta, count: 1, raw: 0, base: leaf, lengths: []uint32{0}, leaves: []hash.Digest{leaf}},
		{short: true, codec: codecZstd, count: 2, raw: 9, lengths: []uint32{4, 5}},
		{short: true, lines: true, codec: codecRaw, count: 1000, raw: 70000},
	}
	spans := []spanMeta{
		{append: true, key: key, first: 5, parts: []spanPart{{first: 5, count: 3, run: 1, at: 2}, {first: 8, count: 1, byLeaf: []leafRef{{9, leaf}}}}, roots: []merkle.Node{node}},
		{key: key, first: 1000, parts: []spanPart{{first: 1000, count: 1, byLeaf: []leafRef{{0, leaf}}}, {first: 5000, count: 65535, run: 70000}}},
		{append: true, key: key, first: 5, parts: []spanPart{
			{first: 5, count: 2, passage: &passage{leaf, [checkSize]byte{1, 9}, 2}}, {first: 7, count: 1, byLeaf: []leafRef{{9, leaf}}},
			{first: 8, count: 3, run: 1, at: 2}, {first: 11, count: mostPassage, passage: &passage{leaf, [checkSize]byte{2}, mostPassage}},
		}, roots: []merkle.Node{node}},
	}
	metas := map[packlog.Kind][][]byte{
		packlog.KindNodes:    {encodeNodes(key, nil), encodeNodes(key, []merkle.Node{node, hint})},
		packlog.KindHead:     {encodeHead(key, Head{}), encodeHead(key, head)},
		packlog.KindCore:     {encodeCore(key, nil), encodeCore(key, []byte("manifest"))},
		packlog.KindTruncate: {truncateMeta{key: key, fork: 3}.encode(), truncateMeta{key: key, length: 1, roots: []merkle.Node{{Size: 4, Hash: leaf}}}.encode()},
		packlog.KindClear:    {clearMeta{key, 3, 900}.encode()},
		packlog.KindDrop:     {encodeDrop(key)},
		packlog.KindSeen:     {encodeSeen(key, head, false), encodeSeen(key, head, true)},
	}
	for _, m := range runs {
		metas[packlog.KindRun] = append(metas[packlog.KindRun], m.encode())
	}
	for _, m := range spans {
		metas[packlog.KindSpan] = append(metas[packlog.KindSpan], m.encode())
	}
	return metas
}

// encode writes an entry's meta again.
func (e *entry) encode() []byte {
	switch e.kind {
	case packlog.KindRun:
		return e.run.encode()
	case packlog.KindSpan:
		return e.span.encode()
	case packlog.KindNodes:
		return encodeNodes(e.key, e.nodes)
	case packlog.KindHead:
		return encodeHead(e.key, e.head)
	case packlog.KindCore:
		return encodeCore(e.key, e.manifest)
	case packlog.KindTruncate:
		return e.truncate.encode()
	case packlog.KindClear:
		return e.clear.encode()
	case packlog.KindDrop:
		return encodeDrop(e.key)
	}
	return encodeSeen(e.key, e.head, e.settled)
}

func TestMetasRoundTrip(t *testing.T) {
	metas := sampleMetas()
	if len(metas) != 9 {
		t.Fatalf("samples of %d kinds", len(metas))
	}
	for kind, list := range metas {
		for i, meta := range list {
			e, err := understand(packlog.Record{Kind: kind, Meta: meta})
			if err != nil {
				t.Fatalf("kind %d, sample %d: %v", kind, i, err)
			}
			if !bytes.Equal(e.encode(), meta) {
				t.Fatalf("kind %d, sample %d: %x came back as %x", kind, i, meta, e.encode())
			}
			for cut := range meta {
				if _, err := understand(packlog.Record{Kind: kind, Meta: meta[:cut]}); err == nil {
					t.Fatalf("kind %d, sample %d passes with %d of %d bytes", kind, i, cut, len(meta))
				}
			}
			if _, err := understand(packlog.Record{Kind: kind, Meta: append(bytes.Clone(meta), 0)}); err == nil {
				t.Fatalf("kind %d, sample %d passes with a byte behind it", kind, i)
			}
		}
	}
}

func FuzzMeta(f *testing.F) {
	for kind, list := range sampleMetas() {
		for _, meta := range list {
			f.Add(byte(kind), meta)
		}
	}
	f.Fuzz(func(t *testing.T, kind byte, meta []byte) {
		if len(meta) > packlog.MaxMeta {
			return
		}
		e, err := understand(packlog.Record{Kind: packlog.Kind(kind), Meta: meta})
		if err != nil {
			return
		}
		again, err := understand(packlog.Record{Kind: e.kind, Meta: e.encode()})
		if err != nil || !bytes.Equal(again.encode(), e.encode()) {
			t.Fatalf("%x does not come back: %v", meta, err)
		}
	})
}

func FuzzRun(f *testing.F) {
	data := bytes.Repeat([]byte("a line\n"), 300)
	f.Add((&runMeta{codec: codecRaw, short: true, lines: true, count: 300, raw: len(data)}).encode(), data, []byte(nil))
	f.Add((&runMeta{codec: codecZstd, short: true, lines: true, count: 300, raw: len(data)}).encode(), compress(nil, data, Thorough), []byte(nil))
	f.Add((&runMeta{codec: codecDelta, short: true, count: 1, raw: len(data)}).encode(), compress(nil, data, Thorough), data)
	f.Fuzz(func(t *testing.T, meta, payload, base []byte) {
		m, err := decodeRun(meta)
		if err != nil {
			return
		}
		raw, err := decompress(m, payload, base)
		if err != nil {
			return
		}
		ends, ok := m.split(raw)
		if ok && len(leavesOf(raw, ends)) != m.count {
			t.Fatal("a block is missing")
		}
	})
}

func sampleDerived() (*applied, *coreFile) {
	leaf := hash.Leaf([]byte("x"))
	at := packlog.Position{Pack: 3, Offset: 4096, ID: 77}
	a := &applied{
		position: at, next: 900,
		open:  []openAppend{{id: packlog.AppendID{1, 2}, first: at}},
		packs: []packlog.Position{at},
		index: []tableRef{{level: 1, number: 4, rows: 5, limit: noLimit}},
		cores: []coreRef{{keys.Key{1}, 5}, {keys.Key{2}, 6}},
	}
	head := Head{Length: 9, ByteLength: 400, TreeHash: leaf, Signature: []byte("s")}
	c := &coreFile{
		key: keys.Key{1}, manifest: []byte("m"), known: true, head: head,
		tree: []tableRef{{number: 7, limit: 15}}, runs: []tableRef{{level: 2, number: 8, limit: noLimit}},
		ranges: []blockRange{{0, 4}, {6, 9}}, rangesFile: 0, seen: []Head{head},
	}
	return a, c
}

func FuzzDerived(f *testing.F) {
	a, c := sampleDerived()
	f.Add(a.encode())
	f.Add(c.encode())
	f.Fuzz(func(t *testing.T, raw []byte) {
		// Checksums keep a fuzzer out, so both are tried with one that is right.
		sealed := seal(bytes.Clone(raw[:max(0, len(raw)-4)]))
		if a, err := decodeApplied(sealed); err == nil {
			if _, err := decodeApplied(a.encode()); err != nil {
				t.Fatal(err)
			}
		}
		if c, err := decodeCoreFile(sealed); err == nil {
			if _, err := decodeCoreFile(c.encode()); err != nil {
				t.Fatal(err)
			}
		}
		if a, err := decodeApplied(raw); err == nil && !bytes.Equal(a.encode(), raw) && len(raw) == len(a.encode()) {
			t.Logf("a second spelling of %x", raw)
		}
	})
}

func TestDerivedRoundTrip(t *testing.T) {
	a, c := sampleDerived()
	b, err := decodeApplied(a.encode())
	if err != nil || !bytes.Equal(b.encode(), a.encode()) {
		t.Fatalf("applied: %+v, %v", b, err)
	}
	d, err := decodeCoreFile(c.encode())
	if err != nil || !bytes.Equal(d.encode(), c.encode()) {
		t.Fatalf("core: %+v, %v", d, err)
	}
	for _, raw := range [][]byte{a.encode(), c.encode()} {
		for i := range raw {
			raw[i] ^= 1
			if _, err := decodeApplied(raw); err == nil {
				t.Fatalf("applied passes with byte %d changed", i)
			}
			if _, err := decodeCoreFile(raw); err == nil {
				t.Fatalf("core passes with byte %d changed", i)
			}
			raw[i] ^= 1
		}
	}
}

// formatExample returns the bytes of the example in FORMAT.md that begins with a text.
func formatExample(t *testing.T, title string) (raw []byte) {
	t.Helper()
	text, err := os.ReadFile("FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, ok := strings.Cut(string(text), title)
	if !ok {
		t.Fatalf("FORMAT.md has no example %q", title)
	}
	example, _, _ = strings.Cut(example, "\n##")
	for _, line := range regexp.MustCompile(`(?m)^    ([0-9a-f ]+?)  `).FindAllStringSubmatch(example, -1) {
		b, err := hex.DecodeString(strings.ReplaceAll(line[1], " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		raw = append(raw, b...)
	}
	return raw
}

// TestFormatExamples decodes the examples in FORMAT.md.
func TestFormatExamples(t *testing.T) {
	key, head, err := decodeHead(formatExample(t, "An example, the head record's meta"))
	if err != nil || key[0] != 0x11 || head.Length != 3 || head.ByteLength != 30 || head.TreeHash[31] != 0x22 || !bytes.Equal(head.Signature, []byte{0xa1, 0xa2, 0xa3, 0xa4}) {
		t.Fatalf("the head is %v %+v, %v", key, head, err)
	}
	span, err := decodeSpan(formatExample(t, "An example, the meta of a span"))
	if err != nil || !span.append || span.key[0] != 0x11 || len(span.parts) != 3 || len(span.roots) != 2 || span.roots[1].Index != 8 {
		t.Fatalf("the span is %+v, %v", span, err)
	}
	x := span.parts[2]
	if x.first != 2 || x.count != 3 || x.passage == nil || x.passage.leaf[31] != 0x33 || x.passage.check[15] != 0x44 {
		t.Fatalf("the passage is %+v", x)
	}
	if y := span.parts[0]; len(y.byLeaf) != 1 || y.byLeaf[0].size != 4 || !span.parts[1].inRun() {
		t.Fatalf("the other parts are %+v", span.parts[:2])
	}
}

// TestPassagesRefused has metas that break a rule about passages.
func TestPassagesRefused(t *testing.T) {
	leaf := hash.Leaf([]byte("x"))
	with := func(count uint64) []byte {
		m := spanMeta{append: true, parts: []spanPart{{count: count, passage: &passage{leaf: leaf, count: count}}}}
		return m.encode()
	}
	if _, err := decodeSpan(with(2)); err != nil {
		t.Fatal(err)
	}
	none := (&spanMeta{append: true, parts: []spanPart{{count: 4, run: 1}}}).encode()
	none[0] |= spanPassages
	kind3 := with(2)
	kind3[1+32+2+1] = 4*2 + 3
	scattered := with(2)
	scattered[0] &^= spanAppend
	for name, meta := range map[string][]byte{
		"one block": with(1), "too many": with(mostPassage + 1), "a kind that is not there": kind3, "none": none, "not appended": scattered,
	} {
		if _, err := decodeSpan(meta); err == nil {
			t.Errorf("%s: it passes", name)
		}
	}
}

func TestPostOrder(t *testing.T) {
	for number, index := range []uint64{0, 2, 1, 4, 6, 5, 3, 8, 10, 9, 12, 14, 13, 11, 7, 16} {
		if got := postOrder(index); got != uint64(number) {
			t.Errorf("postOrder(%d) = %d, want %d", index, got, number)
		}
	}
	roots, _ := merkle.NewRoots(0, nil)
	next := uint64(0)
	check := func(n merkle.Node) {
		if got := postOrder(n.Index); got != next {
			t.Fatalf("postOrder(%d) = %d, want %d", n.Index, got, next)
		}
		next++
	}
	for block := range uint64(1000) {
		leaf := merkle.LeafNode(block, nil)
		check(leaf)
		roots.Append(leaf, check)
		if got := postOrderOf(block + 1); got != next {
			t.Fatalf("postOrderOf(%d) = %d, want %d", block+1, got, next)
		}
	}
}

// TestRowSet compares the rows of a set with an array of blocks.
func TestRowSet(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	for range 300 {
		var set rowSet
		var plain [64]uint32 // which addition says something of a block, plus 1
		for n := range uint32(12) {
			var rows []row
			for at := uint64(r.IntN(40)); at < 60 && len(rows) < 4; {
				count := 1 + r.Uint64N(4)
				rows = append(rows, row{first: at, count: count, kind: rowPlaced, place: place{at: n*1000 + uint32(at)}})
				for b := at; b < at+count; b++ {
					plain[b] = n*1000 + uint32(b) + 1
				}
				at += count + r.Uint64N(5)
			}
			set.add(rows)
			if r.IntN(8) == 0 {
				length := r.Uint64N(64)
				set.cut(length)
				clear(plain[length:])
			}
			for b := range uint64(64) {
				got, ok := set.at(b)
				want := plain[b]
				if ok != (want > 0) || ok && got.part(b, b+1).place.at+1 != want {
					t.Fatalf("block %d is %+v, %v, want %d", b, got, ok, want)
				}
			}
			for i := 1; i < len(set.rows); i++ {
				if set.rows[i-1].end() > set.rows[i].first {
					t.Fatalf("rows overlap: %+v", set.rows)
				}
			}
		}
	}
}
