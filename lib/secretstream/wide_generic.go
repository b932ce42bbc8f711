package secretstream

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/crypto/chacha20"
)

// xorGeneric is the twin of the kernels that make key stream, for n bytes, which are whole blocks.
func xorGeneric(state *[16]uint32, data *byte, n int) {
	var words [4 * len(state)]byte
	for i, w := range state {
		binary.LittleEndian.PutUint32(words[4*i:], w)
	}
	c, err := chacha20.NewUnauthenticatedCipher(words[16:48], words[52:])
	if err != nil {
		panic("secretstream: internal error: " + err.Error())
	}
	c.SetCounter(state[12])
	text := unsafe.Slice(data, n)
	c.XORKeyStream(text, text)
	state[12] += uint32(n / blockSize)
}
