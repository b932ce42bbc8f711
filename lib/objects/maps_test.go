package objects

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"hc/lib/compact"
	"hc/lib/hyperdrive"
	"hc/lib/merkle"
)

// mapped is a block of a map of neighbouring blocks, of which one at a time is another.
func mapped(first, count int, others ...hyperdrive.Piece) []byte {
	var pieces []hyperdrive.Piece
	for block := first; block < first+count; block++ {
		pieces = append(pieces, hyperdrive.Piece{Block: uint64(block), Length: uint64(lengthOf(uint64(block)))})
	}
	return hyperdrive.EncodeMapBlock(append(pieces, others...))
}

// lengthOf is how long the blocks of these tests are.
func lengthOf(block uint64) int { return 70000 + int(block) }

func knows(block uint64) (int, bool) { return lengthOf(block), true }

// holding is a reader that holds these blocks.
func holding(held ...Span) lending {
	return lending{held: held, lengths: func(block uint64) (int, error) { return lengthOf(block), nil }}
}

// exampleMap is block 304 of FORMAT.md's example, of which blocks 0 to 259 are held.
var (
	exampleMap  = mapped(0, 258, hyperdrive.Piece{Block: 300, Length: 500})
	exampleHeld = []Span{{0, 260}}
)

// mapExample is the answer there.
func mapExample(t *testing.T) []byte {
	t.Helper()
	piece, ok := PackMap(exampleMap, exampleHeld, knows)
	if !ok {
		t.Fatal("the map is not told as one")
	}
	return body(t, Blocks{ID: 9, Pieces: []Piece{piece}})
}

func TestMapComesBack(t *testing.T) {
	ask := AskDeltas{AskBlocks{ID: 9, Spans: []Span{{304, 1}}}, true, exampleHeld}
	if got := hex.EncodeToString(ask.Append(nil)); got != "09000201fd300101000100fd0401" {
		t.Errorf("deltas? is %s", got)
	}
	if got, err := DecodeAskDeltas(ask.Append(nil)); err != nil || !reflect.DeepEqual(got, ask) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := DecodeAskBlocks(ask.AskBlocks.append(nil, flagMaps)); !errors.Is(err, ErrMessage) {
		t.Errorf("blocks? with maps: %v", err)
	}
	m, err := DecodeBlocks(mapExample(t))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := m.UnpackWith(holding(ask.Held...)); err != nil || !reflect.DeepEqual(got, [][]byte{exampleMap}) {
		t.Errorf("%d blocks, %v", len(got), err)
	}
	if _, err := m.Unpack(); !errors.Is(err, ErrMessage) {
		t.Errorf("of a reader who holds nothing: %v", err)
	}
	gone := errors.New("gone")
	lost := lending{held: ask.Held, lengths: func(uint64) (int, error) { return 0, gone }}
	if _, err := m.UnpackWith(lost); !errors.Is(err, gone) || errors.Is(err, ErrMessage) {
		t.Errorf("a length that is not known any more: %v", err)
	}
}

// Whatever a map lists comes out as it went in, or does not go as one.
func TestAnyMap(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	gone := 0
	for range 300 {
		var pieces []hyperdrive.Piece
		for range 1 + random.IntN(9) {
			first, held := random.Uint64N(1<<uint(1+random.IntN(40))), random.IntN(3) > 0
			for i := range random.Uint64N(400) {
				piece := hyperdrive.Piece{Block: first + i, Length: uint64(lengthOf(first + i))}
				if !held {
					piece.Length = random.Uint64N(1 << 30)
				}
				pieces = append(pieces, piece)
			}
		}
		block := hyperdrive.EncodeMapBlock(pieces)
		var held []Span
		for _, run := range hyperdrive.Runs(pieces) {
			if random.IntN(4) > 0 {
				held = append(held, Span{run.First, run.Count})
			}
		}
		piece, ok := PackMap(block, held, knows)
		if !ok {
			continue
		}
		gone++
		if len(piece.Payload) > len(block)/mapGain+5 {
			t.Errorf("%d bytes as %d", len(block), len(piece.Payload))
		}
		got, err := Blocks{Pieces: []Piece{piece}}.UnpackWith(holding(held...))
		if err != nil || len(got) != 1 || !bytes.Equal(got[0], block) {
			t.Fatalf("another map, %v", err)
		}
	}
	if gone < 20 {
		t.Errorf("%d of 300 maps went as such", gone)
	}
}

