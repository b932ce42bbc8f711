package proof

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"hc/lib/keys"
)

// stockLog is a log whose heads stock has signed.
type stockLog struct {
	*testLog
	fields map[uint64][]byte // signature fields by length
}

func (s *stockLog) Head(ctx context.Context) (Head, error) {
	h, err := s.testLog.Head(ctx)
	h.Signature = s.fields[h.Length]
	return h, err
}

func (s *stockLog) Next(ctx context.Context, after Head) (Head, error) {
	h, err := s.testLog.Next(ctx, after)
	h.Signature = s.fields[h.Length]
	return h, err
}

// Heads of every kind of core, as stock has signed them, go through a stream.
func TestStockHeads(t *testing.T) {
	data, err := os.ReadFile("../../tests/vectors/cores.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct {
		Cores []struct {
			Kind, Seed, Key, ManifestEncoded string
			Heads                            []struct {
				Length         uint64
				SignatureField string
			}
		}
	}
	if err := json.Unmarshal(data, &vectors); err != nil {
		t.Fatal(err)
	}
	if len(vectors.Cores) < 4 {
		t.Fatalf("%d cores", len(vectors.Cores))
	}
	blocks := stockBlocks(1000)
	for _, core := range vectors.Cores {
		var manifest []byte
		if core.Kind != "compat" {
			manifest = unhex(t, core.ManifestEncoded)
		}
		l := newLogOf(t, keys.SecretFromSeed([32]byte(unhex(t, core.Seed))), keys.Key(unhex(t, core.Key)), manifest, blocks...)
		s := &stockLog{testLog: l, fields: map[uint64][]byte{}}
		var lengths []uint64
		for _, h := range core.Heads {
			if h.SignatureField == "" {
				continue
			}
			s.fields[h.Length] = unhex(t, h.SignatureField)
			lengths = append(lengths, h.Length)
			l.heads = []uint64{h.Length}
			for _, c := range []Claim{{}, {Kind: KindHead}, {Kind: KindBlocks, From: h.Length - 1, To: Open}} {
				l.heads = []uint64{h.Length}
				var b bytes.Buffer
				if err := Write(t.Context(), &b, s, WriteOptions{Claim: c}); err != nil {
					t.Fatalf("%s, %d blocks: %v", core.Kind, h.Length, err)
				}
				l.verify(t, b.Bytes(), Options{Claim: &c, Key: ptr(l.Key())}, nil)
			}
		}
		if len(lengths) == 0 {
			t.Errorf("%s: no heads", core.Kind)
		}
		l.heads = append([]uint64{}, lengths...)
		var b bytes.Buffer
		if err := Write(t.Context(), &b, s, WriteOptions{Live: true}); err != nil {
			t.Fatalf("%s, live: %v", core.Kind, err)
		}
		if _, sum := l.verify(t, b.Bytes(), Options{}, nil); sum.Heads != uint64(len(lengths)) {
			t.Errorf("%s, live: %d heads, want %d", core.Kind, sum.Heads, len(lengths))
		}
	}
}

// stockBlocks returns the blocks of the vectors' cores.
func stockBlocks(n int) [][]byte {
	blocks := make([][]byte, n)
	for i := range blocks {
		blocks[i] = bytes.Repeat(fmt.Appendf(nil, "block-%d;", i), i%4)
	}
	return blocks
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Heads that several must sign, or nobody, as stock accepts them. Bytes that stock ignores do not get into a stream.
func TestStockManifests(t *testing.T) {
	data, err := os.ReadFile("../../tests/vectors/manifests.json")
	if err != nil {
		t.Fatal(err)
	}
	type log struct {
		Manifest, Key string
		Cases         []struct {
			What, SignatureField string
			Accepted             bool
		}
	}
	var vectors struct {
		Verify struct {
			Length             uint64
			Multisig, Prologue log
		}
	}
	if err := json.Unmarshal(data, &vectors); err != nil {
		t.Fatal(err)
	}
	length, accepted := vectors.Verify.Length, 0
	for _, core := range []log{vectors.Verify.Multisig, vectors.Verify.Prologue} {
		l := newLogOf(t, keys.Secret{}, keys.Key(unhex(t, core.Key)), unhex(t, core.Manifest), stockBlocks(int(length)+1)...)
		for _, c := range core.Cases {
			n := length
			switch c.What {
			case "shorter than the prologue":
				n--
			case "longer, no signature":
				n++
			}
			src := &givenHead{l, l.unsigned(n)}
			src.head.Signature = unhex(t, c.SignatureField)
			var b bytes.Buffer
			err := Write(t.Context(), &b, src, WriteOptions{})
			if !c.Accepted {
				if err == nil {
					l.verify(t, b.Bytes(), Options{}, ErrUnverified)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s: %v", c.What, err)
				continue
			}
			accepted++
			l.verify(t, b.Bytes(), Options{}, nil)
			s := sample{name: c.What, log: l, stream: b.Bytes(), out: span(l.blocks, 0, n)}
			s.flipAll(t)
		}
	}
	if accepted < 4 {
		t.Errorf("%d heads were accepted", accepted)
	}
}

// givenHead is a log with a foreign head.
type givenHead struct {
	*testLog
	head Head
}

func (g *givenHead) Head(context.Context) (Head, error) { return g.head, nil }
