package objects

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/klauspost/compress/zstd"

	"hc/lib/zstdframe"
)

// deltaOf returns the frame of a block whose dictionary is base.
func deltaOf(t testing.TB, block, base []byte) []byte {
	t.Helper()
	e, err := zstd.NewWriter(nil, zstd.WithEncoderCRC(false), zstd.WithEncoderDictRaw(zstdframe.Dictionary, base))
	if err != nil {
		t.Fatal(err)
	}
	return e.EncodeAll(block, nil)
}

// lending is a reader that lends some blocks.
type lending struct {
	base    func(uint64) ([]byte, error)
	held    []Span
	lengths func(uint64) (int, error)
}

func (l lending) Base(block uint64) ([]byte, error) { return l.base(block) }
func (l lending) Held() []Span                      { return l.held }
func (l lending) Length(block uint64) (int, error)  { return l.lengths(block) }

// The example of FORMAT.md, and a block that comes as what it differs from another, beside one that does not.
func TestDeltas(t *testing.T) {
	ask := AskDeltas{AskBlocks{ID: 9, Spans: []Span{{304, 1}}}, false, []Span{{0, 260}}}
	if got := hex.EncodeToString(ask.Append(nil)); got != "09000001fd300101000100fd0401" {
		t.Errorf("deltas? is %s", got)
	}
	if got, err := DecodeAskDeltas(ask.Append(nil)); err != nil || !reflect.DeepEqual(got, ask) {
		t.Errorf("%+v, %v", got, err)
	}
	piece := Piece{Delta: true, Base: 252, Count: 1, Raw: 3000, Lengths: []uint32{3000}, Payload: make([]byte, 5)}
	if got := hex.EncodeToString(Blocks{ID: 9, Pieces: []Piece{piece}}.Head()); got != "0900010401fdb80bfc05" {
		t.Errorf("blocks is %s", got)
	}

	base := make([]byte, 5000)
	_, _ = rand.NewChaCha8([32]byte{3}).Read(base)
	block := append(bytes.Clone(base[1000:]), "and more"...)
	frame := deltaOf(t, block, base)
	if len(frame) > 100 {
		t.Fatalf("the delta has %d bytes", len(frame))
	}
	delta := Piece{Delta: true, Base: 7, Count: 1, Raw: len(block), Lengths: []uint32{uint32(len(block))}, Payload: frame}
	m, err := DecodeBlocks(body(t, Blocks{ID: 1, Pieces: []Piece{pack([][]byte{[]byte("first")}, true), delta, pack([][]byte{[]byte("last")}, true)}}))
	if err != nil || !reflect.DeepEqual(m.Pieces[1], delta) {
		t.Fatalf("%+v, %v", m, err)
	}
	got, err := m.UnpackWith(lending{base: func(number uint64) ([]byte, error) {
		if number != 7 {
			t.Errorf("the base is said to be block %d", number)
		}
		return base, nil
	}})
	if err != nil || !reflect.DeepEqual(got, [][]byte{[]byte("first"), block, []byte("last")}) {
		t.Errorf("%d blocks, %v", len(got), err)
	}
	if _, err := m.Unpack(); !errors.Is(err, ErrMessage) {
		t.Errorf("a delta without a base: %v", err)
	}
	gone := errors.New("gone")
	if _, err := m.UnpackWith(lending{base: func(uint64) ([]byte, error) { return nil, gone }}); !errors.Is(err, gone) || errors.Is(err, ErrMessage) {
		t.Errorf("a base that is not here: %v", err)
	}
	other := func(uint64) ([]byte, error) { return base[:50], nil }
	if _, err := m.UnpackWith(lending{base: other}); !errors.Is(err, ErrMessage) {
		t.Errorf("a base that is too short: %v", err)
	}
}

func TestDeltasRefused(t *testing.T) {
	good := Piece{Delta: true, Base: 7, Count: 1, Raw: 1000, Lengths: []uint32{1000}, Payload: make([]byte, 9)}
	for name, change := range map[string]func(*Piece){
		"two blocks":      func(p *Piece) { p.Count, p.Lengths = 2, []uint32{500, 500} },
		"no block":        func(p *Piece) { p.Count = 0 },
		"nothing is less": func(p *Piece) { p.Payload = make([]byte, 1000) },
		"beyond all logs": func(p *Piece) { p.Base = 1 << 52 },
		"more than may":   func(p *Piece) { p.Raw = MaxBlock + 1 },
	} {
		p := good
		change(&p)
		if m, err := DecodeBlocks(body(t, Blocks{ID: 1, Pieces: []Piece{p}})); !errors.Is(err, ErrMessage) {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
	for _, kind := range []byte{5, 6, 7, 9, 12, 16} { // with other kinds
		b := body(t, Blocks{ID: 1, Pieces: []Piece{good}})
		b[3] = kind
		if m, err := DecodeBlocks(b); !errors.Is(err, ErrMessage) {
			t.Errorf("kind %d: %+v, %v", kind, m, err)
		}
	}
	bomb := good
	bomb.Payload = deltaOf(t, make([]byte, 1<<20), make([]byte, 5000))
	if len(bomb.Payload) >= bomb.Raw {
		t.Fatalf("the frame has %d bytes", len(bomb.Payload))
	}
	m, err := DecodeBlocks(body(t, Blocks{ID: 1, Pieces: []Piece{bomb}}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.UnpackWith(lending{base: func(uint64) ([]byte, error) { return make([]byte, 5000), nil }}); !errors.Is(err, ErrMessage) {
		t.Errorf("more bytes than it says: %v", err)
	}
	for name, held := range map[string][]Span{"nothing is held": nil, "held spans that touch": {{5, 1}, {6, 1}}, "held beyond every log": {{5, 1 << 52}}} {
		if _, err := DecodeAskDeltas(AskDeltas{AskBlocks{Spans: []Span{{0, 1}}}, false, held}.Append(nil)); !errors.Is(err, ErrMessage) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := DecodeAskDeltas(append(AskDeltas{AskBlocks{Spans: []Span{{0, 1}}}, false, []Span{{0, 1}}}.Append(nil), 0)); !errors.Is(err, ErrMessage) {
		t.Errorf("a byte behind it: %v", err)
	}
}
