package codec

import "bytes"

const (
	stretches = 8        // of a run that are looked at
	stretch   = 512      // bytes of each
	twiceSeen = 8        // bytes that do not come twice in a stretch by chance
	leastLook = 32 << 10 // the fewest bytes that are looked at
)

// LooksRandom reports whether the bytes of a large run are spread so evenly that trying to compress it is a waste, as it
// is for what is encrypted, or compressed well, already: a try costs a third of what hashing the run does. The index of
// coincidence over some stretches tells: its expectation for even bytes is n(n-1)/256, with a deviation of 0.55 % at this n. A period of
// up to 2 KiB, one stretch of text, or bytes that could be coded in 0.2 % less raise it by more than 2 %, and more than that is asked of
// a try. Counters, ramps and the colours of a gradient have every byte as often, which chance does not: they lower it by up to 6 %, or what
// begins a stretch comes again in it. Of 2,500 runs of random bytes one or so is tried. Looking at more bytes finds periods of some KiB and
// what is a small part of a run, of which there is next to nothing in real files, and costs more: four times as many took a quarter of what
// hashing does.
func LooksRandom(raw []byte) bool {
	if len(raw) < leastLook {
		return false
	}
	var looked [stretches][]byte
	for i := range looked {
		at := stretchBegin(i, len(raw))
		looked[i] = raw[at : at+stretch]
	}
	return evenlySpread(&looked)
}

// PiecesLookRandom is LooksRandom of bytes that stand in pieces, size in all.
func PiecesLookRandom(first []byte, more [][]byte, size int) bool {
	if size < leastLook {
		return false
	}
	var looked [stretches][]byte
	var scratch [stretches][stretch]byte
	for i := range looked {
		looked[i] = stretchAt(first, more, stretchBegin(i, size), scratch[i][:])
	}
	return evenlySpread(&looked)
}

// stretchBegin returns where a stretch of so many bytes begins.
func stretchBegin(i, size int) int { return i * (size - stretch) / (stretches - 1) }

// stretchAt returns the stretch that begins at a byte: in scratch, where it stands in several pieces.
func stretchAt(first []byte, more [][]byte, at int, scratch []byte) []byte {
	out := scratch[:0]
	for i := -1; i < len(more) && len(out) < stretch; i++ {
		piece := first
		if i >= 0 {
			piece = more[i]
		}
		if at >= len(piece) {
			at -= len(piece)
			continue
		}
		piece = piece[at:min(len(piece), at+stretch-len(out))]
		if len(piece) == stretch {
			return piece
		}
		out, at = append(out, piece...), 0
	}
	return out
}

// evenlySpread is LooksRandom of the stretches that are looked at.
func evenlySpread(looked *[stretches][]byte) bool {
	const n = stretches * stretch
	var counts [4][256]uint32 // a byte that comes again does not wait until it was counted
	for _, s := range looked {
		if bytes.Contains(s[twiceSeen:], s[:twiceSeen]) {
			return false
		}
		for ; len(s) >= 4; s = s[4:] {
			counts[0][s[0]]++
			counts[1][s[1]]++
			counts[2][s[2]]++
			counts[3][s[3]]++
		}
	}
	pairs := uint64(0)
	for c := range 256 {
		count := uint64(counts[0][c] + counts[1][c] + counts[2][c] + counts[3][c])
		pairs += count * (count - min(count, 1))
	}
	const expected = n * (n - 1) / 256
	return pairs > expected*98/100 && pairs < expected*102/100
}
