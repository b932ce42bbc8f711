package proof

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/bits"
	"slices"
	"strings"
	"testing"

	"hc/lib/keys"
	"hc/lib/merkle"
)

// frame is a frame of a stream, its line and its payload.
type frame struct {
	line    string // without its LF
	payload []byte // nil: none; without its LF
	offset  int
}

func (f frame) words() []string { return strings.Split(f.line, " ") }
func (f frame) word() string    { return f.words()[0] }

func (f frame) number(i int) (n uint64) {
	fmt.Sscan(f.words()[i], &n)
	return n
}

// parse takes a stream apart, independently of the reader.
func parse(t testing.TB, stream []byte) []frame {
	t.Helper()
	var frames []frame
	for offset := 0; offset < len(stream); {
		n := bytes.IndexByte(stream[offset:], '\n')
		if n < 0 {
			t.Fatalf("no LF behind byte %d", offset)
		}
		f := frame{line: string(stream[offset : offset+n]), offset: offset}
		offset += n + 1
		size := -1
		switch f.word() {
		case "manifest", "head", "lines":
			size = int(f.number(len(f.words()) - 1))
		case "block":
			size = 0
			for i := range f.words()[2:] {
				size += int(f.number(2 + i))
			}
		}
		if size >= 0 {
			f.payload = stream[offset : offset+size]
			offset += size + 1
		}
		frames = append(frames, f)
	}
	return frames
}

func unparse(frames []frame) []byte {
	var b bytes.Buffer
	for _, f := range frames {
		b.WriteString(f.line + "\n")
		if f.payload != nil {
			b.Write(f.payload)
			b.WriteByte('\n')
		}
	}
	return b.Bytes()
}

// sample is a stream and what it proves.
type sample struct {
	name   string
	log    *testLog
	claim  Claim
	stream []byte
	out    []byte
}

// samples returns small streams of every shape, cut into small groups.
func samples(t testing.TB) []sample {
	withGroups(t, 30, 4)
	plain := newLog(t, smallBlocks(13)...)
	secret := keys.SecretFromSeed([32]byte{9})
	compat := newLogOf(t, secret, secret.Public(), nil, numbered(7)...)
	var list []sample
	add := func(name string, l *testLog, c Claim, live bool, heads ...uint64) {
		l.heads = heads
		s := sample{name: name, log: l, claim: c, stream: l.stream(t, WriteOptions{Claim: c, Live: live}, nil)}
		s.out, _ = l.verify(t, s.stream, Options{Claim: &c}, nil)
		list = append(list, s)
	}
	add("all", plain, Claim{}, false)
	add("compat", compat, Claim{}, false)
	add("blocks", plain, Claim{Kind: KindBlocks, From: 3, To: 9}, false)
	add("block", plain, Claim{Kind: KindBlocks, From: 6, To: 6}, false)
	add("bytes", plain, Claim{Kind: KindBytes, From: 5, To: 25}, false)
	add("at", plain, Claim{At: ptr(uint64(5))}, false)
	add("head", plain, Claim{Kind: KindHead}, false)
	add("live", plain, Claim{}, true, 3, 7, 12, 13)
	add("rest", plain, Claim{Kind: KindBlocks, From: 5, To: Open}, true, 6, 13)
	return list
}

// refuse expects that a changed stream fails, and that nothing comes out but what was proved before.
func (s sample) refuse(t *testing.T, what string, stream []byte) error {
	t.Helper()
	var out bytes.Buffer
	opt := Options{Claim: &s.claim, Key: ptr(s.log.Key()), Out: &out}
	sum, err := Verify(t.Context(), bytes.NewReader(stream), opt, nil)
	if err == nil {
		t.Fatalf("%s: %s: verified", s.name, what)
	}
	if !errors.Is(err, ErrUnverified) && !errors.Is(err, ErrPartial) && !errors.Is(err, ErrConflict) {
		t.Fatalf("%s: %s: %v is of no kind", s.name, what, err)
	}
	if !bytes.HasPrefix(s.out, out.Bytes()) || sum.Bytes != uint64(out.Len()) {
		t.Fatalf("%s: %s: %q came out, want a beginning of %q", s.name, what, out.Bytes(), s.out)
	}
	return err
}

