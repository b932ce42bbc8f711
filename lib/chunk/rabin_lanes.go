package chunk

import "math"

// A kernel looks for the first hit in lanes of the content, neighbouring stretches of equal length, all at once; the
// fingerprints of all lanes lie byte by byte in vectors. It costs as much as one lane over all of it, divided by seven
// to twenty, wherever the hit is: what lies in lanes behind it is looked at in vain, unless the hit is in the first lane.
type kernel struct {
	lanes int
	// find returns how many bytes behind the first window of data[:Window+lanes*steps] the first hit ends that is not of that
	// window, or 0. t is made of a cutter's tables. Steps are a multiple of 16, above 0.
	find func(t *sliced, data *byte, steps int) int
}

// kernels are those in assembly that run here, from the slowest. In plain Go slices take longer than one lane.
var kernels []kernel

const (
	// columns is what a kernel reads of each lane at once, and what steps are a multiple of.
	columns = 16
	// maxSteps bounds the time in a kernel: in assembly no goroutine can be stopped.
	maxSteps = 1024
	// nearSliced is the bytes up to which one lane finds a hit faster than a kernel.
	nearSliced = 512
	// sliceable is the least average for which a kernel is of use: hits that are denser are too near.
	sliceable = 1 << 10
)

// sliceCount is the bytes of a fingerprint, and maskSlices those of them that an average's mask can reach into.
const (
	sliceCount = (degree + 7) / 8
	maskSlices = 3
)

// sliced is what a step does to each byte of a fingerprint, for fingerprints that lie in slices. The assembly knows it.
type sliced struct {
	push [sliceCount]uint64 // matrices: of byte k of rabinTables.push
	out  [sliceCount]uint64 // and of rabinTables.out
	top  [2]uint64          // of what bytes 5 and 6 are of the 8 highest bits
	// nibbles are, for byte k, the values of push for the lower and for the upper half of a byte, and those of out.
	nibbles [sliceCount][4][16]byte
	mask    [maskSlices][32]byte // byte k of the cutter's mask, over and over
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
// counts for bit 7-j of the value.
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

// slicedSteps returns how long lanes should be at first, and at most, to look for hits as far apart as average: long ones
// waste what is behind a hit, short ones the half steps that fill their first windows. With the longest, either costs as
// much as the other; but in many tars and tables hits are near.
func slicedSteps(lanes, average int) (least, most int) {
	steps := math.Sqrt(float64(average * Window / lanes))
	bounded := func(steps float64) int { return min(max(int(steps)/columns*columns, columns), maxSteps) }
	return bounded(steps / 4), bounded(steps)
}

// scanSliced looks for the first hit of buf behind from by a kernel. If it finds none it returns 0 and how far it has
// looked: what is left is too short for the kernel.
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
