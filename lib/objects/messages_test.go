package objects

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"hc/lib/merkle"
)

func body(t testing.TB, m Blocks) []byte {
	t.Helper()
	b := m.Head()
	for _, p := range m.Pieces {
		b = append(b, p.Payload...)
	}
	return b
}

// pack appends a piece to a buffer that is not empty, and whose content must stay.
func pack(blocks [][]byte, try bool) Piece {
	const before = "before"
	p, b := Pack([]byte(before), blocks, try)
	if string(b[:len(before)]) != before || !bytes.Equal(b[len(before):], p.Payload) {
		panic("Pack did not append the payload")
	}
	return p
}

// The example of FORMAT.md is what is written, and can be read.
func TestFormatExample(t *testing.T) {
	text, err := os.ReadFile("FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	lines := regexp.MustCompile(`(?m)^    (02|03|05|06|09|0a)  ([0-9a-f ]+)$`).FindAllStringSubmatch(string(text), -1)
	if len(lines) != 7 {
		t.Fatalf("%d lines of an example", len(lines))
	}
	parse := func(i int) []byte {
		b, err := hex.DecodeString(strings.ReplaceAll(lines[i][2], " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	ask := AskBlocks{ID: 7, Spans: []Span{{First: 2, Count: 2}}}
	if got := ask.Append(nil); !bytes.Equal(got, parse(0)) {
		t.Errorf("asks %x", got)
	}
	if got, err := DecodeAskBlocks(parse(0)); err != nil || !reflect.DeepEqual(got, ask) {
		t.Errorf("reads %+v, %v", got, err)
	}
	answer := Blocks{ID: 7, Pieces: []Piece{pack([][]byte{[]byte("ab"), []byte("cde")}, true)}}
	if got := body(t, answer); !bytes.Equal(got, parse(1)) {
		t.Errorf("answers %x", got)
	}
	m, err := DecodeBlocks(parse(1))
	if err != nil {
		t.Fatal(err)
	}
	if blocks, err := m.Unpack(); err != nil || !reflect.DeepEqual(blocks, [][]byte{[]byte("ab"), []byte("cde")}) {
		t.Errorf("unpacks %q, %v", blocks, err)
	}
	like := AskCopies{AskLeaves{ID: 8, First: 300, Count: 10}, []Span{{0, 260}}}
	if got := like.Append(nil); !bytes.Equal(got, parse(2)) {
		t.Errorf("asks %x", got)
	}
	if got, err := DecodeAskCopies(parse(2)); err != nil || !reflect.DeepEqual(got, like) {
		t.Errorf("reads %+v, %v", got, err)
	}
	leaf := merkle.Node{Size: 3, Hash: [32]byte(bytes.Repeat([]byte{0x22}, 32))}
	copies := Copies{ID: 8, Copies: []Copy{{0, 4, 252}, {5, 5, 255}}, Leaves: []merkle.Node{leaf}}
	if got := copies.Append(nil); !bytes.Equal(got, parse(3)) {
		t.Errorf("answers %x", got)
	}
	if got := mapExample(t); !bytes.Equal(got, parse(4)) {
		t.Errorf("answers %x", got)
	}
	askRuns, runs := AskRuns{ID: 10, First: 300, Count: 700}, Runs{ID: 10, Counts: []uint64{20, 280, 400}}
	if got := askRuns.Append(nil); !bytes.Equal(got, parse(5)) {
		t.Errorf("asks %x", got)
	}
	if got, err := DecodeAskRuns(parse(5)); err != nil || got != askRuns {
		t.Errorf("reads %+v, %v", got, err)
	}
	if got := runs.Append(nil); !bytes.Equal(got, parse(6)) {
		t.Errorf("answers %x", got)
	}
	if got, err := DecodeRuns(parse(6)); err != nil || !reflect.DeepEqual(got, runs) {
		t.Errorf("reads %+v, %v", got, err)
	}
	if got, err := DecodeCopies(parse(3)); err != nil || !reflect.DeepEqual(got, copies) {
		t.Errorf("reads %+v, %v", got, err)
	}
}

func TestMessagesComeBack(t *testing.T) {
	node := merkle.Node{Size: 70000, Hash: [32]byte{1, 2, 3}}
	leaves := AskLeaves{ID: 1, Fork: 2, First: 300, Count: MaxLeaves, Nodes: []uint64{5, 1 << 40}}
	if got, err := DecodeAskLeaves(leaves.Append(nil)); err != nil || !reflect.DeepEqual(got, leaves) {
		t.Errorf("%+v, %v", got, err)
	}
	answer := Leaves{ID: 9, Leaves: []merkle.Node{node, {}}, Nodes: []merkle.Node{node}}
	if got, err := DecodeLeaves(answer.Append(nil)); err != nil || !reflect.DeepEqual(got, answer) {
		t.Errorf("%+v, %v", got, err)
	}
	blocks := AskBlocks{ID: 1, Fork: 3, Spans: []Span{{0, 1}, {2, 7}, {1 << 40, MaxBlocks - 8}}}
	if got, err := DecodeAskBlocks(blocks.Append(nil)); err != nil || !reflect.DeepEqual(got, blocks) || got.Count() != MaxBlocks {
		t.Errorf("%+v, %v", got, err)
	}
	like := AskCopies{leaves, []Span{{0, 1}, {2, 1 << 40}}}
	if got, err := DecodeAskCopies(like.Append(nil)); err != nil || !reflect.DeepEqual(got, like) {
		t.Errorf("%+v, %v", got, err)
	}
	copies := Copies{ID: 9, Copies: []Copy{{0, 1, 7}, {1, 1, merkle.MaxLength}, {5, MaxLeaves - 5, 0}}, Nodes: []merkle.Node{node}}
	if got, err := DecodeCopies(copies.Append(nil)); err != nil || !reflect.DeepEqual(got, copies) || got.Count() != MaxLeaves-3 {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := DecodeKnows(Knows{1 << 40}.Append(nil)); err != nil || got.Bits != 1<<40 {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := DecodeNone(None{3, 1}.Append(nil)); err != nil || got != (None{3, 1}) {
		t.Errorf("%+v, %v", got, err)
	}
}

// Blocks of all kinds come out of their pieces as they went in.
func TestPacked(t *testing.T) {
	random := rand.NewChaCha8([32]byte{1})
	noise := make([]byte, 5000)
	_, _ = random.Read(noise)
	cases := map[string]struct {
		blocks      [][]byte
		zstd, lines bool
	}{
		"lines":            {bytes.SplitAfter(bytes.Repeat([]byte("a line\n"), 100), []byte("\n"))[:100], true, true},
		"an open line":     {append(bytes.SplitAfter(bytes.Repeat([]byte("line\n"), 100), []byte("\n"))[:100], []byte("open")), true, true},
		"two LFs":          {[][]byte{[]byte("a\n\n"), []byte("b\n")}, false, false},
		"an empty block":   {[][]byte{[]byte("a\n"), {}}, false, false},
		"one empty block":  {[][]byte{{}}, false, false},
		"no line":          {[][]byte{[]byte("a"), []byte("b\n")}, false, false},
		"noise":            {[][]byte{noise, noise[:100]}, false, false},
		"one large block":  {[][]byte{bytes.Repeat([]byte("x"), MaxBlock)}, true, false},
		"repeating blocks": {[][]byte{noise, noise, noise}, true, false},
	}
	for name, c := range cases {
		p := pack(c.blocks, true)
		if p.Zstd != c.zstd || p.Lines != c.lines {
			t.Errorf("%s: zstd %v, lines %v", name, p.Zstd, p.Lines)
		}
		for _, tail := range []string{"", "\x00\x00\x00\x00\x00\x00\x00"} {
			m, err := DecodeBlocks(append(body(t, Blocks{ID: 1, Pieces: []Piece{p}}), tail...))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			got, err := m.Unpack()
			if err != nil || len(got) != len(c.blocks) {
				t.Fatalf("%s: %d blocks, %v", name, len(got), err)
			}
			for i := range got {
				if !bytes.Equal(got[i], c.blocks[i]) {
					t.Errorf("%s: block %d differs", name, i)
				}
			}
		}
		if p := pack(c.blocks, false); p.Zstd {
			t.Errorf("%s: compressed although it was not to be tried", name)
		}
	}
}

// What a hostile peer sends is refused before it takes up memory.
func TestRefused(t *testing.T) {
	e, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	bomb := e.EncodeAll(make([]byte, 14<<20), nil)
	wide, err := zstd.NewWriter(nil, zstd.WithWindowSize(32<<20), zstd.WithSingleSegment(false))
	if err != nil {
		t.Fatal(err)
	}
	far := wide.EncodeAll(bytes.Repeat([]byte("0123456789abcdef"), 1<<20), nil)
	piece := func(p Piece) []byte { return body(t, Blocks{ID: 1, Pieces: []Piece{p}}) }
	short := piece(Piece{Count: 1, Raw: 9, Payload: []byte("123456789")})
	for name, b := range map[string][]byte{
		"nothing":                     {},
		"no piece":                    {1, 0, 0},
		"a kind that is none":         {1, 0, 1, 4, 1, 1, 1, 'x'},
		"no block":                    {1, 0, 1, 0, 0, 0, 0},
		"a payload cut off":           short[:len(short)-1],
		"more than zeros behind it":   append(bytes.Clone(short), 1),
		"eight zeros behind it":       append(bytes.Clone(short), make([]byte, 8)...),
		"lengths that are too long":   piece(Piece{Count: 2, Raw: 3, Lengths: []uint32{2, 2}, Payload: []byte("abc")}),
		"lengths that are too short":  piece(Piece{Count: 2, Raw: 3, Lengths: []uint32{1, 1}, Payload: []byte("abc")}),
		"a raw payload of other size": piece(Piece{Count: 1, Raw: 3, Payload: []byte("abcd")}),
		"a frame as long as its data": piece(Piece{Count: 1, Raw: 3, Zstd: true, Payload: []byte("abc")}),
		"two blocks over 2 MiB":       piece(Piece{Count: 2, Raw: MaxRaw + 1, Lengths: []uint32{1, MaxRaw}, Payload: make([]byte, MaxRaw+1)}),
		"a block over the limit":      piece(Piece{Count: 1, Raw: MaxBlock + 1, Zstd: true, Payload: bomb}),
		"more lines than bytes":       piece(Piece{Count: 4, Raw: 3, Lines: true, Payload: []byte("\n\n\n")}),
		"too many blocks":             piece(Piece{Count: MaxBlocks + 1, Raw: MaxBlocks + 1, Lines: true, Payload: bytes.Repeat([]byte("\n"), MaxBlocks+1)}),
		"a bomb that says a byte":     piece(Piece{Count: 1, Raw: len(bomb) + 1, Zstd: true, Payload: bomb}),
		"a frame of fewer bytes":      piece(Piece{Count: 1, Raw: 15 << 20, Zstd: true, Payload: bomb}),
		"a window of 32 MiB":          piece(Piece{Count: 1, Raw: 16<<20 - 1, Zstd: true, Payload: far}),
		"noise for a frame":           piece(Piece{Count: 1, Raw: 99, Zstd: true, Payload: []byte("no frame at all")}),
		"lines that are none":         piece(Piece{Count: 2, Raw: 4, Lines: true, Payload: []byte("abcd")}),
		"lines and more":              piece(Piece{Count: 2, Raw: 6, Lines: true, Payload: []byte("a\nb\nc\n")}),
	} {
		m, err := DecodeBlocks(b)
		if err == nil {
			_, err = m.Unpack()
		}
		if !errors.Is(err, ErrMessage) {
			t.Errorf("%s: %v", name, err)
		}
	}
	asks := map[string]AskBlocks{
		"no span":            {},
		"an empty span":      {Spans: []Span{{5, 0}}},
		"too many blocks":    {Spans: []Span{{0, MaxBlocks}, {1 << 20, 1}}},
		"two spans proved":   {Prove: true, Spans: []Span{{0, 1}, {2, 1}}},
		"nodes for nothing":  {Spans: []Span{{0, 1}}, Nodes: []uint64{2}},
		"beyond every log":   {Spans: []Span{{merkle.MaxLength, 1}}},
		"a node beyond":      {Prove: true, Spans: []Span{{0, 1}}, Nodes: []uint64{2 * merkle.MaxLength}},
		"too many nodes":     {Prove: true, Spans: []Span{{0, 1}}, Nodes: make([]uint64, MaxNodes+1)},
		"more spans than it": {Spans: make([]Span, MaxSpans+1)},
	}
	for name, ask := range asks {
		if _, err := DecodeAskBlocks(ask.Append(nil)); !errors.Is(err, ErrMessage) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, ask := range map[string]AskLeaves{"no leaf": {}, "too many": {Count: MaxLeaves + 1}, "beyond": {First: merkle.MaxLength, Count: 1}} {
		if _, err := DecodeAskLeaves(ask.Append(nil)); !errors.Is(err, ErrMessage) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, held := range map[string][]Span{
		"nothing is held":       nil,
		"an empty span is held": {{5, 0}},
		"held spans that touch": {{5, 1}, {6, 1}},
		"held beyond every log": {{5, merkle.MaxLength}},
		"too many spans held":   make([]Span, MaxHeld+1),
	} {
		if _, err := DecodeAskCopies(AskCopies{AskLeaves{Count: 1}, held}.Append(nil)); !errors.Is(err, ErrMessage) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, copies := range map[string][]Copy{
		"an empty copy":             {{0, 0, 1}},
		"too many copies at once":   {{0, MaxLeaves + 1, 1}},
		"too many copies":           {{0, MaxLeaves, 1}, {MaxLeaves, 1, 1}},
		"a copy far behind":         {{MaxLeaves, 1, 1}},
		"copies that overlap":       {{5, 2, 1}, {6, 1, 1}}, // the gap would be negative
		"a number that overflows":   {{0, 1 << 52, 1}, {0, 1 << 52, 1}},
		"a copy from beyond a log":  {{0, 1, merkle.MaxLength + 1}},
		"more copies than allowed":  make([]Copy, MaxLeaves+1),
		"a copy that is not whole ": {{0, 1, 1 << 60}},
	} {
		if _, err := DecodeCopies(Copies{Copies: copies}.Append(nil)); !errors.Is(err, ErrMessage) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := DecodeCopies([]byte{1, 200, 0, 1, 1}); !errors.Is(err, ErrMessage) {
		t.Error("took copies that are not there")
	}
	for name, ask := range map[string]AskRuns{"no block": {}, "too many": {Count: MaxBlocks + 1}, "beyond": {First: merkle.MaxLength, Count: 1}} {
		if _, err := DecodeAskRuns(ask.Append(nil)); !errors.Is(err, ErrMessage) {
			t.Errorf("runs of %s: %v", name, err)
		}
	}
	for name, counts := range map[string][]uint64{
		"an empty run": {1, 0}, "a long run": {MaxBlocks + 1}, "runs of too many": {MaxBlocks, 1}, "many runs": slices.Repeat([]uint64{1}, MaxRuns+1), "an overflow": {1 << 52, 1 << 52},
	} {
		if _, err := DecodeRuns(Runs{Counts: counts}.Append(nil)); !errors.Is(err, ErrMessage) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := DecodeRuns([]byte{1, 200, 1}); !errors.Is(err, ErrMessage) {
		t.Error("took runs that are not there")
	}
	if _, err := DecodeKnows([]byte{1, 1}); !errors.Is(err, ErrMessage) {
		t.Error("took a byte behind knows")
	}
	if _, err := DecodeNone([]byte{1, 0, 0}); !errors.Is(err, ErrMessage) {
		t.Error("took a byte behind none")
	}
	if _, err := DecodeLeaves([]byte{1, 200, 0}); !errors.Is(err, ErrMessage) {
		t.Error("took leaves that are not there")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(AskBlocks{ID: 1, Spans: []Span{{2, 3}}}.Append(nil))
	f.Add(AskLeaves{ID: 1, First: 3, Count: 4, Nodes: []uint64{7}}.Append(nil))
	f.Add(Leaves{ID: 1, Leaves: make([]merkle.Node, 3)}.Append(nil))
	f.Add(AskCopies{AskLeaves{ID: 1, First: 300, Count: 4, Nodes: []uint64{7}}, []Span{{1, 90}, {100, 7}}}.Append(nil))
	f.Add(Copies{ID: 1, Copies: []Copy{{0, 3, 7}, {4, 2, 1}}, Leaves: make([]merkle.Node, 1)}.Append(nil))
	f.Add(AskRuns{ID: 1, First: 300, Count: 4}.Append(nil))
	f.Add(Runs{ID: 1, Counts: []uint64{3, 300}}.Append(nil))
	f.Add(body(f, Blocks{ID: 7, Pieces: []Piece{pack([][]byte{[]byte("ab\n"), []byte("cde\n")}, true), pack([][]byte{bytes.Repeat([]byte("x"), 999)}, true)}}))
	f.Add(AskDeltas{AskBlocks{ID: 1, Spans: []Span{{300, 3}}}, true, []Span{{1, 90}, {100, 7}}}.Append(nil))
	f.Add(body(f, Blocks{ID: 7, Pieces: []Piece{{Delta: true, Base: 5, Count: 1, Raw: 3000, Lengths: []uint32{3000}, Payload: deltaOf(f, make([]byte, 3000), []byte("base"))}}}))
	if piece, ok := PackMap(mapped(7, 90), []Span{{7, 90}}, knows); ok {
		f.Add(body(f, Blocks{ID: 7, Pieces: []Piece{piece}}))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := DecodeAskDeltas(b); err == nil {
			if again, err := DecodeAskDeltas(m.Append(nil)); err != nil || !reflect.DeepEqual(again, m) || len(m.Held) > MaxHeld {
				t.Errorf("%+v is also %+v, %v", m, again, err)
			}
		}
		if m, err := DecodeAskBlocks(b); err == nil {
			if again, err := DecodeAskBlocks(m.Append(nil)); err != nil || !reflect.DeepEqual(again, m) || m.Count() > MaxBlocks {
				t.Errorf("%+v is also %+v, %v", m, again, err)
			}
		}
		if m, err := DecodeAskLeaves(b); err == nil {
			if again, err := DecodeAskLeaves(m.Append(nil)); err != nil || !reflect.DeepEqual(again, m) {
				t.Errorf("%+v is also %+v, %v", m, again, err)
			}
		}
		if m, err := DecodeLeaves(b); err == nil {
			if again, err := DecodeLeaves(m.Append(nil)); err != nil || !reflect.DeepEqual(again, m) {
				t.Errorf("%+v is also %+v, %v", m, again, err)
			}
		}
		if m, err := DecodeAskCopies(b); err == nil {
			if again, err := DecodeAskCopies(m.Append(nil)); err != nil || !reflect.DeepEqual(again, m) || len(m.Held) > MaxHeld {
				t.Errorf("%+v is also %+v, %v", m, again, err)
			}
		}
		if m, err := DecodeCopies(b); err == nil {
			if again, err := DecodeCopies(m.Append(nil)); err != nil || !reflect.DeepEqual(again, m) || m.Count() > MaxLeaves {
				t.Errorf("%+v is also %+v, %v", m, again, err)
			}
		}
		if m, err := DecodeAskRuns(b); err == nil {
			if again, err := DecodeAskRuns(m.Append(nil)); err != nil || again != m {
				t.Errorf("%+v is also %+v, %v", m, again, err)
			}
		}
		if m, err := DecodeRuns(b); err == nil {
			if again, err := DecodeRuns(m.Append(nil)); err != nil || !reflect.DeepEqual(again, m) || len(m.Counts) > MaxRuns {
				t.Errorf("%+v is also %+v, %v", m, again, err)
			}
		}
		m, err := DecodeBlocks(b)
		if err != nil {
			return
		}
		raw, count := m.Size()
		blocks, err := m.UnpackWith(lending{
			base:    func(uint64) ([]byte, error) { return []byte("base"), nil },
			held:    []Span{{0, 1 << 20}},
			lengths: func(block uint64) (int, error) { return lengthOf(block), nil },
		})
		if err != nil {
			return
		}
		for _, block := range blocks {
			raw -= len(block)
		}
		if raw != 0 || len(blocks) != count {
			t.Errorf("%d blocks, %d bytes left", len(blocks), raw)
		}
		if again, err := DecodeBlocks(body(t, m)); err != nil || !reflect.DeepEqual(again, m) {
			t.Errorf("%+v is also %+v, %v", m, again, err)
		}
	})
}

// Who answers no question refuses it by the id, whatever it asks.
func TestQuestionID(t *testing.T) {
	leaves := AskLeaves{ID: 300, First: 9, Count: 4}
	blocks := AskBlocks{ID: 300, Spans: []Span{{First: 9, Count: 4}}}
	held := []Span{{First: 0, Count: 3}}
	for name, question := range map[string][]byte{
		"leaves?": leaves.Append(nil),
		"blocks?": blocks.Append(nil),
		"copies?": AskCopies{AskLeaves: leaves, Held: held}.Append(nil),
		"deltas?": AskDeltas{AskBlocks: blocks, Held: held}.Append(nil),
		"runs?":   AskRuns{ID: 300, First: 9, Count: 4}.Append(nil),
	} {
		if id, err := QuestionID(question); id != 300 || err != nil {
			t.Errorf("%s: %d, %v", name, id, err)
		}
	}
	if _, err := QuestionID(nil); !errors.Is(err, ErrMessage) {
		t.Errorf("an empty one: %v", err)
	}
}
