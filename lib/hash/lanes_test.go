package hash

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"golang.org/x/crypto/blake2b"
)

// onEachPath calls do with each kernel alone, with their twin in plain Go, and with all kernels of this processor.
func onEachPath(do func(path string)) {
	fast := kernels
	defer func() { kernels = fast }()
	for lanes := maxLanes / 2; lanes <= maxLanes; lanes *= 2 {
		kernels = []kernel{{lanes, func(v *vectors, blocks int) { compressGeneric(v, blocks, lanes) }}}
		do(fmt.Sprintf("path=generic/lanes=%d", lanes))
	}
	for i, k := range fast {
		kernels = []kernel{k}
		do(fmt.Sprintf("path=assembly/kernel=%d/lanes=%d", i, k.lanes))
	}
	kernels = fast
	do("path=own")
}

func runOnEachPath(t *testing.T, test func(t *testing.T)) {
	onEachPath(func(path string) { t.Run(path, test) })
}

// reference is the expected leaf of a block, from a function that nothing here uses.
func reference(block []byte) Digest {
	message := binary.LittleEndian.AppendUint64([]byte{0}, uint64(len(block)))
	return blake2b.Sum256(append(message, block...))
}

func checkLeaves(t *testing.T, blocks [][]byte) {
	t.Helper()
	got := make([]Digest, len(blocks)+1)
	Leaves(got, blocks)
	for i, block := range blocks {
		if want := reference(block); got[i] != want {
			t.Fatalf("Leaves: %d of %d, %d bytes, is %v, want %v", i, len(blocks), len(block), got[i], want)
		}
	}
	if got[len(blocks)] != (Digest{}) {
		t.Fatalf("Leaves of %d blocks wrote one more", len(blocks))
	}
}

// noise returns n bytes that depend on the seed, in a slice of their own capacity, at any alignment.
func noise(seed uint64, n int) []byte {
	random := rand.New(rand.NewPCG(seed, uint64(n)))
	b := make([]byte, n+64)
	for i := 0; i+8 <= len(b); i += 8 {
		binary.LittleEndian.PutUint64(b[i:], random.Uint64())
	}
	at := random.IntN(57)
	return b[at : at+n : at+n]
}

func TestKernels(t *testing.T) {
	if len(kernels) == 0 {
		t.Skip("there is no assembly for this processor")
	}
	random := rand.New(rand.NewPCG(1, 2))
	for _, k := range kernels {
		for blocks := 1; blocks <= 9; blocks++ {
			data := noise(1, maxLanes*blocks*blockSize)
			var fast vectors
			for i := range fast.h {
				for lane := range maxLanes {
					fast.h[i][lane] = random.Uint64()
				}
			}
			for lane := range maxLanes {
				fast.count[lane], fast.ending.step[lane], fast.ending.last[lane] = random.Uint64(), random.Uint64(), random.Uint64()
				fast.from[lane] = unsafe.Pointer(&data[lane*blocks*blockSize])
			}
			slow := fast
			k.compress(&fast, blocks)
			compressGeneric(&slow, blocks, k.lanes)
			if fast != slow {
				t.Fatalf("%d lanes, %d blocks: the assembly gives\n%x, plain Go\n%x", k.lanes, blocks, fast, slow)
			}
		}
	}
}

// TestLeavesEveryLength has each length in every lane, among equal and among other lengths.
func TestLeavesEveryLength(t *testing.T) {
	runOnEachPath(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(3, 4))
		step := 1
		if testing.Short() {
			step = 17
		}
		for n := 0; n <= 600; n += step {
			equal := make([][]byte, maxLanes)
			for i := range equal {
				equal[i] = noise(uint64(i), n)
			}
			checkLeaves(t, equal)
			for lane := range maxLanes {
				mixed := make([][]byte, maxLanes+lane)
				for i := range mixed {
					mixed[i] = noise(uint64(i), random.IntN(700))
				}
				mixed[lane] = equal[lane]
				checkLeaves(t, mixed)
			}
		}
	})
}

func TestLeavesEveryCount(t *testing.T) {
	runOnEachPath(t, func(t *testing.T) {
		for count := 0; count <= 17; count++ {
			for _, size := range []int{0, 1, 118, 119, 120, 247, 248, 1000, 5000} {
				t.Run(fmt.Sprintf("count=%d/size=%d", count, size), func(t *testing.T) {
					var equal, falling, rising [][]byte
					for i := range count {
						equal = append(equal, noise(uint64(i), size))
						falling = append(falling, noise(uint64(i), size*(count-i)))
						rising = append(rising, noise(uint64(i), size*i))
					}
					checkLeaves(t, equal)
					checkLeaves(t, falling)
					checkLeaves(t, rising)
				})
			}
		}
	})
}

