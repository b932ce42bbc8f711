package keys

import (
	"errors"
	"fmt"
	"strings"
)

// zBase32Alphabet has the digits 0 … 31 of z-base-32. Source: z32.
const zBase32Alphabet = "ybndrfg8ejkmcpqxot1uwisza345h769"

// zBase32Length is how many digits make 32 bytes: 256 bits, and 4 that are zero.
const zBase32Length = 52

// ZBase32 returns the key as stock prints it: 52 characters, short enough for places that do not take 64.
func (k Key) ZBase32() string {
	out := make([]byte, 0, zBase32Length)
	bits, held := uint(0), 0
	for _, b := range k {
		bits, held = bits<<8|uint(b), held+8
		for ; held >= 5; held -= 5 {
			out = append(out, zBase32Alphabet[bits>>(held-5)&31])
		}
		bits &= 1<<held - 1
	}
	return string(append(out, zBase32Alphabet[bits<<(5-held)&31]))
}

// parseZBase32 reads 52 characters. The 4 bits left over must be zero, although stock ignores them: a key has one
// spelling.
func parseZBase32(s string) (b [32]byte, err error) {
	bits, held, at := uint(0), 0, 0
	for i := range len(s) {
		digit := strings.IndexByte(zBase32Alphabet, s[i])
		if digit < 0 {
			return b, fmt.Errorf("character %d is not a digit of z-base-32", i+1)
		}
		bits = bits<<5 | uint(digit)
		held += 5
		if held >= 8 && at < len(b) {
			held -= 8
			b[at] = byte(bits >> held)
			at++
			bits &= 1<<held - 1
		}
	}
	if bits != 0 {
		return b, errors.New("32 bytes cannot end with the last character")
	}
	return b, nil
}