func TestEveryTruncation(t *testing.T) {
	for _, s := range samples(t) {
		for n := range s.stream {
			if err := s.refuse(t, fmt.Sprintf("cut at %d", n), s.stream[:n]); !errors.Is(err, ErrPartial) {
				t.Errorf("%s, cut at byte %d of %d: %v, want ErrPartial", s.name, n, len(s.stream), err)
			}
		}
	}
}

func TestEveryFlippedBit(t *testing.T) {
	for _, s := range samples(t) {
		for i := range s.stream {
			for bit := range 8 {
				flipped := bytes.Clone(s.stream)
				flipped[i] ^= 1 << bit
				s.refuse(t, fmt.Sprintf("byte %d, bit %d flipped", i, bit), flipped)
			}
		}
	}
}

func TestEveryFrameMoved(t *testing.T) {
	for _, s := range samples(t) {
		frames := parse(t, s.stream)
		for i := range frames {
			s.refuse(t, fmt.Sprintf("without %q", frames[i].line), unparse(slices.Delete(slices.Clone(frames), i, i+1)))
			s.refuse(t, fmt.Sprintf("twice %q", frames[i].line), unparse(slices.Insert(slices.Clone(frames), i, frames[i])))
			for j := range i {
				moved := slices.Clone(frames)
				moved[i], moved[j] = moved[j], moved[i]
				s.refuse(t, fmt.Sprintf("%q and %q swapped", frames[j].line, frames[i].line), unparse(moved))
				again := slices.Insert(slices.Clone(frames), i, frames[j])
				s.refuse(t, fmt.Sprintf("%q again before %q", frames[j].line, frames[i].line), unparse(again))
			}
		}
		s.refuse(t, "one byte more", append(bytes.Clone(s.stream), '\n'))
		s.refuse(t, "the stream twice", append(bytes.Clone(s.stream), s.stream...))
	}
}

// A proof of several groups of blocks of 64 KiB, as it comes: every bit of what ties the blocks to the head is flipped,
// and a sample of the blocks' own.
func TestFlippedBitsInGroups(t *testing.T) {
	l := newLog(t, random(90, func(int) int { return 64 << 10 })...)
	s := sample{name: "5 MiB", log: l, stream: l.stream(t, WriteOptions{}, nil)}
	s.out, _ = l.verify(t, s.stream, Options{}, nil)
	frames := parse(t, s.stream)
	flip := func(i, bit int) {
		s.stream[i] ^= 1 << bit
		s.refuse(t, fmt.Sprintf("byte %d, bit %d flipped", i, bit), s.stream)
		s.stream[i] ^= 1 << bit
	}
	every := 1
	if testing.Short() {
		every = 41
	}
	nodes, turn := 0, 0
	for k, f := range frames {
		end := len(s.stream)
		if k+1 < len(frames) {
			end = frames[k+1].offset
		}
		if f.word() == "node" {
			nodes++
		}
		if f.word() == "block" {
			end = f.offset + len(f.line) + 1
			flip(end+(k*7919)%len(f.payload), k%8)
			flip(end+len(f.payload), k%8) // the LF behind it
		}
		for i := f.offset; i < end; i++ {
			for bit := range 8 {
				// Lines of blocks are alike, so of those in the middle every third bit has to do.
				turn++
				if turn%every == 0 && (f.word() != "block" || k < 30 || k > 100 || turn%3 == 0) {
					flip(i, bit)
				}
			}
		}
	}
	if nodes < 6 {
		t.Errorf("%d nodes: inner nodes are what this test is about", nodes)
	}
}

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
	verify("another tree hash", at, Options{AnyClaim: true, TreeHash: ptr(merkle.TreeHash(l.rootsA[8]))})
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

// Frames that hold the same blocks in another way are refused, too.
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

// Two sizes that were changed so that their sum stays are found out before a byte comes out: no offset rests on a hint.
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

