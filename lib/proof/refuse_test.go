package proof

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"hc/lib/keys"
	"hc/lib/merkle"
)

// edit changes the one line of a stream that begins with a word.
func edit(t *testing.T, stream []byte, from, to string) []byte {
	t.Helper()
	if bytes.Count(stream, []byte(from)) != 1 {
		t.Fatalf("%q is not in the stream once", from)
	}
	return bytes.Replace(stream, []byte(from), []byte(to), 1)
}

func TestPartForTheWhole(t *testing.T) {
	l := newLog(t, numbered(8)...)
	verify := func(name string, stream []byte, opt Options) {
		t.Helper()
		if out, _ := l.verify(t, stream, opt, ErrUnverified); len(out) > 0 {
			t.Errorf("%s: %q came out", name, out)
		}
	}
	head := Claim{Kind: KindHead}
	first := Claim{Kind: KindBlocks, From: 0, To: 3}
	s := l.stream(t, WriteOptions{Claim: first}, nil)
	verify("the claim is another", s, Options{})
	verify("the claim lies", edit(t, s, "claim blocks 0-3\n", "claim all\n"), Options{})
	longer := edit(t, s, "claim blocks 0-3\n", "claim blocks 0-4\n")
	if out, _ := l.verify(t, longer, Options{AnyClaim: true}, ErrUnverified); !bytes.Equal(out, span(l.blocks, 0, 4)) {
		t.Errorf("the claim lies, longer: %q came out", out)
	}
	verify("the claim lies, shorter", edit(t, s, "claim blocks 0-3\n", "claim blocks 0-2\n"), Options{AnyClaim: true})
	at := l.stream(t, WriteOptions{Claim: Claim{At: ptr(uint64(5))}}, nil)
	verify("an old version", edit(t, at, "claim all at 5\n", "claim all\n"), Options{})
	verify("another version", edit(t, at, "claim all at 5\n", "claim all at 6\n"), Options{AnyClaim: true})
	verify("another version than asked", at, Options{AnyClaim: true, Claim: &Claim{At: ptr(uint64(4))}})
	verify("another tree hash", at, Options{AnyClaim: true, TreeHash: ptr(merkle.TreeHash(l.rootsAt[8]))})
	verify("the head only", l.stream(t, WriteOptions{Claim: head}, nil), Options{})
	verify("the head only, and it lies",
		edit(t, l.stream(t, WriteOptions{Claim: head}, nil), "claim head\n", "claim all\n"), Options{})
	verify("another key", s, Options{Claim: &first, Key: &keys.Key{1}})
	bytes8 := Claim{Kind: KindBytes, From: 8, To: 16}
	s = l.stream(t, WriteOptions{Claim: bytes8}, nil)
	for _, lie := range []string{"7-16", "8-15", "8-24", "8-", "30-40", "80-90"} {
		verify("bytes "+lie, edit(t, s, "claim bytes 8-16\n", "claim bytes "+lie+"\n"), Options{AnyClaim: true})
	}
}

// A group smaller than it could be, or larger than it may be, is refused: there is one stream only.
func TestOtherGroups(t *testing.T) {
	l := newLog(t, smallBlocks(23)...)
	cut := func(bytes, count int, c Claim) []byte {
		withGroups(t, bytes, count)
		return l.stream(t, WriteOptions{Claim: c}, nil)
	}
	sizes := [][2]int{{1 << 20, 4096}, {30, 4096}, {20, 4096}, {1 << 20, 8}, {1 << 20, 4}, {1, 1}}
	for _, c := range []Claim{{}, {Kind: KindBlocks, From: 3, To: 17}, {Kind: KindBytes, From: 20, To: 70}, {At: ptr(uint64(21))}} {
		for _, mine := range sizes {
			for _, theirs := range sizes {
				s, same := cut(theirs[0], theirs[1], c), cut(mine[0], mine[1], c)
				if bytes.Equal(s, same) {
					continue
				}
				if _, sum := l.verify(t, s, Options{Claim: &c}, ErrUnverified); sum.Bytes > uint64(len(span(l.blocks, 0, 23))) {
					t.Errorf("%v: %d bytes", c, sum.Bytes)
				}
			}
		}
	}
}

