package secretstream

import "math/bits"

// The MAC in lanes. With four of them, each takes every fourth block and multiplies by r⁴, but at the end by r⁴, r³, r² or r,
// so that the lanes add up to the MAC's sum. Kernels have numbers in limbs of less than 64 bits, so that carries can wait.
// The slow twin of all this is [poly.blocks].

// polyLanes has the input and output of a kernel, except for the blocks.
type polyLanes struct {
	powers [3][8]uint64 // words lo, mid and hi of the powers of r at the end; until then all lanes use the first
	before number
	after  [5]uint64 // limbs, each the sum of the lanes', which may be up to four bits longer
}

// lanes is how many lanes the MAC has.
func (p path) lanes() int {
	if p == ifma {
		return 8
	}
	return 4
}

// groups adds groups of as many blocks as a path has lanes, and returns the bytes after the last whole one. v has the powers.
func (p *poly) groups(by path, v *polyLanes, b []byte) (rest []byte) {
	size := by.lanes() * macSize
	for len(b) >= size {
		n := min(len(b), mostWide) / size * size
		v.before = p.h
		by.add(v, &b[0], n/size)
		if by == ifma {
			p.h = v.sum44()
		} else {
			p.h = v.sum26()
		}
		b = b[n:]
	}
	return b
}

// raise sets the powers. A kernel has the first half of a group's blocks in its even lanes, the second half in the odd ones.
func (v *polyLanes) raise(lanes int, r0, r1 uint64) {
	power := number{lo: r0, mid: r1}
	for block := lanes - 1; ; block-- {
		lane := 2*block%lanes + 2*block/lanes
		v.powers[0][lane], v.powers[1][lane], v.powers[2][lane] = power.lo, power.mid, power.hi
		if block == 0 {
			return
		}
		power = times(power, r0, r1)
	}
}

// sum44 returns the number made of three limbs of 44 bits.
func (v *polyLanes) sum44() number {
	l := &v.after
	lo, c := bits.Add64(l[0], l[1]<<44, 0)
	mid, c := bits.Add64(l[1]>>20, l[2]<<24, c)
	return folded(lo, mid, l[2]>>40+c, 0)
}

// sum26 returns the number made of five limbs of 26 bits.
func (v *polyLanes) sum26() number {
	l := &v.after
	lo, c := bits.Add64(l[0]+l[1]<<26, l[2]<<52, 0)
	mid, c := bits.Add64(l[2]>>12+l[3]<<14, l[4]<<40, c)
	return folded(lo, mid, l[4]>>24+c, 0)
}
