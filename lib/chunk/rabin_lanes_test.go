package chunk

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
)

// onEachPath calls do with each kernel alone, and with none, in plain Go. A cutter keeps the kernel with which it was
// made.
func onEachPath(do func(path string)) {
	all := kernels
	defer func() { kernels = all }()
	kernels = nil
	do("path=generic")
	for _, k := range all {
		kernels = []kernel{k}
		do(fmt.Sprintf("path=assembly/lanes=%d", k.lanes))
	}
}

func runOnEachPath(t *testing.T, test func(t *testing.T)) {
	onEachPath(func(path string) { t.Run(path, test) })
}

// firstHit is the twin of every kernel's find, in plain Go.
func (r *rabin) firstHit(data []byte) int {
	n, _ := r.scanLane(data, r.tables.fingerprint((*[Window]byte)(data)))
	return n
}

// checkKernel compares a kernel with its twin.
func checkKernel(t *testing.T, k kernel, r *rabin, data []byte, steps int) {
	t.Helper()
	data = data[:Window+k.lanes*steps]
	got, want := k.find(newSliced(r.tables, r.mask), &data[0], steps), r.firstHit(data)
	if got != want {
		t.Fatalf("%d lanes of %d steps, average %d: the assembly finds the first hit at %d, plain Go at %d",
			k.lanes, steps, r.mask>>unused+1, got, want)
	}
}

func TestKernels(t *testing.T) {
	if len(kernels) == 0 {
		t.Skip("there is no assembly for this processor")
	}
	dice := rand.New(rand.NewPCG(1, 2))
	noise := randomBytes(128<<10, 5)
	for _, k := range kernels {
		for average := sliceable; average <= 8<<20; average *= 2 {
			r := rabinCutter(t, Limits{Average: average}).(*rabin)
			for _, steps := range []int{16, 32, 48, 64, 80, 96, 160, maxSteps} {
				for range 4 {
					checkKernel(t, k, r, noise[dice.IntN(1<<10):], steps)
				}
			}
		}
	}
}

// TestKernelHits has a hit at every place of the first lanes and of the last one, alone and with others around it.
func TestKernelHits(t *testing.T) {
	const steps = 48
	r := rabinCutter(t, Limits{Average: 64 << 10}).(*rabin)
	for _, k := range kernels {
		size := Window + k.lanes*steps
		quiet := bytes.Repeat([]byte{1}, size)
		if n := r.firstHit(quiet); n != 0 {
			t.Fatalf("the quiet content has a hit at %d", n)
		}
		dice := rand.New(rand.NewPCG(3, 4))
		data := make([]byte, size)
		for at := 0; at+Window <= size; at++ {
			if at > 3*steps && at < size-2*Window-steps && at%29 > 0 {
				continue
			}
			copy(data, quiet)
			clear(data[at : at+Window])
			checkKernel(t, k, r, data, steps)
			for range 3 {
				other := dice.IntN(size - Window)
				clear(data[other : other+Window])
				checkKernel(t, k, r, data, steps)
			}
			clear(data[dice.IntN(size):]) // hits in all lanes from there on
			checkKernel(t, k, r, data, steps)
		}
	}
}

// contents are the inputs on which the paths are compared, of any length.
var contents = map[string]func(seed uint64, n int) []byte{
	"random": func(seed uint64, n int) []byte { return randomBytes(n, seed) },
	"zeros":  func(_ uint64, n int) []byte { return make([]byte, n) },
	"ones":   func(_ uint64, n int) []byte { return bytes.Repeat([]byte{255}, n) },
	"logs":   func(_ uint64, n int) []byte { return logBytes(n) },
	"period": func(seed uint64, n int) []byte {
		period := 1 + int(seed*seed%5000)
		return bytes.Repeat(randomBytes(period, seed), n/period+1)[:n]
	},
	"dense hits": func(seed uint64, n int) []byte { return planted(randomBytes(n, seed), Window+int(seed*977)%5000) },
	"files in 512-byte records": func(seed uint64, n int) []byte {
		dice := rand.New(rand.NewPCG(seed, 1))
		data, noise := make([]byte, n), randomBytes(n, seed)
		for i := 0; i < n; {
			size := dice.IntN(1 << (4 + dice.IntN(14)))
			i += copy(data[i:], noise[:min(size, n-i)])
			i += 512 - i%512 + 512*dice.IntN(3)
		}
		return data
	},
}

// resumedCuts returns the chunk lengths of data from calls of cutFrom that see more and more of it.
func resumedCuts(c Cutter, data []byte, seed uint64) (lengths []int) {
	dice := rand.New(rand.NewPCG(seed, 3))
	for len(data) > 0 {
		n := 0
		for seen, more := 0, 0; n == 0; seen = more {
			more = min(seen+dice.IntN(1<<dice.IntN(18)), len(data))
			n = c.(resumer).cutFrom(data[:more], seen, more == len(data))
		}
		lengths, data = append(lengths, n), data[n:]
	}
	return lengths
}