// Frames that hold the same blocks in another arrangement are refused, too.
func TestOtherFrames(t *testing.T) {
	l := newLog(t, []byte("a\n"), []byte("b\n"), []byte("c"), []byte("d"), []byte("e\n"), []byte("rest"))
	s := l.stream(t, WriteOptions{}, nil)
	const want = "lines 0 2 4\na\nb\n\nblock 2 1 1\ncd\nlines 4 2 6\ne\nrest\nend 6 12\n"
	if !bytes.HasSuffix(s, []byte(want)) {
		t.Fatalf("got %q, want %q", s, want)
	}
	for _, other := range [][2]string{
		{"lines 0 2 4\na\nb\n\n", "lines 0 1 2\na\n\nlines 1 1 2\nb\n\n"},
		{"lines 0 2 4\na\nb\n\n", "block 0 2 2\na\nb\n\n"},
		{"block 2 1 1\ncd\n", "block 2 1\nc\nblock 3 1\nd\n"},
		{"block 2 1 1\ncd\n", "block 2 01 1\ncd\n"},
		{"block 2 1 1\ncd\n", "block  2 1 1\ncd\n"},
		{"block 2 1 1\ncd\n", "block 2 1 1 \ncd\n"},
		{"block 2 1 1\ncd\n", "lines 2 2 2\ncd\n"},
		{"lines 4 2 6\ne\nrest\n", "lines 4 1 2\ne\n\nblock 5 4\nrest\n"},
		{"lines 4 2 6\ne\nrest\n", "block 4 2 4\ne\nrest\n"},
		{"lines 4 2 6\ne\nrest\n", "lines 4 3 6\ne\nrest\n"},
		{"end 6 12\n", "end 6 13\n"},
		{"end 6 12\n", "end 5 12\n"},
		{"end 6 12\n", "end 6 12\nend 6 12\n"},
	} {
		if out, _ := l.verify(t, edit(t, s, other[0], other[1]), Options{}, ErrUnverified); len(out) > 0 && !strings.HasPrefix(other[0], "end") {
			t.Errorf("%q: %q came out", other[1], out)
		}
	}
}

// Two sizes that were changed with their sum unchanged are detected before a byte comes out: no offset relies on a
// hint.
func TestForgedSizes(t *testing.T) {
	withGroups(t, 30, 4)
	l := newLog(t, numbered(23)...)
	for from := uint64(0); from < 170; from += 13 {
		c := Claim{Kind: KindBytes, From: from, To: from + 20}
		s := l.stream(t, WriteOptions{Claim: c}, nil)
		frames := parse(t, s)
		var first []int // nodes of the first group
		for i, f := range frames {
			if f.word() == "node" {
				first = append(first, i)
			} else if f.word() == "block" {
				break
			}
		}
		forge := func(changes map[int]int64) {
			forged := slices.Clone(frames)
			for i, d := range changes {
				f := frames[i]
				forged[i].line = fmt.Sprintf("node %d %d %s", f.number(1), f.number(2)+uint64(d), f.words()[3])
			}
			if out, _ := l.verify(t, unparse(forged), Options{Claim: &c}, ErrUnverified); len(out) > 0 {
				t.Errorf("%v, %v: %q came out", c, changes, out)
			}
		}
		for _, i := range first {
			forge(map[int]int64{i: 8})
			for _, j := range first {
				if i != j {
					forge(map[int]int64{i: 8, j: -8})
				}
			}
		}
	}
}

// In a version before the head, the sizes of two neighbouring nodes may be forged, if no block below them comes. They
// prove nothing then.
func TestForgedVersion(t *testing.T) {
	l := newLog(t, numbered(8)...)
	at := uint64(6) // its roots are 3 and 9; 13 is the sibling of 9
	end := uint64(len(span(l.blocks, 0, at)))
	tree := merkle.TreeHash(l.rootsAt[at])
	for _, test := range []struct {
		claim Claim
		err   error // the error of a forged stream
		tree  bool  // whether the tree hash is certain in an honest one
	}{
		{Claim{At: &at}, ErrUnverified, true},
		{Claim{Kind: KindHead, At: &at}, nil, false},
		{Claim{Kind: KindBlocks, From: 1, To: 1, At: &at}, nil, false},
		{Claim{Kind: KindBytes, From: 1, To: 3, At: &at}, nil, false},
		{Claim{Kind: KindBytes, From: end, To: Open, At: &at}, ErrPartial, false},
		{Claim{Kind: KindBlocks, From: 5, To: 5, At: &at}, ErrUnverified, true},
	} {
		s := l.stream(t, WriteOptions{Claim: test.claim}, nil)
		cited := Options{Claim: &test.claim, TreeHash: &tree}
		l.verify(t, s, cited, nil)
		want := error(nil)
		if test.err == ErrPartial {
			want = ErrPartial
		}
		if _, sum := l.verify(t, s, Options{Claim: &test.claim}, want); test.tree != (sum.TreeHash == tree) {
			t.Errorf("%v: tree hash %v, want it to be certain: %v", test.claim, sum.TreeHash, test.tree)
		}
		frames := parse(t, s)
		for i, f := range frames {
			if f.word() == "node" {
				d := map[uint64]uint64{9: ^uint64(7), 13: 8}[f.number(1)]
				frames[i].line = fmt.Sprintf("node %d %d %s", f.number(1), f.number(2)+d, f.words()[3])
			}
		}
		forged := unparse(frames)
		if !bytes.Equal(forged, s) {
			if out, _ := l.verify(t, forged, cited, ErrUnverified); len(out) > 0 {
				t.Errorf("%v: %q came out", test.claim, out)
			}
			sink := &nodeCounter{sinkLog: sinkLog{t: t, log: l}, known: map[uint64]bool{}}
			sum, err := Verify(t.Context(), bytes.NewReader(forged), Options{Claim: &test.claim}, sink)
			if !errors.Is(err, test.err) || sum.TreeHash != [32]byte{} {
				t.Errorf("%v, forged: %v, tree hash %v", test.claim, err, sum.TreeHash)
			}
		}
	}
}

