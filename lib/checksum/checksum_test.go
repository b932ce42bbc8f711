package checksum

import (
	"hash/crc32"
	"math/rand/v2"
	"testing"
)

func random(seed uint64, n int) []byte {
	r, b := rand.New(rand.NewPCG(seed, 1)), make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func TestCombineIsTheChecksumOfTheWhole(t *testing.T) {
	whole := random(1, 300_000)
	want := crc32.Checksum(whole, crc32.MakeTable(crc32.Castagnoli))
	for _, at := range []int{0, 1, 7, 255, 256, 257, 65535, 65536, 65537, 131_072, 299_999, 300_000} {
		front, back := Of(whole[:at]), Of(whole[at:])
		if got := Combine(front.CRC, back.CRC, len(whole)-at); got != want {
			t.Errorf("cut at %d: %08x, want %08x", at, got, want)
		}
		if got := front.Then(back, len(whole)-at); got != (Sum{want, true}) {
			t.Errorf("cut at %d: %v, want %08x", at, got, want)
		}
	}
}

// The check value of CRC-32C is that of the digits, as in catalogues of CRCs.
func TestCombineCheckValue(t *testing.T) {
	sum := Of(nil)
	for _, digit := range []byte("123456789") {
		sum = sum.Then(Of([]byte{digit}), 1)
	}
	if sum.CRC != 0xe3069283 {
		t.Errorf("%08x", sum.CRC)
	}
}

// Lengths that do not fit into memory: zeros can be appended to a checksum in any steps.
func TestCombineLongLengths(t *testing.T) {
	zeros := crc32.Checksum(make([]byte, 1<<20), crc32.MakeTable(crc32.Castagnoli))
	sum, n := zeros, 1<<20
	for range 14 { // doubled, up to 16 GiB
		sum, n = Combine(sum, sum, n), 2*n
	}
	const extra = 12345
	rest := crc32.Checksum(make([]byte, extra), crc32.MakeTable(crc32.Castagnoli))
	if a, b := Combine(rest, sum, n), Combine(sum, rest, extra); a != b {
		t.Errorf("%08x and %08x", a, b)
	}
}

func TestWhatIsNotKnownStaysSo(t *testing.T) {
	if got := Of([]byte("a")).Then(Sum{}, 1); got.Known {
		t.Error(got)
	}
	if got := (Sum{}).Then(Of([]byte("a")), 1); got.Known {
		t.Error(got)
	}
}

func BenchmarkCombine(b *testing.B) {
	for i := 0; b.Loop(); i++ {
		Combine(uint32(i), 7, 81_234)
	}
}