// TestLeavesMixed has a long message end alone, after short ones, and more blocks in a row than one call takes.
func TestLeavesMixed(t *testing.T) {
	runOnEachPath(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(5, 6))
		rounds := 30
		if testing.Short() {
			rounds = 5
		}
		for range rounds {
			var blocks [][]byte
			for range 1 + random.IntN(12) {
				size := random.IntN(1 << (1 + random.IntN(20)))
				blocks = append(blocks, noise(random.Uint64(), size))
			}
			checkLeaves(t, blocks)
		}
		for at := range 6 {
			blocks := make([][]byte, 6)
			for i := range blocks {
				blocks[i] = noise(uint64(i), 100*i)
			}
			blocks[at] = noise(9, 1<<20)
			checkLeaves(t, blocks)
		}
	})
}

func TestLeavesOfOneArray(t *testing.T) {
	runOnEachPath(t, func(t *testing.T) {
		data := noise(7, 10000)
		checkLeaves(t, [][]byte{data, data[:5000], data[1:], data, nil, data[9999:], data[10000:]})
	})
}

func TestLanesKeepNoReference(t *testing.T) {
	runOnEachPath(t, func(t *testing.T) {
		if len(kernels) == 0 {
			t.Skip("there is no assembly for this processor")
		}
		for _, sizes := range [][]int{{9000, 9000}, {100, 100, 100, 100, 100}, {9000, 10, 10, 10, 10, 20000}} {
			l := new(lanes)
			var blocks [][]byte
			for i, size := range sizes {
				blocks = append(blocks, noise(uint64(i), size))
			}
			l.leaves(make([]Digest, len(blocks)), blocks)
			for i := range l.lane {
				if from := l.from[i]; l.lane[i].block != nil || from != nil && from != unsafe.Pointer(&l.stage[i]) {
					t.Errorf("after blocks of %v bytes lane %d points to one", sizes, i)
				}
			}
		}
	})
}

func TestParents(t *testing.T) {
	runOnEachPath(t, func(t *testing.T) {
		for count := 0; count <= 35; count++ {
			sizes, children := make([]uint64, count), make([]Digest, 2*count)
			random := rand.New(rand.NewPCG(8, uint64(count)))
			for i := range children {
				children[i] = reference(noise(uint64(i), count))
			}
			want := make([]Digest, count+1)
			for i := range sizes {
				sizes[i] = random.Uint64()
				message := binary.LittleEndian.AppendUint64([]byte{1}, sizes[i])
				message = append(append(message, children[2*i][:]...), children[2*i+1][:]...)
				want[i] = blake2b.Sum256(message)
			}
			got := make([]Digest, count+1)
			Parents(got, sizes, children)
			if !slices.Equal(got, want) {
				t.Fatalf("Parents of %d pairs = %v, want %v", count, got, want)
			}
			Parents(children, sizes, children)
			if !slices.Equal(children[:count], want[:count]) {
				t.Fatalf("Parents of %d pairs, in their place = %v, want %v", count, children[:count], want[:count])
			}
		}
	})
}

// TestParentsBounds checks that wrong lengths panic before anything is written.
func TestParentsBounds(t *testing.T) {
	runOnEachPath(t, func(t *testing.T) {
		for _, c := range []struct{ dst, sizes, children int }{{3, 4, 8}, {4, 4, 7}, {0, 1, 2}, {1, 1, 1}} {
			dst := make([]Digest, c.dst)
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("Parents(%d digests, %d sizes, %d children) does not panic", c.dst, c.sizes, c.children)
					}
				}()
				Parents(dst, make([]uint64, c.sizes), make([]Digest, c.children))
			}()
			for _, d := range dst {
				if d != (Digest{}) {
					t.Errorf("Parents(%d digests, %d sizes, %d children) writes", c.dst, c.sizes, c.children)
				}
			}
		}
	})
}

// FuzzLeaves takes the lengths of the blocks, longer ones in steps of 64, and a seed for their content.
func FuzzLeaves(f *testing.F) {
	f.Add([]byte{}, uint64(0))
	f.Add([]byte{0, 1, 118, 119, 120, 247, 248}, uint64(1))
	f.Add([]byte{130, 2, 2, 2, 2, 2, 255, 255}, uint64(2))
	f.Fuzz(func(t *testing.T, lengths []byte, seed uint64) {
		var blocks [][]byte
		for i, length := range lengths[:min(len(lengths), 40)] {
			n := int(length)
			if n > 128 {
				n = (n - 126) * 64
			}
			blocks = append(blocks, noise(seed+uint64(i), n))
		}
		onEachPath(func(string) { checkLeaves(t, blocks) })
	})
}
