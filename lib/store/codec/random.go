package codec

import "bytes"

const (
	stretches = 8        // parts of a run that are examined
	stretch   = 512      // bytes of each
	twiceSeen = 8        // bytes that do not occur twice in a stretch by chance
	leastLook = 32 << 10 // fewer bytes than this are not examined
)

// LooksRandom reports whether the bytes of a large run are spread so evenly that trying to compress it would be a
// waste, as with data that is encrypted, or compressed well already: a try costs a third of the time for hashing the
// run.
//
// It computes the index of coincidence over some stretches: for evenly spread bytes its expectation is n(n-1)/256, with
// a deviation of 0.55 % at this n. A period of up to 2 KiB, one stretch of text, or bytes that could be coded in 0.2 %
// less raise it by more than 2 %, and a frame must save more than that to be kept. Counters, ramps and the colours of a
// gradient have every byte equally often, unlike random bytes: they lower it by up to 6 %, or the beginning of a
// stretch occurs again in it. About one in 2,500 runs of random bytes is tried.
//
// Examining more bytes would find periods of a few KiB, and compressible bytes that are a small part of a run, but real
// files have almost none of these; and four times as many bytes took a quarter of the time for hashing.
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

// PiecesLookRandom is LooksRandom for bytes in several pieces, of size bytes in all.
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

// stretchAt returns the stretch that begins at byte at, in scratch if it crosses pieces.
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

// evenlySpread is LooksRandom for the stretches.
func evenlySpread(looked *[stretches][]byte) bool {
	const n = stretches * stretch
	var counts [4][256]uint32 // four, so that a repeated byte does not wait for its last count
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