// TestRabinAnyLimits compares the paths with restic/chunker, whether a cutter is asked once per chunk, repeatedly, or
// by a Chunker, for random limits, lengths and reads.
func TestRabinAnyLimits(t *testing.T) {
	rounds := 40
	if testing.Short() || racing {
		rounds = 6
	}
	for name, content := range contents {
		t.Run(name, func(t *testing.T) {
			dice := rand.New(rand.NewPCG(7, uint64(len(name))))
			for range rounds {
				l := Limits{Average: 1 << (6 + dice.IntN(18))}
				l.Min = Window + dice.IntN(2*l.Average)
				l.Max = min(l.Min+dice.IntN(1<<(1+dice.IntN(20))), Largest)
				seed := uint64(1 + dice.IntN(1<<16))
				data := content(seed, dice.IntN(1<<(10+dice.IntN(11))))
				want := resticCuts(t, data, l)
				onEachPath(func(path string) {
					t.Run(fmt.Sprintf("%d,%d,%d/seed=%d,size=%d/%s", l.Average, l.Min, l.Max, seed, len(data), path), func(t *testing.T) {
						c := rabinCutter(t, l)
						compareCuts(t, cuts(c, data), want)
						compareCuts(t, resumedCuts(c, data, seed), want)
						ragged := &raggedReader{r: bytes.NewReader(data), dice: rand.New(rand.NewPCG(seed, 2))}
						var got []int
						for _, b := range chunksOf(t, New(ragged, c, 0), data) {
							got = append(got, len(b))
						}
						compareCuts(t, got, want)
					})
				})
			}
		})
	}
}

// TestRabinGolden has the cuts that restic/chunker v0.4.0 made in 2 MiB with Polynomial and the default limits. The
// content is defined by one line: byte i is the highest byte of i·i·0x9E3779B97F4A7C15.
func TestRabinGolden(t *testing.T) {
	data := make([]byte, 2<<20)
	for i := range uint64(len(data)) {
		data[i] = byte(i * i * 0x9E3779B97F4A7C15 >> 56)
	}
	want := []int{
		65943, 31536, 39682, 44789, 22143, 262144, 75849, 63166, 149779, 72675, 251304, 31328, 171712, 54666, 141088,
		43416, 16674, 49841, 66859, 43181, 20255, 18321, 238146, 122655,
	}
	if got := resticCuts(t, data, Limits{64 << 10, 16 << 10, 256 << 10}); !slices.Equal(got, want) {
		t.Fatalf("restic/chunker cuts %v, want %v", got, want)
	}
	runOnEachPath(t, func(t *testing.T) {
		if got := cuts(rabinCutter(t, Limits{}), data); !slices.Equal(got, want) {
			t.Errorf("cuts = %v, want %v", got, want)
		}
	})
}

// TestRabinWaitsForNothing checks that the Chunker reads no further than the longest chunk could reach before it
// returns one: data from a live pipe is not held back.
func TestRabinWaitsForNothing(t *testing.T) {
	runOnEachPath(t, func(t *testing.T) {
		l := Limits{Average: 4096, Min: 1024, Max: 8192}
		data := randomBytes(100_000, 8)
		r, w := io.Pipe()
		go func() {
			for i := range data {
				if _, err := w.Write(data[i : i+1]); err != nil {
					return
				}
			}
			_ = w.Close()
		}()
		counted := &countingReader{r: r}
		c := New(counted, rabinCutter(t, l), 0)
		for {
			offset := c.Offset()
			if _, err := c.Next(); err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			if limit := offset + uint64(l.Max); counted.n > limit {
				t.Fatalf("the chunk at byte %d came after %d bytes were read, want at most %d", offset, counted.n, limit)
			}
		}
		if counted.n != uint64(len(data)) {
			t.Fatalf("%d bytes were read, want %d", counted.n, len(data))
		}
	})
}

type countingReader struct {
	r io.Reader
	n uint64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += uint64(n)
	return n, err
}

// FuzzRabin compares all paths with restic/chunker on repeated content with bytes mixed in.
func FuzzRabin(f *testing.F) {
	f.Add([]byte("seed"), []byte{0}, uint32(200_000), uint8(10), uint16(64), uint32(70_000))
	f.Add([]byte{0, 0, 1}, make([]byte, Window), uint32(100_000), uint8(3), uint16(1), uint32(100))
	f.Add([]byte("abc"), []byte{}, uint32(300_000), uint8(6), uint16(4000), uint32(250_000))
	f.Fuzz(func(t *testing.T, pattern, planted []byte, size uint32, avg uint8, least uint16, most uint32) {
		l := Limits{Average: 1 << (6 + avg%18), Min: Window + int(least)}
		l.Max = min(l.Min+int(most%(1<<20)), Largest)
		data := make([]byte, size%(1<<19))
		noise := rand.New(rand.NewPCG(uint64(size), uint64(most)))
		for i := 0; i < len(data); {
			switch noise.IntN(3) {
			case 0:
				i += copy(data[i:], pattern) + 1
			case 1:
				i += copy(data[i:], planted) + 1
			default:
				i += copy(data[i:], randomBytes(noise.IntN(20_000), uint64(i)))
			}
		}
		want := resticCuts(t, data, l)
		onEachPath(func(string) {
			c := rabinCutter(t, l)
			compareCuts(t, cuts(c, data), want)
			compareCuts(t, resumedCuts(c, data, uint64(size)), want)
		})
	})
}
