package chunk

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"sync"
)

// gearSeed is hashed with a counter to make the gear table: entry i is the first 8 bytes, big-endian, of
// SHA-256(gearSeed ‖ byte(i)).
const gearSeed = "hc fastcdc gear 1"

// gearTables hold a random number for each value of a byte, and its double.
type gearTables struct {
	once, twice [256]uint64
}

var gear = sync.OnceValue(func() *gearTables {
	t := new(gearTables)
	for i := range t.once {
		sum := sha256.Sum256(append([]byte(gearSeed), byte(i)))
		t.once[i] = binary.BigEndian.Uint64(sum[:])
		t.twice[i] = t.once[i] << 1
	}
	return t
})

// fastCDC cuts where the gear hash of the last bytes has zeros at its top.
type fastCDC struct {
	gear             *gearTables
	small, large     uint64 // masks before and after the average
	min, normal, max int
}

// NewFastCDC returns the cutter of FastCDC in its version of 2020 (Xia et al., "The Design of Fast Content-Defined
// Chunking for Data Deduplication Based Storage Systems", IEEE TPDS 31(9)): gear hash, Min skipped, normalised
// chunking at level 2 (a mask of log2(Average)+2 bits before the average, of log2(Average)−2 after it), two bytes a
// round. The paper leaves the random gear table open, and its masks are for one average only: here the table is made
// from gearSeed, and a mask of n bits is bits 62 … 63−n, which depend on the most bytes.
func NewFastCDC(limits Limits) (Cutter, error) {
	l, err := limits.Resolved()
	if err != nil {
		return nil, err
	}
	n := bits.TrailingZeros(uint(l.Average))
	mask := func(n int) uint64 { return (1<<n - 1) << (63 - n) }
	normal := min(max(l.Average, l.Min), l.Max)
	return &fastCDC{gear: gear(), small: mask(n + 2), large: mask(n - 2), min: l.Min, normal: normal, max: l.Max}, nil
}

func (f *fastCDC) Max() int { return f.max }

func (f *fastCDC) Cut(buf []byte, eof bool) int { return f.cutFrom(buf, 0, eof) }

// worth is the size of a Chunker's reads.
func (f *fastCDC) worth() int { return mostRead }

func (f *fastCDC) cutFrom(buf []byte, from int, eof bool) int {
	end := min(len(buf), f.max)
	from = max(from, f.min)
	if end > from {
		n, hash := 0, f.roll(buf[max(from-64, f.min):from])
		if from < f.normal {
			n, hash = f.scan(buf[:min(end, f.normal)], from, hash, f.small)
		}
		if n == 0 && end > f.normal {
			n, _ = f.scan(buf[:end], max(from, f.normal), hash, f.large)
		}
		if n > 0 {
			return n
		}
	}
	if len(buf) >= f.max || eof {
		return end
	}
	return 0
}

// roll returns the hash of b. Bytes more than 64 back have been shifted out of it.
func (f *fastCDC) roll(b []byte) (hash uint64) {
	for _, c := range b {
		hash = hash<<1 + f.gear.once[c]
	}
	return hash
}

// scan rolls hash over buf[from:]. It returns the cut after the first byte at which all bits of mask are zero, or 0,
// and the hash at the end of what it scanned.
func (f *fastCDC) scan(buf []byte, from int, hash, mask uint64) (int, uint64) {
	once, twice := &f.gear.once, &f.gear.twice
	i := from
	for ; i < len(buf)-1; i += 2 {
		// Two steps h<<1 + g as one: the first is seen doubled, so its mask is, too.
		hash = hash<<2 + twice[buf[i]]
		if hash&(mask<<1) == 0 {
			return i + 1, hash
		}
		hash += once[buf[i+1]]
		if hash&mask == 0 {
			return i + 2, hash
		}
	}
	if i < len(buf) {
		hash = hash<<1 + once[buf[i]]
		if hash&mask == 0 {
			return i + 1, hash
		}
	}
	return 0, hash
}