func TestNoMaps(t *testing.T) {
	all := []Span{{0, 1000}}
	good := mapped(0, 300)
	if _, ok := PackMap(good, all, knows); !ok {
		t.Fatal("the map is not told as one")
	}
	longer := slices.Insert(slices.Clone(good), 4, 0xfd, 0, 0) // a number that has a shorter spelling
	longer = slices.Delete(longer, 7, 8)
	if pieces, err := hyperdrive.DecodeMap(longer); err != nil || pieces[0].Block != 0 {
		t.Fatalf("%v, %v", pieces[0], err)
	}
	var beyond []hyperdrive.Piece
	for i := range uint64(300) {
		beyond = append(beyond, hyperdrive.Piece{Block: merkle.MaxLength + i, Length: 5})
	}
	random := make([]byte, 70000)
	_, _ = rand.NewChaCha8([32]byte{5}).Read(random)
	random[0] = 0
	for name, c := range map[string]struct {
		block  []byte
		held   []Span
		length func(uint64) (int, bool)
	}{
		"empty":            {nil, all, knows},
		"other bytes":      {random, all, knows},
		"spelt otherwise":  {longer, all, knows},
		"of other lengths": {good, all, func(block uint64) (int, bool) { return lengthOf(block) + int(block/299), true }},
		"unknown lengths":  {good, all, func(uint64) (int, bool) { return 0, false }},
		"nothing held":     {good, []Span{{500, 1}}, knows},
		"of very many":     {mapped(0, MaxMap/6), []Span{{0, MaxMap}}, knows},
		"beyond every log": {mapped(0, 0, beyond...), all, knows},
	} {
		if _, ok := PackMap(c.block, c.held, c.length); ok {
			t.Errorf("%s: told as a map", name)
		}
	}
}

func TestMapsRefused(t *testing.T) {
	held := []Span{{0, 1 << 40}}
	good, ok := PackMap(mapped(0, 300), held, knows)
	if !ok {
		t.Fatal("the map is not told as one")
	}
	half := good
	half.Raw = MaxMap/2 + 1
	if _, err := DecodeBlocks(body(t, Blocks{ID: 1, Pieces: []Piece{half, half}})); !errors.Is(err, ErrMessage) {
		t.Errorf("more than maps may have together: %v", err)
	}
	payload := func(numbers ...uint64) []byte {
		var b []byte
		for _, n := range numbers {
			b = compact.AppendUint(b, n)
		}
		return b
	}
	for name, change := range map[string]func(*Piece){
		"two blocks":          func(p *Piece) { p.Count, p.Lengths = 2, []uint32{500, uint32(p.Raw) - 500} },
		"more than may":       func(p *Piece) { p.Raw = MaxMap + 1 },
		"nothing is less":     func(p *Piece) { p.Payload = make([]byte, p.Raw) },
		"no payload":          func(p *Piece) { p.Payload = nil },
		"fewer bytes":         func(p *Piece) { p.Raw++ },
		"more bytes":          func(p *Piece) { p.Raw-- },
		"runs without end":    func(p *Piece) { p.Payload = payload(1, 0, 1<<50) },
		"many runs":           func(p *Piece) { p.Payload = payload(3, 0, 1000, 0, 1000, 0, 1000) },
		"runs that are lost":  func(p *Piece) { p.Payload = payload(9, 0, 300) },
		"beyond every log":    func(p *Piece) { p.Payload = payload(1, 1<<52, 3) },
		"a length too few":    func(p *Piece) { p.Payload = payload(1, 1<<41, 300) },
		"a length too many":   func(p *Piece) { p.Payload = payload(1, 0, 300, 7) },
		"counts that overrun": func(p *Piece) { p.Payload = payload(2, 0, 300, 0, 1<<64-300) },
	} {
		p := good
		change(&p)
		m, err := DecodeBlocks(body(t, Blocks{ID: 1, Pieces: []Piece{p}}))
		if err == nil {
			_, err = m.UnpackWith(holding(held...))
		}
		if !errors.Is(err, ErrMessage) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
