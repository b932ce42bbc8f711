package secretstream

import (
	"bytes"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	//lint:ignore SA1019 it is what the MAC in lanes is compared with
	"golang.org/x/crypto/poly1305"
)

// prime is 2¹³⁰ - 5.
var prime = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 130), big.NewInt(5))

// littleEndian returns the number that b has.
func littleEndian(b []byte) *big.Int {
	b = bytes.Clone(b)
	slices.Reverse(b)
	return new(big.Int).SetBytes(b)
}

// polyByBook is the MAC as RFC 8439, 2.5, has it, by numbers of any size.
func polyByBook(key *[32]byte, message []byte) []byte {
	r := littleEndian(key[:16])
	r.And(r, littleEndian([]byte{255, 255, 255, 15, 252, 255, 255, 15, 252, 255, 255, 15, 252, 255, 255, 15}))
	sum := new(big.Int)
	for len(message) > 0 {
		n := min(len(message), macSize)
		sum.Add(sum, littleEndian(append(bytes.Clone(message[:n]), 1)))
		sum.Mod(sum.Mul(sum, r), prime)
		message = message[n:]
	}
	sum.Add(sum, littleEndian(key[16:]))
	mac := sum.FillBytes(make([]byte, 24))
	slices.Reverse(mac)
	return mac[:macSize]
}

// polyBy is the MAC by the kernel of a path, and by its twin for what that leaves.
func polyBy(p path, key *[32]byte, message []byte) []byte {
	mac, h := make([]byte, macSize), newPoly(key)
	if p != generic {
		message = addGroups(h, p, message)
	}
	h.finish(message, mac)
	return mac
}

// addGroups adds whole groups by the kernel of a path.
func addGroups(h *poly, p path, message []byte) (rest []byte) {
	var v polyLanes
	v.raise(p.lanes(), h.r[0], h.r[1])
	return h.groups(p, &v, message)
}

func checkPoly(t *testing.T, key *[32]byte, message []byte) {
	t.Helper()
	h := poly1305.New(key)
	h.Write(message)
	want := h.Sum(nil)
	for _, p := range paths()[1:] {
		if got := polyBy(p, key, message); !bytes.Equal(got, want) {
			t.Fatalf("%v: len=%d key=%x: MAC %x, want %x", p, len(message), key, got, want)
		}
	}
}

// extremeKeys are those whose carries are the longest, the shortest, and few.
func extremeKeys() [][32]byte {
	var ones, one, top [32]byte
	for i := range ones {
		ones[i] = 0xff
	}
	one[0] = 1
	copy(one[16:], ones[16:])
	top[15] = 0x0f
	return [][32]byte{{}, ones, one, top}
}

func TestPolyIsThatOfTheBook(t *testing.T) {
	rng := rand.NewChaCha8([32]byte{2})
	keys := extremeKeys()
	for range 4 {
		var key [32]byte
		rng.Read(key[:])
		keys = append(keys, key)
	}
	for _, key := range keys {
		for n := 0; n <= 700; n++ {
			random, ones := make([]byte, n), bytes.Repeat([]byte{0xff}, n)
			rng.Read(random)
			for _, message := range [][]byte{random, ones, make([]byte, n)} {
				want := polyByBook(&key, message)
				for _, p := range paths()[1:] {
					if got := polyBy(p, &key, message); !bytes.Equal(got, want) {
						t.Fatalf("%v: len=%d key=%x: MAC %x, want %x", p, n, key, got, want)
					}
				}
			}
		}
	}
}

func TestPolyEveryLength(t *testing.T) {
	rng := rand.NewChaCha8([32]byte{3})
	room := make([]byte, 200<<10+64)
	rng.Read(room)
	keys := extremeKeys()
	lengths := []int{mostWide - 1, mostWide, mostWide + 1, mostWide + 128, 2*mostWide + 127}
	for n := range 4097 {
		lengths = append(lengths, n)
	}
	for range 40 {
		lengths = append(lengths, int(rng.Uint64()%(200<<10)))
	}
	for i, n := range lengths {
		key := keys[i%len(keys)]
		if i%2 == 0 {
			rng.Read(key[:])
		}
		checkPoly(t, &key, room[i%64:][:n])
		checkPoly(t, &key, bytes.Repeat([]byte{0xff}, n))
	}
}

