package secretstream

import (
	"crypto/subtle"
	"encoding/binary"
)

// The wide path: the key stream by a kernel that makes 16 blocks of it at once, and the MAC apart. It takes the AEAD's time
// and a tenth more, but works for all lengths, and a short message's key, tag and text come from one call.

// wideSize is the bytes that a kernel takes at once.
const wideSize = 16 * blockSize

// mostWide bounds the time in a kernel: in assembly no goroutine can be stopped.
const mostWide = 64 << 10

// wideXOR mixes groups of [wideSize] bytes with the key stream of a state as in RFC 8439, 2.3, but for its four constants,
// and raises the block's number in it by 16 a group. It is nil where there is no kernel; its twin is XORKeyStream.
var wideXOR func(state *[16]uint32, data *byte, groups int)

// wideStream is a key stream, from its first block.
type wideStream [16]uint32

func (s *sealer) wide() *wideStream {
	w := &wideStream{0x61707865, 0x3320646e, 0x79622d32, 0x6b206574}
	for i := range 8 {
		w[4+i] = binary.LittleEndian.Uint32(s.key[4*i:])
	}
	for i := range 3 {
		w[13+i] = binary.LittleEndian.Uint32(s.nonce[4*i:])
	}
	return w
}

// xor mixes b with the next blocks; behind a b that is not a multiple of [wideSize] nothing may follow.
func (w *wideStream) xor(b []byte) {
	for len(b) >= wideSize {
		n := min(len(b), mostWide) / wideSize * wideSize
		wideXOR((*[16]uint32)(w), &b[0], n/wideSize)
		b = b[n:]
	}
	if len(b) > 0 {
		var last [wideSize]byte
		copy(last[:], b)
		wideXOR((*[16]uint32)(w), &last[0], 1)
		copy(b, last[:])
	}
}

func (s *sealer) sealWide(buf []byte) {
	sealed := buf[:len(buf)-macSize]
	clear(sealed[1:blockSize])
	stream := s.wide()
	var first [wideSize]byte // the block that has the MAC's key, and what it leaves room for
	n := copy(first[blockSize:], sealed)
	stream.xor(first[:])
	copy(sealed, first[blockSize:])
	stream.xor(sealed[n:])
	s.mac(sealed, (*[32]byte)(first[:]), buf[len(sealed):])
}

func (s *sealer) openWide(buf []byte) error {
	sealed := buf[:len(buf)-macSize]
	stream := s.wide()
	var first [wideSize]byte // the block that has the MAC's key, the tag's, and what they leave room for
	n := blockSize + copy(first[2*blockSize:], sealed[blockSize:])
	stream.xor(first[:])
	tag := sealed[0] ^ first[blockSize]
	copy(sealed[1:blockSize], first[blockSize+1:])
	var want [macSize]byte
	s.mac(sealed, (*[32]byte)(first[:]), want[:])
	if subtle.ConstantTimeCompare(want[:], buf[len(sealed):]) != 1 {
		return errMAC
	}
	sealed[0] = tag
	copy(sealed[blockSize:], first[2*blockSize:])
	stream.xor(sealed[n:])
	return nil
}
