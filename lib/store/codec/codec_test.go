package codec

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"hc/lib/store/packlog"
	"hc/lib/store/records"
	"hc/lib/zstdframe"
)

// Compressible data never looks random, and random data is never tried.
func TestLooksRandom(t *testing.T) {
	random := make([]byte, 256<<10)
	for seed := range byte(50) {
		_, _ = rand.NewChaCha8([32]byte{seed}).Read(random)
		for _, size := range []int{32 << 10, 40_001, 64 << 10, 256 << 10} {
			if !LooksRandom(random[:size]) {
				t.Errorf("seed %d: %d random bytes do not look random", seed, size)
			}
		}
	}
	text := bytes.Repeat([]byte("the quick brown fox jumps over the lazy dog. "), 6000)
	rows := new(bytes.Buffer)
	for i := range 20_000 {
		fmt.Fprintf(rows, "%d,%x\n", i, random[i:i+3])
	}
	for name, c := range map[string]struct {
		data []byte
		want bool
	}{
		"zeros":             {make([]byte, 256<<10), false},
		"text":              {text, false},
		"rows":              {rows.Bytes(), false},
		"base64":            {base64Of(random), false},
		"random, repeated":  {bytes.Repeat(random[:1500], 100), false},
		"a ramp":            {bytes.Repeat(everyByte(256), 1<<10), false},
		"a gray ramp":       {bytes.Repeat(triples(everyByte(256)), 300), false},
		"251 bytes":         {bytes.Repeat(everyByte(251), 1<<10), false},
		"a long period":     {bytes.Repeat(random[:1<<10], 200), false},
		"half random":       {append(bytes.Clone(random[:64<<10]), make([]byte, 64<<10)...), false},
		"one stretch zeros": {append(make([]byte, 4<<10), random[:128<<10]...), false},
		"small":             {random[:1000], false}, // not worth examining
	} {
		if got := LooksRandom(c.data); got != c.want {
			t.Errorf("%s: looksRandom = %v, want %v", name, got, c.want)
		}
	}
}

// everyByte returns the bytes from 0 up, each once.
func everyByte(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

// triples returns each byte three times, as pixels of gray have it.
func triples(grays []byte) []byte {
	var b []byte
	for _, gray := range grays {
		b = append(b, gray, gray, gray)
	}
	return b
}

func base64Of(data []byte) []byte { return []byte(base64.StdEncoding.EncodeToString(data)) }

// A decoded frame stays within the room that its run declares, however much it decodes to.
func TestDecompressStaysInItsRoom(t *testing.T) {
	text := bytes.Repeat([]byte("10.0.0.1 - - [1764000000] \"GET / HTTP/1.1\" 200\n"), 12_000)
	for _, said := range []int{100, 50_000, zstdframe.Piece, zstdframe.Piece + 1, 200_000, 256 << 10, 300_000} {
		for _, more := range []int{-1, 0, 1, zstdframe.Slack, zstdframe.Slack + 1, zstdframe.Piece + zstdframe.Slack} {
			frame := CompressAnyway(nil, text[:said+more], Quick)
			memory := bytes.Repeat([]byte{0xA5}, zstdframe.Room(said)+64)
			got, err := Decompress(memory[:0], &records.Run{Codec: records.CodecZstd, Raw: said}, frame, nil)
			switch {
			case more != 0 && !errors.Is(err, packlog.ErrDamaged):
				t.Errorf("%d bytes in place of %d: error %v, want ErrDamaged", said+more, said, err)
			case more == 0 && (err != nil || !bytes.Equal(got, text[:said]) || &got[0] != &memory[0]):
				t.Errorf("%d bytes do not come back where they should: error %v", said, err)
			}
			if !bytes.Equal(memory[zstdframe.Room(said):], bytes.Repeat([]byte{0xA5}, 64)) {
				t.Errorf("%d bytes in place of %d: something was written behind their room", said+more, said)
			}
		}
	}
}

// A run in pieces looks as random as its bytes in a row.
func TestLooksRandomInPieces(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	seen := map[bool]int{}
	for range 300 {
		all := make([]byte, leastLook-1+random.IntN(200_000))
		for i := range all {
			all[i] = byte(random.Uint32())
		}
		for range random.IntN(3) { // some of the stretches repeat a byte
			at := random.IntN(len(all))
			clear(all[at:min(len(all), at+random.IntN(60_000))])
		}
		own := random.IntN(len(all))
		var more [][]byte
		for rest := all[own:]; len(rest) > 0; {
			n := min(len(rest), 1+random.IntN(1+random.IntN(40_000)))
			more, rest = append(more, rest[:n]), rest[n:]
		}
		want := LooksRandom(all)
		if seen[want]++; PiecesLookRandom(all[:own], more, len(all)) != want {
			t.Fatalf("%d bytes in %d pieces: %v, in a row %v", len(all), len(more), !want, want)
		}
	}
	if seen[true] < 20 || seen[false] < 20 {
		t.Errorf("the cases are one-sided: %v", seen)
	}
}

func FuzzRun(f *testing.F) {
	data := bytes.Repeat([]byte("a line\n"), 300)
	f.Add((&records.Run{Codec: records.CodecRaw, Short: true, Lines: true, Count: 300, Raw: len(data)}).Encode(), data, []byte(nil))
	f.Add((&records.Run{Codec: records.CodecZstd, Short: true, Lines: true, Count: 300, Raw: len(data)}).Encode(), Compress(nil, data, Thorough), []byte(nil))
	f.Add((&records.Run{Codec: records.CodecDelta, Short: true, Count: 1, Raw: len(data)}).Encode(), Compress(nil, data, Thorough), data)
	f.Fuzz(func(t *testing.T, meta, payload, base []byte) {
		m, err := records.DecodeRun(meta)
		if err != nil {
			return
		}
		raw, err := Decompress(nil, m, payload, base)
		if err != nil {
			return
		}
		ends, ok := m.Split(raw)
		if ok && len(ends) != m.Count {
			t.Fatal("a block is missing")
		}
		at := uint32(0)
		for _, end := range ends {
			_, at = raw[at:end], end
		}
	})
}

// Examining a run, of which there are thousands in each GiB, makes no garbage.
func TestLooksRandomAllocates(t *testing.T) {
	raw := make([]byte, 256<<10)
	rand.NewChaCha8([32]byte{}).Read(raw)
	pieces := [][]byte{raw[1000:50_000], raw[50_000:]}
	got := testing.AllocsPerRun(10, func() {
		if !LooksRandom(raw) || !PiecesLookRandom(raw[:1000], pieces, len(raw)) {
			t.Fatal("random bytes do not look so")
		}
	})
	if got > 0 {
		t.Errorf("%v allocations", got)
	}
}
