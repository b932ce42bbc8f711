package chunk

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"math/bits"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	restic "github.com/restic/chunker"
)

// randomBytes returns n bytes that are the same on each run.
func randomBytes(n int, seed uint64) []byte {
	b := make([]byte, n)
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	_, _ = rand.NewChaCha8(key).Read(b)
	return b
}

// sourceBytes returns the Go standard library's source files, concatenated: at least 64 MiB of real data.
var sourceBytes = sync.OnceValues(func() ([]byte, error) {
	const want = 64 << 20
	var all bytes.Buffer
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, err
	}
	root := filepath.Join(strings.TrimSpace(string(out)), "src")
	for all.Len() < want {
		before := all.Len()
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			data, err := os.ReadFile(path)
			all.Write(data)
			return err
		})
		if err != nil {
			return nil, err
		}
		if all.Len() == before {
			return nil, fmt.Errorf("%s holds no files", root)
		}
	}
	return all.Bytes(), nil
})

func source(t testing.TB) []byte {
	t.Helper()
	if testing.Short() || racing {
		return randomBytes(1<<20, 9)
	}
	b, err := sourceBytes()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func rabinCutter(t testing.TB, l Limits) Cutter {
	t.Helper()
	c, err := NewRabin(l)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// cuts returns the chunk lengths of data by repeated calls of Cut.
func cuts(c Cutter, data []byte) []int {
	var lengths []int
	for len(data) > 0 {
		n := c.Cut(data, true)
		lengths = append(lengths, n)
		data = data[n:]
	}
	return lengths
}

// resticCuts returns the chunk lengths that restic/chunker finds.
func resticCuts(t testing.TB, data []byte, l Limits) []int {
	t.Helper()
	c := restic.NewWithBoundaries(bytes.NewReader(data), restic.Pol(Polynomial), uint(l.Min), uint(l.Max))
	c.SetAverageBits(bits.TrailingZeros(uint(l.Average)))
	var lengths []int
	buf := make([]byte, 0, l.Max)
	for {
		next, err := c.Next(buf)
		if err == io.EOF {
			return lengths
		}
		if err != nil {
			t.Fatal(err)
		}
		lengths = append(lengths, int(next.Length))
	}
}

func compareCuts(t *testing.T, got, want []int) {
	t.Helper()
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Fatalf("chunk %d of %d has %d bytes, restic/chunker's has %d", i, len(want), got[i], want[i])
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%d chunks, restic/chunker finds %d", len(got), len(want))
	}
}

var rabinLimits = []Limits{
	{64 << 10, 16 << 10, 256 << 10},
	{8 << 10, 2 << 10, 64 << 10},
	{1 << 20, 512 << 10, 8 << 20},
	{256, 64, 1000},
	{4096, 65, 4097},
	{64, 64, 64},
	{32 << 10, 1000, 33333},
}

func TestRabinCutsAsRestic(t *testing.T) {
	size := 64 << 20
	if testing.Short() || racing {
		size = 2 << 20
	}
	inputs := map[string][]byte{
		"random": randomBytes(size, 1),
		"source": source(t),
		"zeros":  make([]byte, 3<<20+5),
	}
	for name, data := range inputs {
		for i, l := range rabinLimits {
			data := data
			if i > 0 {
				data = data[:min(len(data), 16<<20)]
			}
			t.Run(fmt.Sprintf("%s/avg=%d,min=%d,max=%d", name, l.Average, l.Min, l.Max), func(t *testing.T) {
				want := resticCuts(t, data, l)
				runOnEachPath(t, func(t *testing.T) { compareCuts(t, cuts(rabinCutter(t, l), data), want) })
			})
		}
	}
}

// Every length around the limits and around the four steps that the scan takes at once.
func TestRabinOddTails(t *testing.T) {
	data := randomBytes(4096, 2)
	copy(data[1000:], make([]byte, 700)) // zeros: every window is a cut
	for _, l := range []Limits{{256, 64, 300}, {64, 67, 1000}, {1024, 130, 131}} {
		for n := 0; n < 1200; n += 1 + n/300 {
			want := resticCuts(t, data[:n], l)
			onEachPath(func(string) { compareCuts(t, cuts(rabinCutter(t, l), data[:n]), want) })
		}
	}
}

// The four lanes against a single one, with hits at every place of a group, alone and together.
func TestRabinGroupsAsOneLane(t *testing.T) {
	c := rabinCutter(t, Limits{64 << 10, 64, Largest}).(*rabin)
	c.kernel = nil
	noise := randomBytes(64<<10, 4)
	quiet := bytes.Repeat([]byte{1}, Window+3*group+5) // never a hit
	start := c.tables.fingerprint((*[Window]byte)(quiet))
	if n, _ := c.scanLane(quiet, start); n != 0 {
		t.Fatalf("the quiet content has a hit at %d", n)
	}
	hit := make([]byte, Window) // zeros are one
	for i := range 2 * group {
		b := bytes.Clone(quiet)
		copy(b[i:], hit)
		if i%3 > 0 {
			copy(b[(i*7919)%(len(b)-Window):], hit)
		}
		if i%5 > 2 {
			copy(b[(i*104729)%(len(b)-Window):], noise[i:i+50])
		}
		b = b[:len(b)-i%9]
		want := Window
		if f := c.tables.fingerprint((*[Window]byte)(b)); f&c.mask != 0 {
			if want, _ = c.scanLane(b, f); want > 0 {
				want += Window
			}
		}
		c.lastNear.Store(false)
		if got := c.scan(b, Window); got != want {
			t.Fatalf("hit planted at %d: scan = %d, one lane says %d", i, got, want)
		}
	}
}

func TestRabinDefaults(t *testing.T) {
	got, err := Limits{}.Resolved()
	if want := (Limits{64 << 10, 16 << 10, 256 << 10}); err != nil || got != want {
		t.Fatalf("Limits{}.Resolved() = %v, %v, want %v", got, err, want)
	}
}

func TestRabinThroughReaders(t *testing.T) {
	data := randomBytes(3<<20+7, 3)
	l := Limits{8 << 10, 2 << 10, 32 << 10}
	want := resticCuts(t, data, l)
	for name, wrap := range readers {
		t.Run(name, func(t *testing.T) {
			var got []int
			for _, b := range chunksOf(t, New(wrap(bytes.NewReader(data)), rabinCutter(t, l), 0), data) {
				got = append(got, len(b))
			}
			compareCuts(t, got, want)
		})
	}
}

var readers = map[string]func(io.Reader) io.Reader{
	"whole":         func(r io.Reader) io.Reader { return r },
	"one byte":      iotest.OneByteReader,
	"half":          iotest.HalfReader,
	"data with EOF": iotest.DataErrReader,
	"random":        func(r io.Reader) io.Reader { return &raggedReader{r: r, dice: rand.New(rand.NewPCG(1, 2))} },
}

// raggedReader returns between 0 and 5000 bytes a read.
type raggedReader struct {
	r    io.Reader
	dice *rand.Rand
}

func (r *raggedReader) Read(p []byte) (int, error) {
	n := min(r.dice.IntN(5000), len(p))
	if n == 0 {
		return 0, nil
	}
	return r.r.Read(p[:n])
}

// chunksOf returns copies of c's chunks, whose concatenation must be want.
func chunksOf(t testing.TB, c *Chunker, want []byte) [][]byte {
	t.Helper()
	var all [][]byte
	var offset int
	for {
		if c.Offset() != uint64(offset) {
			t.Fatalf("Offset() = %d, want %d", c.Offset(), offset)
		}
		b, err := c.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(b) == 0 || offset+len(b) > len(want) || !bytes.Equal(b, want[offset:offset+len(b)]) {
			t.Fatalf("chunk %d at byte %d, of %d bytes, is not the input's", len(all), offset, len(b))
		}
		offset += len(b)
		all = append(all, bytes.Clone(b))
	}
	if offset != len(want) {
		t.Fatalf("chunks hold %d bytes of %d", offset, len(want))
	}
	return all
}
