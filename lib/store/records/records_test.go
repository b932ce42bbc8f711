package records

import (
	"bytes"
	"encoding/hex"
	"os"
	"regexp"
	"strings"
	"testing"

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
	runs := []Run{
		{Codec: CodecRaw, Count: 1, Raw: 5, Lengths: []uint32{5}, Leaves: []hash.Digest{leaf}},
		{Codec: CodecZstd, Ordinal: 300, Count: 3, Raw: 1005, Lengths: []uint32{5, 0, 1000}, Leaves: []hash.Digest{leaf, leaf, leaf}},
		{Codec: CodecDelta, Count: 1, Raw: 0, Base: leaf, Lengths: []uint32{0}, Leaves: []hash.Digest{leaf}},
		{Short: true, Codec: CodecZstd, Count: 2, Raw: 9, Lengths: []uint32{4, 5}},
		{Short: true, Lines: true, Codec: CodecRaw, Count: 1000, Raw: 70000},
	}
	spans := []Span{
		{Append: true, Key: key, First: 5, Parts: []Part{{First: 5, Count: 3, Run: 1, At: 2}, {First: 8, Count: 1, ByLeaf: []LeafRef{{9, leaf}}}}, Roots: []merkle.Node{node}},
		{Key: key, First: 1000, Parts: []Part{{First: 1000, Count: 1, ByLeaf: []LeafRef{{0, leaf}}}, {First: 5000, Count: 65535, Run: 70000}}},
		{Append: true, Key: key, First: 5, Parts: []Part{
			{First: 5, Count: 2, Passage: &Passage{leaf, [checkSize]byte{1, 9}, 2}}, {First: 7, Count: 1, ByLeaf: []LeafRef{{9, leaf}}},
			{First: 8, Count: 3, Run: 1, At: 2}, {First: 11, Count: MostPassage, Passage: &Passage{leaf, [checkSize]byte{2}, MostPassage}},
		}, Roots: []merkle.Node{node}},
	}
	metas := map[packlog.Kind][][]byte{
		packlog.KindNodes:    {EncodeNodes(key, nil), EncodeNodes(key, []merkle.Node{node, hint})},
		packlog.KindHead:     {EncodeHead(key, Head{}), EncodeHead(key, head)},
		packlog.KindCore:     {EncodeCore(key, nil), EncodeCore(key, []byte("manifest"))},
		packlog.KindTruncate: {Truncate{Key: key, Fork: 3}.Encode(), Truncate{Key: key, Length: 1, Roots: []merkle.Node{{Size: 4, Hash: leaf}}}.Encode()},
		packlog.KindClear:    {Clear{key, 3, 900}.Encode()},
		packlog.KindDrop:     {EncodeDrop(key)},
		packlog.KindSeen:     {EncodeSeen(key, head, false), EncodeSeen(key, head, true)},
	}
	for _, m := range runs {
		metas[packlog.KindRun] = append(metas[packlog.KindRun], m.Encode())
	}
	for _, m := range spans {
		metas[packlog.KindSpan] = append(metas[packlog.KindSpan], m.Encode())
	}
	return metas
}

// encode encodes an entry's meta again.
func (e *Entry) encode() []byte {
	switch e.Kind {
	case packlog.KindRun:
		return e.Run.Encode()
	case packlog.KindSpan:
		return e.Span.Encode()
	case packlog.KindNodes:
		return EncodeNodes(e.Key, e.Nodes)
	case packlog.KindHead:
		return EncodeHead(e.Key, e.Head)
	case packlog.KindCore:
		return EncodeCore(e.Key, e.Manifest)
	case packlog.KindTruncate:
		return e.Truncate.Encode()
	case packlog.KindClear:
		return e.Clear.Encode()
	case packlog.KindDrop:
		return EncodeDrop(e.Key)
	}
	return EncodeSeen(e.Key, e.Head, e.Settled)
}

func TestMetasRoundTrip(t *testing.T) {
	metas := sampleMetas()
	if len(metas) != 9 {
		t.Fatalf("samples of %d kinds", len(metas))
	}
	for kind, list := range metas {
		for i, meta := range list {
			e, err := Decode(packlog.Record{Kind: kind, Meta: meta})
			if err != nil {
				t.Fatalf("kind %d, sample %d: %v", kind, i, err)
			}
			if !bytes.Equal(e.encode(), meta) {
				t.Fatalf("kind %d, sample %d: %x came back as %x", kind, i, meta, e.encode())
			}
			for cut := range meta {
				if _, err := Decode(packlog.Record{Kind: kind, Meta: meta[:cut]}); err == nil {
					t.Fatalf("kind %d, sample %d passes with %d of %d bytes", kind, i, cut, len(meta))
				}
			}
			if _, err := Decode(packlog.Record{Kind: kind, Meta: append(bytes.Clone(meta), 0)}); err == nil {
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
		e, err := Decode(packlog.Record{Kind: packlog.Kind(kind), Meta: meta})
		if err != nil {
			return
		}
		again, err := Decode(packlog.Record{Kind: e.Kind, Meta: e.encode()})
		if err != nil || !bytes.Equal(again.encode(), e.encode()) {
			t.Fatalf("%x does not come back: %v", meta, err)
		}
	})
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
	key, head, err := DecodeHead(formatExample(t, "An example, the head record's meta"))
	if err != nil || key[0] != 0x11 || head.Length != 3 || head.ByteLength != 30 || head.TreeHash[31] != 0x22 || !bytes.Equal(head.Signature, []byte{0xa1, 0xa2, 0xa3, 0xa4}) {
		t.Fatalf("the head is %v %+v, %v", key, head, err)
	}
	span, err := DecodeSpan(formatExample(t, "An example, the meta of a span"))
	if err != nil || !span.Append || span.Key[0] != 0x11 || len(span.Parts) != 3 || len(span.Roots) != 2 || span.Roots[1].Index != 8 {
		t.Fatalf("the span is %+v, %v", span, err)
	}
	x := span.Parts[2]
	if x.First != 2 || x.Count != 3 || x.Passage == nil || x.Passage.Leaf[31] != 0x33 || x.Passage.check[15] != 0x44 {
		t.Fatalf("the passage is %+v", x)
	}
	if y := span.Parts[0]; len(y.ByLeaf) != 1 || y.ByLeaf[0].Size != 4 || !span.Parts[1].InRun() {
		t.Fatalf("the other parts are %+v", span.Parts[:2])
	}
}

// TestPassagesRefused decodes metas that break a rule about passages.
func TestPassagesRefused(t *testing.T) {
	leaf := hash.Leaf([]byte("x"))
	with := func(count uint64) []byte {
		m := Span{Append: true, Parts: []Part{{Count: count, Passage: &Passage{Leaf: leaf, count: count}}}}
		return m.Encode()
	}
	if _, err := DecodeSpan(with(2)); err != nil {
		t.Fatal(err)
	}
	none := (&Span{Append: true, Parts: []Part{{Count: 4, Run: 1}}}).Encode()
	none[0] |= spanPassages
	kind3 := with(2)
	kind3[1+32+2+1] = 4*2 + 3
	scattered := with(2)
	scattered[0] &^= spanAppend
	for name, meta := range map[string][]byte{
		"one block": with(1), "too many": with(MostPassage + 1), "a kind that is not there": kind3, "none": none, "not appended": scattered,
	} {
		if _, err := DecodeSpan(meta); err == nil {
			t.Errorf("%s: it passes", name)
		}
	}
}
