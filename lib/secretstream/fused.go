package secretstream

import "crypto/subtle"

// The fused path: the AEAD ChaCha20-Poly1305 under the same key and nonce uses the key stream's first block for the MAC
// and the following ones for the text, as the secretstream does. So sealing (block of the tag ‖ message) gives the
// right ciphertext. The MAC is the right one if both paddings are equal, which is so for lengths that are multiples
// of 8; else it is made anew. This matters where only the AEAD has assembly (amd64), and is tested everywhere.

// padsAlike says whether the AEAD's padding for a ciphertext of n bytes is libsodium's.
func padsAlike(n int) bool { return n%8 == 0 }

func (s *sealer) sealFused(buf []byte) {
	sealed := buf[:len(buf)-macSize]
	clear(sealed[1:blockSize])
	s.aead.Seal(buf[:0], s.nonce[:], sealed, nil)
	if padsAlike(len(sealed)) {
		return
	}
	var key [32]byte
	polyKey(s.stream(), &key)
	s.mac(sealed, &key, buf[len(sealed):])
}

func (s *sealer) openFused(buf []byte) error {
	sealed := buf[:len(buf)-macSize]
	received := sealed[0]
	stream := s.stream()
	clear(sealed[:blockSize])
	if padsAlike(len(sealed)) {
		stream.SetCounter(1)
		stream.XORKeyStream(sealed[:blockSize], sealed[:blockSize])
		sealed[0] = received
		if _, err := s.aead.Open(buf[:0], s.nonce[:], buf, nil); err != nil {
			return errMAC
		}
		return nil
	}
	var key [32]byte
	polyKey(stream, &key)
	stream.XORKeyStream(sealed[:blockSize], sealed[:blockSize])
	sealed[0] = received
	var want [macSize]byte
	s.mac(sealed, &key, want[:])
	if subtle.ConstantTimeCompare(want[:], buf[len(sealed):]) != 1 {
		return errMAC
	}
	s.aead.Seal(buf[:0], s.nonce[:], sealed, nil) // for its key stream; the MAC that it makes is of no use
	return nil
}