// TestPolySumsAroundThePrime has messages whose sums, with r = 1, are from 5 below a multiple of 2¹³⁰ - 5 to 10 above it:
// each multiple that so many blocks reach, from each block on.
func TestPolySumsAroundThePrime(t *testing.T) {
	key := extremeKeys()[2]
	for _, blocks := range []int{4, 8, 12, 16, 24, 32, 40} {
		ends := new(big.Int).Lsh(big.NewInt(int64(blocks)), 128) // the 2¹²⁸ of each block
		for from := int64(-5); from <= 10; from++ {
			left := new(big.Int).Sub(big.NewInt(from), ends)
			reached := 0
			for left.Mod(left, prime); fill(left, blocks, 0) != nil; left.Add(left, prime) {
				reached++
				for first := range blocks {
					message := fill(left, blocks, first)
					if got, want := polyBy(generic, &key, message), polyByBook(&key, message); !bytes.Equal(got, want) {
						t.Fatalf("in Go: blocks=%d, %+d: MAC %x, want %x", blocks, from, got, want)
					}
					checkPoly(t, &key, message)
				}
			}
			if reached == 0 {
				t.Errorf("blocks=%d reach no multiple%+d", blocks, from)
			}
		}
	}
}

// fill returns so many blocks that add up to a sum, as much as possible in each from a first one on; nil if there is none.
func fill(sum *big.Int, blocks, first int) []byte {
	left, most := new(big.Int).Set(sum), littleEndian(bytes.Repeat([]byte{0xff}, macSize))
	message := make([]byte, blocks*macSize)
	for i := range blocks {
		part := left
		if left.Cmp(most) > 0 {
			part = most
		}
		b := part.FillBytes(make([]byte, macSize))
		slices.Reverse(b)
		copy(message[(first+i)%blocks*macSize:], b)
		left = new(big.Int).Sub(left, part)
	}
	if left.Sign() != 0 {
		return nil
	}
	return message
}

// TestPolyGoesOnFromAnySum begins with the largest sums that a twin or a kernel may leave.
func TestPolyGoesOnFromAnySum(t *testing.T) {
	for _, p := range fast {
		for _, key := range extremeKeys() {
			for back := range uint64(20) {
				for groups := 1; groups <= 9; groups++ {
					start := newPoly(&key)
					start.h = number{1<<64 - 11 - back, 1<<64 - 1, 7} // 2¹³¹ - 11 - back
					message := bytes.Repeat([]byte{0xff}, groups*8*macSize)
					want, got := *start, *start
					want.blocks(message)
					rest := addGroups(&got, p, message)
					mac, wantMAC := make([]byte, macSize), make([]byte, macSize)
					got.finish(rest, mac)
					want.finish(nil, wantMAC)
					if !bytes.Equal(mac, wantMAC) {
						t.Fatalf("%v: key=%x sum=2¹³¹-%d, %d groups: MAC %x, want %x", p, key, 11+back, groups, mac, wantMAC)
					}
				}
			}
		}
	}
}

// TestStreamKernels compares the kernels with their twin, from block numbers on whose next ones carry, wherever data begins.
func TestStreamKernels(t *testing.T) {
	rng := rand.NewChaCha8([32]byte{4})
	room := make([]byte, 5*widest+64)
	for _, p := range fast {
		for at := range 64 {
			var state [16]uint32
			for i := range state {
				state[i] = uint32(rng.Uint64())
			}
			copy(state[:], constants[:])
			state[12] = []uint32{0, 1, 1<<16 - 3, 1<<31 - 9, 1<<32 - 97}[at%5]
			groups := at%5 + 1
			rng.Read(room)
			want, wantState := bytes.Clone(room), state
			xorGeneric(&wantState, &want[at], groups*widest)
			p.xor(&state, &room[at], groups*widest/p.streamSize())
			if state != wantState || !bytes.Equal(room, want) {
				t.Fatalf("%v: at=%d block=%d groups=%d: differs", p, at, state[12], groups)
			}
			xorGeneric(&wantState, &want[at], few)
			p.xorFew(&state, &room[at])
			if state != wantState || !bytes.Equal(room, want) {
				t.Fatalf("%v: at=%d block=%d: few blocks differ", p, at, state[12])
			}
		}
	}
}

func FuzzPoly(f *testing.F) {
	for _, key := range extremeKeys() {
		f.Add(key[:], []byte{0xff}, uint16(1000))
		f.Add(key[:], []byte{0xfb, 0xff, 0xff}, uint16(257))
	}
	f.Fuzz(func(t *testing.T, keyBytes, pattern []byte, times uint16) {
		var key [32]byte
		copy(key[:], keyBytes)
		message := bytes.Repeat(pattern, int(times)%3000)
		checkPoly(t, &key, message)
		if len(message) < 1000 {
			if want := polyByBook(&key, message); !bytes.Equal(polyBy(generic, &key, message), want) {
				t.Fatalf("key=%x message=%x: not %x", key, message, want)
			}
		}
	})
}
