package proof

import (
	"bytes"
	"errors"
	"math"

	"hc/lib/merkle"
)

// A stream consists of frames: a line of words, followed by raw bytes if the line gives their length. See FORMAT.md.
//
//	hc-proof/1 <key>                      line only
//	claim <what> [at <length>]            line only
//	core <key>                            line only; in streams of folders
//	manifest <len>                        bytes, LF
//	head <fork> <length> <byteLength> <len>   bytes (the signature), LF
//	node <index> <size> <hash>            line only
//	block <first> <len> [<len>…]          bytes, LF
//	lines <first> <count> <len>           bytes, LF
//	end <blocks> <bytes>                  line only
const (
	version = "hc-proof/1"

	wordClaim    = "claim"
	wordCore     = "core"
	wordManifest = "manifest"
	wordHead     = "head"
	wordNode     = "node"
	wordBlock    = "block"
	wordLines    = "lines"
	wordEnd      = "end"
)

const (
	maxBlock     = 15 << 20 // bytes of a block, stock's limit
	maxRun       = 64 << 10 // bytes of several blocks in one frame
	maxNodes     = 256      // node frames in one group; the tree's height limits the nodes ever needed to about 210
	maxLine      = 32 << 10 // bytes of a frame's line, its LF included: room for the lengths of 4096 blocks
	maxManifest  = 64 << 10 // bytes
	maxSignature = 64 << 10 // bytes
	maxNumber    = 1<<53 - 1
	maxLength    = merkle.MaxLength
)

// Limits of a group. Variables so that a test can try every way to cut a small log.
var (
	maxGroup = 1 << 20 // bytes of several blocks
	maxCount = 4096    // blocks
)

// isLine reports whether a block is a line: its last byte is an LF and its only one.
func isLine(b []byte) bool {
	return len(b) > 0 && len(b) <= maxRun && b[len(b)-1] == '\n' && bytes.IndexByte(b, '\n') == len(b)-1
}

// isRest reports whether a block can be the text after the last LF.
func isRest(b []byte) bool { return len(b) > 0 && len(b) <= maxRun && bytes.IndexByte(b, '\n') < 0 }

// A run is the blocks of one frame so far. Both sides cut a group into frames with it, so that there is only one
// spelling.
type run struct {
	lines bool
	bytes int
}

// startRun begins a frame with a block.
func startRun(b []byte) run { return run{lines: isLine(b), bytes: len(b)} }

// takes reports whether the block that follows belongs in the same frame. last: it is the log's last block.
func (r run) takes(b []byte, last bool) bool {
	if r.bytes+len(b) > maxRun {
		return false
	}
	if r.lines {
		return isLine(b) || last && isRest(b)
	}
	return !isLine(b)
}

var errNumber = errors.New("not a number")

// parseNumber reads a decimal number below 2^53 in its only spelling.
func parseNumber(b []byte) (uint64, error) {
	if len(b) == 0 || len(b) > 16 || b[0] == '0' && len(b) > 1 {
		return 0, errNumber
	}
	n := uint64(0)
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, errNumber
		}
		n = n*10 + uint64(c-'0')
	}
	if n > maxNumber {
		return 0, errNumber
	}
	return n, nil
}

// parseHex32 reads 64 lower-case hex digits.
func parseHex32(b []byte) (x [32]byte, ok bool) {
	if len(b) != 64 {
		return x, false
	}
	for i := range x {
		high, low := hexDigit(b[2*i]), hexDigit(b[2*i+1])
		if high|low > 15 {
			return x, false
		}
		x[i] = high<<4 | low
	}
	return x, true
}

func hexDigit(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	}
	return math.MaxUint8
}