// Of a version before the head, the sizes of two nodes side by side may be forged, if no block below them comes. They
// prove nothing then.
func TestForgedVersion(t *testing.T) {
	l := newLog(t, numbered(8)...)
	at := uint64(6) // its roots are 3 and 9; 13 is the sibling of 9
	end := uint64(len(span(l.blocks, 0, at)))
	tree := merkle.TreeHash(l.rootsA[at])
	for _, test := range []struct {
		claim Claim
		err   error // what a forged stream gives
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

// A log that was rewritten under the same fork, by whoever has the key.
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
	// The same from a writer that does not look: the second head with its own blocks.
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

// For one block, a stream carries at most ceil(log2 n) + popcount(n) nodes.
func TestNodesOfOneBlock(t *testing.T) {
	l := newLog(t, numbered(1100)...)
	for n := uint64(1); n <= 1100; n += 1 + n/24 {
		for block := uint64(0); block < n; block += 1 + n/16 {
			l.heads = []uint64{n}
			c := Claim{Kind: KindBlocks, From: block, To: block}
			s := l.stream(t, WriteOptions{Claim: c}, nil)
			out, sum := l.verify(t, s, Options{Claim: &c}, nil)
			if !bytes.Equal(out, l.blocks[block]) {
				t.Fatalf("block %d of %d: %q", block, n, out)
			}
			count := 0
			for _, f := range parse(t, s) {
				if f.word() == "node" {
					count++
				}
			}
			most := bits.Len64(n-1) + bits.OnesCount64(n)
			if count > most || sum.Nodes != uint64(count) {
				t.Errorf("block %d of %d: %d nodes, want at most %d; the summary says %d", block, n, count, most, sum.Nodes)
			}
		}
	}
}

// No node comes twice, and none that follows from what came before it or comes with it.
func TestNoNodeTooMany(t *testing.T) {
	for _, s := range samples(t) {
		sink := &nodeCounter{sinkLog: sinkLog{t: t, log: s.log}, known: map[uint64]bool{}}
		if _, err := Verify(t.Context(), bytes.NewReader(s.stream), Options{Claim: &s.claim}, sink); err != nil {
			t.Fatal(err)
		}
		sent := 0
		for _, f := range parse(t, s.stream) {
			if f.word() == "node" {
				sent++
			}
		}
		if sent != sink.sent {
			t.Errorf("%s: %d nodes were sent, the sink got %d", s.name, sent, sink.sent)
		}
	}
}

// nodeCounter holds the nodes of each group against those that are known.
type nodeCounter struct {
	sinkLog
	known map[uint64]bool
	sent  int
}

func (c *nodeCounter) Group(g *Group) error {
	leaves := map[uint64]bool{}
	for i, b := range g.Blocks {
		index := g.First + uint64(i)
		leaves[2*index] = true
		if merkle.LeafNode(index, b).Hash != g.Leaves[i] || !bytes.Equal(b, c.log.blocks[index]) {
			c.t.Errorf("leaf hash or data of block %d is wrong", index)
		}
	}
	if len(g.Blocks) > 0 && g.Offset != uint64(len(span(c.log.blocks, 0, g.First))) {
		c.t.Errorf("the group of block %d is at byte %d", g.First, g.Offset)
	}
	for i, x := range g.Received {
		if c.known[x.Index] {
			c.t.Errorf("node %d comes again", x.Index)
		}
		without := maps.Clone(c.known)
		maps.Copy(without, leaves)
		for j, y := range g.Received {
			if i != j {
				without[y.Index] = true
			}
		}
		if closure(without)[x.Index] {
			c.t.Errorf("node %d can be computed", x.Index)
		}
	}
	c.sent += len(g.Received)
	for _, n := range slices.Concat(g.Received, g.Computed) {
		c.known[n.Index] = true
		if !n.Hint && !merkle.Same(n, c.log.nodes[n.Index]) {
			c.t.Errorf("node %d is wrong", n.Index)
		}
	}
	maps.Copy(c.known, leaves)
	c.known = closure(c.known)
	return nil
}

// closure adds all parents of two nodes that are there.
func closure(nodes map[uint64]bool) map[uint64]bool {
	for more := true; more; {
		more = false
		for x := range nodes {
			p := merkle.Parent(x)
			if nodes[x] && nodes[merkle.Sibling(x)] && !nodes[p] {
				nodes[p], more = true, true
			}
		}
	}
	return nodes
}
