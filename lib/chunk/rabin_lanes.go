package chunk

import "math"

// A kernel looks for the first hit in lanes of the content, neighbouring stretches of equal length, all at once; the
// fingerprints of all lanes are laid out byte by byte in vectors. Wherever the hit is, it costs a seventh to a
// twentieth of a single lane over all of the content: unless the hit is in the first lane, the work on the lanes
// after it is wasted.
type kernel struct {
	lanes int
	// find returns how many bytes after the first window of data[:Window+lanes*steps] the first hit ends, not
	// counting that window, or 0. t is made of a cutter's tables. steps is a multiple of 16, above 0.
	find func(t *sliced, data *byte, steps int) int
}

// kernels are the assembly kernels that run on this processor, from the slowest to the fastest. In plain Go slices
// take longer than a single lane.
var kernels []kernel

const (
	// columns is how many bytes of each lane a kernel reads at once; steps are a multiple of it.
	columns = 16
	// maxSteps bounds the time in a kernel: a goroutine cannot be stopped in assembly.
	maxSteps = 1024
	// nearSliced is the number of bytes up to which a single lane finds a hit faster than a kernel.
	nearSliced = 512
	// sliceable is the least average for which a kernel is of use: denser hits are too near.
	sliceable = 1 << 10
)

// sliceCount is the number of bytes in a fingerprint, maskSlices the number of those that an average's mask can
// extend into.
const (
	sliceCount = (degree + 7) / 8
	maskSlices = 3
)

// sliced is the effect of a step on each byte of a fingerprint, for fingerprints in slices. The assembly relies on
// its layout.
type sliced struct {
	push [sliceCount]uint64 // matrices: of byte k of rabinTables.push
	out  [sliceCount]uint64 // and of rabinTables.out
	top  [2]uint64          // how bytes 5 and 6 make up the 8 highest bits
	// nibbles are, for byte k, the values of push for the lower and for the upper half of a byte, and those of out.
	nibbles [sliceCount][4][16]byte
	mask    [maskSlices][32]byte // byte k of the cutter's mask, repeated
}

func newSliced(t *rabinTables, mask uint64) *sliced {
	s := new(sliced)
	for k := range sliceCount {
		push := func(b byte) byte { return byte(t.push[b] >> unused >> (8 * k)) }
		out := func(b byte) byte { return byte(t.out[b] >> unused >> (8 * k)) }
		s.push[k], s.out[k] = matrix(push), matrix(out)
		for b := range byte(16) {
			n := &s.nibbles[k]
			n[0][b], n[1][b], n[2][b], n[3][b] = push(b), push(b<<4), out(b), out(b<<4)
		}
	}
	s.top[0] = matrix(func(b byte) byte { return b >> 5 })
	s.top[1] = matrix(func(b byte) byte { return b << 3 })
	for k := range s.mask {
		for i := range s.mask[k] {
			s.mask[k][i] = byte(mask >> unused >> (8 * k))
		}
	}
	return s
}

// matrix returns a linear function as a matrix for the processor: bit i of byte j says whether bit i of the argument
// contributes to bit 7-j of the value.
func matrix(f func(byte) byte) uint64 {
	var m uint64
	for i := range 8 {
		value := f(1 << i)
		for j := range 8 {
			m |= uint64(value>>(7-j)&1) << (8*j + i)
		}
	}
	return m
}

// slicedSteps returns how long lanes should be at first, and at most, to look for hits as far apart as average. Long
// lanes waste the work after a hit, short ones the half steps that fill their first windows. With the longest, both
// costs are equal; but in many tars and tables hits are near.
func slicedSteps(lanes, average int) (least, most int) {
	steps := math.Sqrt(float64(average * Window / lanes))
	bounded := func(steps float64) int { return min(max(int(steps)/columns*columns, columns), maxSteps) }
	return bounded(steps / 4), bounded(steps)
}

// scanSliced looks for the first hit of buf after from with a kernel. If it finds none it returns 0 and how far it
// has looked: the rest is too short for the kernel.
func (r *rabin) scanSliced(buf []byte, from int) (hit, scanned int) {
	lanes, steps := r.kernel.lanes, r.leastSteps
	for len(buf)-from >= lanes*columns {
		n := min(steps, (len(buf)-from)/lanes/columns*columns)
		if hit := r.kernel.find(r.sliced, &buf[from-Window], n); hit > 0 {
			return from + hit, from + hit
		}
		from += lanes * n
		steps = min(2*steps, r.mostSteps)
	}
	return 0, from
}
