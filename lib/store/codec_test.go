package store

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"testing"
)

// Nothing that compresses is taken for random, and nothing random is tried.
func TestLooksRandom(t *testing.T) {
	random := make([]byte, 256<<10)
	for seed := range byte(50) {
		_, _ = rand.NewChaCha8([32]byte{seed}).Read(random)
		for _, size := range []int{32 << 10, 40_001, 64 << 10, 256 << 10} {
			if !looksRandom(random[:size]) {
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
		"251 bytes":         {bytes.Repeat(everyByte(251), 1<<10), false},
		"a long period":     {bytes.Repeat(random[:1<<10], 200), false},
		"half random":       {append(bytes.Clone(random[:64<<10]), make([]byte, 64<<10)...), false},
		"one stretch zeros": {append(make([]byte, 4<<10), random[:128<<10]...), false},
		"small":             {random[:1000], false}, // not worth a look
	} {
		if got := looksRandom(c.data); got != c.want {
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

func base64Of(data []byte) []byte { return []byte(base64.StdEncoding.EncodeToString(data)) }
