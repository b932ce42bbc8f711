package secretstream

import (
	"crypto/subtle"
	"encoding/binary"
	"errors"

	"golang.org/x/crypto/chacha20"
	//lint:ignore SA1019 libsodium's padding differs from the AEAD's, so the MAC itself is needed
	"golang.org/x/crypto/poly1305"
)

// Sizes in bytes.
const (
	headerSize = 24 // the secretstream's header: 16 for the key's derivation, 8 of nonce
	blockSize  = 64 // one block of ChaCha20's key stream
	macSize    = 16
)

// A message's tag. Stock sends only the first one, and does nothing at a final one; bit 1 rekeys.
const (
	tagMessage = 0
	tagRekey   = 2
	tagFinal   = 3
)

// errMAC says that a message was tampered with, or encrypted under another key.
var errMAC = errors.New("message does not authenticate")

// A sealer is one direction of libsodium's secretstream_xchacha20poly1305. Its two methods work in place on a buffer of
//
//	     0          1 … 63      64 …      64+n … 64+n+16
//	tag (encrypted)  scratch  message(n)       MAC
//
// which is how the MAC sees a message: after one block that holds the tag. The bytes between are scratch on the way in and
// garbage on the way out; in a buffer of frames they overlap the frame before. Not for concurrent use.
type sealer struct {
	key   [chacha20.KeySize]byte
	nonce [chacha20.NonceSize]byte // counter u32le, then 8 bytes that each MAC changes
	path  path                     // to seal and to open
}

// newSealer begins a stream under a key and a header of [headerSize] bytes.
func newSealer(key, header []byte) *sealer {
	s := &sealer{path: quickest()}
	derived, err := chacha20.HChaCha20(key, header[:16])
	if err != nil {
		panic("secretstream: internal error: " + err.Error())
	}
	copy(s.key[:], derived)
	copy(s.nonce[4:], header[16:])
	binary.LittleEndian.PutUint32(s.nonce[:], 1)
	return s
}

// seal encrypts a message and its tag, and sets the MAC.
func (s *sealer) seal(buf []byte, tag byte) {
	buf[0] = tag
	if s.path == plain {
		s.sealPlain(buf)
	} else {
		s.sealWide(buf)
	}
	s.advance(buf[len(buf)-macSize:], tag)
}

// open checks and decrypts a message, and returns its tag.
func (s *sealer) open(buf []byte) (tag byte, err error) {
	var mac [macSize]byte
	copy(mac[:], buf[len(buf)-macSize:])
	if s.path == plain {
		err = s.openPlain(buf)
	} else {
		err = s.openWide(buf)
	}
	if err != nil {
		return 0, err
	}
	s.advance(mac[:], buf[0])
	return buf[0], nil
}

// sealPlain is the specification of seal: the key stream's first block keys the MAC, the second one covers the block
// that begins with the tag, the others the message.
func (s *sealer) sealPlain(buf []byte) {
	stream := s.stream()
	var key [32]byte
	polyKey(stream, &key)
	sealed := buf[:len(buf)-macSize]
	clear(sealed[1:blockSize])
	stream.XORKeyStream(sealed, sealed)
	s.mac(buf[:len(sealed)], &key, buf[len(sealed):])
}

// openPlain is the specification of open.
func (s *sealer) openPlain(buf []byte) error {
	stream := s.stream()
	var key [32]byte
	polyKey(stream, &key)
	sealed := buf[:len(buf)-macSize]
	received := sealed[0]
	clear(sealed[:blockSize])
	stream.XORKeyStream(sealed[:blockSize], sealed[:blockSize])
	tag := received ^ sealed[0]
	sealed[0] = received // the MAC covers the byte as received
	var want [macSize]byte
	s.mac(sealed, &key, want[:])
	if subtle.ConstantTimeCompare(want[:], buf[len(sealed):]) != 1 {
		return errMAC
	}
	sealed[0] = tag
	stream.XORKeyStream(sealed[blockSize:], sealed[blockSize:])
	return nil
}

// stream returns the key stream from its first block.
func (s *sealer) stream() *chacha20.Cipher {
	c, err := chacha20.NewUnauthenticatedCipher(s.key[:], s.nonce[:])
	if err != nil {
		panic("secretstream: internal error: " + err.Error())
	}
	return c
}

// polyKey takes the first block of the stream, and from it the MAC's key.
func polyKey(stream *chacha20.Cipher, key *[32]byte) {
	var block [blockSize]byte
	stream.XORKeyStream(block[:], block[:])
	copy(key[:], block[:])
}

// mac sets out to the MAC of the tag's block and the ciphertext. The number of zeros that follow is how far the ciphertext is
// *over* a multiple of 16, not how far it is short of one: libsodium's slip, now its format.
func (s *sealer) mac(sealed []byte, key *[32]byte, out []byte) {
	var tail [15 + 16]byte
	zeros := len(sealed) % 16
	binary.LittleEndian.PutUint64(tail[zeros+8:], uint64(len(sealed)))
	p := poly1305.New(key)
	p.Write(sealed)
	p.Write(tail[:zeros+16])
	p.Sum(out[:0])
}

// advance moves on to the next message's nonce.
func (s *sealer) advance(mac []byte, tag byte) {
	subtle.XORBytes(s.nonce[4:], s.nonce[4:], mac)
	counter := binary.LittleEndian.Uint32(s.nonce[:]) + 1
	binary.LittleEndian.PutUint32(s.nonce[:], counter)
	if tag&tagRekey != 0 || counter == 0 {
		s.rekey()
	}
}

// rekey replaces key and nonce by themselves under their own key stream.
func (s *sealer) rekey() {
	var x [len(s.key) + 8]byte
	copy(x[:], s.key[:])
	copy(x[len(s.key):], s.nonce[4:])
	s.stream().XORKeyStream(x[:], x[:])
	copy(s.key[:], x[:])
	copy(s.nonce[4:], x[len(s.key):])
	binary.LittleEndian.PutUint32(s.nonce[:], 1)
}