func TestConflicts(t *testing.T) {
	l := newLog(t, numbered(12)...)
	add := func(stream []byte, h Head) []byte {
		s := stream[:bytes.LastIndex(stream, []byte("end "))]
		return fmt.Appendf(bytes.Clone(s), "head %d %d %d %d\n%s\nend 9 99\n", h.Fork, h.Length, h.ByteLength, len(h.Signature), h.Signature)
	}
	l.heads = []uint64{9}
	s := l.stream(t, WriteOptions{}, nil)
	want := span(l.blocks, 0, 9)
	for _, test := range []struct {
		name string
		head Head
		err  error
	}{
		{"older", l.head(5), ErrConflict},
		{"the same", l.head(9), ErrConflict},
		{"another fork", Head{Fork: 1, Length: 12, ByteLength: 1, Signature: []byte("?")}, ErrConflict},
		{"longer, and nothing ties it", l.head(12), ErrUnverified},
		{"longer, signed by nobody", Head{Length: 12, ByteLength: 96, Signature: []byte("?")}, ErrUnverified},
	} {
		if out, _ := l.verify(t, add(s, test.head), Options{}, test.err); !bytes.Equal(out, want) {
			t.Errorf("%s: %q came out", test.name, out)
		}
	}
	l.verify(t, s, Options{Fork: ptr(uint64(1))}, ErrConflict)
	if out, _ := l.verify(t, s, Options{MinLength: 10}, ErrPartial); len(out) > 0 {
		t.Errorf("a head that is too short: %q came out", out)
	}
	l.verify(t, s, Options{MinLength: 9}, nil)
}

// A log that was rewritten under the same fork, by the holder of the key.
func TestRewrittenHistory(t *testing.T) {
	l := newLog(t, numbered(9)...)
	other := newLog(t, append(numbered(8), []byte("another"), []byte("history"))...)
	src := &rewritten{testLog: l, other: other}
	var b bytes.Buffer
	if err := Write(t.Context(), &b, src, WriteOptions{Live: true}); !errors.Is(err, ErrConflict) {
		t.Fatalf("Write = %v, want ErrConflict", err)
	}
	if out, _ := l.verify(t, b.Bytes(), Options{}, ErrPartial); !bytes.Equal(out, span(l.blocks, 0, 9)) {
		t.Errorf("%q came out", out)
	}
	// The same from a writer that does not check: the second head with its own blocks.
	first := parse(t, l.stream(t, WriteOptions{}, nil))
	h := other.head(10)
	lying := append(first[:len(first)-1],
		frame{line: fmt.Sprintf("head 0 10 %d %d", h.ByteLength, len(h.Signature)), payload: h.Signature},
		frame{line: "block 9 7", payload: []byte("history")}, frame{line: "end 10 99"})
	if out, _ := l.verify(t, unparse(lying), Options{}, ErrUnverified); !bytes.Equal(out, span(l.blocks, 0, 9)) {
		t.Errorf("%q came out", out)
	}
}

// rewritten is a source whose second head is another log's.
type rewritten struct {
	*testLog
	other   *testLog
	changed bool
}

func (r *rewritten) Next(ctx context.Context, after Head) (Head, error) {
	if r.changed {
		return Head{}, io.EOF
	}
	r.changed = true
	r.testLog = r.other
	return r.other.head(10), nil
}
