package secretstream

import (
	"crypto/subtle"
	"encoding/binary"
)

// The wide paths make key stream and MAC with kernels that take many blocks at once, each in a lane of its own, for all
// lengths. A short message's key, tag and text come from one call. No branch and no address in them depends on a secret.

const (
	// widest is the most bytes that a kernel takes at once.
	widest = 16 * blockSize

	// few is how many bytes have a kernel of their own, which is faster than one that makes a group.
	few = 4 * blockSize

	// mostWide bounds the bytes of one call of a kernel: a goroutine cannot be preempted in assembly.
	mostWide = 64 << 10

	// leastLanes is the number of bytes from which computing the powers of the MAC's key pays.
	leastLanes = 320

	// atOnce is how many bytes of a long message are encrypted and authenticated before the next ones: that many stay in the
	// nearest cache between the two. It is a multiple of all groups.
	atOnce = 16 << 10
)

// streamSize is how many bytes of key stream a path makes at once: a group.
func (p path) streamSize() int {
	if p == avx2 {
		return 8 * blockSize
	}
	return widest
}

// A wideStream is a key stream, beginning with its first block.
type wideStream struct {
	path  path
	state [16]uint32 // as in RFC 8439, 2.3
}

// constants are a state's first words.
var constants = [4]uint32{0x61707865, 0x3320646e, 0x79622d32, 0x6b206574}

func (s *sealer) wide() wideStream {
	w := wideStream{path: s.path}
	copy(w.state[:], constants[:])
	for i := range 8 {
		w.state[4+i] = binary.LittleEndian.Uint32(s.key[4*i:])
	}
	for i := range 3 {
		w.state[13+i] = binary.LittleEndian.Uint32(s.nonce[4*i:])
	}
	return w
}

// xor mixes b with the next blocks. If b is not a multiple of a group, nothing may follow it, and its rest goes through room,
// which has a group's bytes, or is b itself. A kernel mixes groups, and advances the block number in the state.
func (w *wideStream) xor(b, room []byte) {
	size := w.path.streamSize()
	for len(b) >= size {
		n := min(len(b), mostWide) / size * size
		w.path.xor(&w.state, &b[0], n/size)
		b = b[n:]
	}
	if len(b) == 0 {
		return
	}
	copy(room, b)
	if len(b) <= few {
		w.path.xorFew(&w.state, &room[0])
	} else {
		w.path.xor(&w.state, &room[0], 1)
	}
	copy(b, room)
}

// first returns the part of room that the first call of a kernel takes, for n bytes in all.
func (p path) first(room *[widest]byte, n int) []byte {
	if n <= few {
		return room[:few]
	}
	return room[:p.streamSize()]
}

func (s *sealer) sealWide(buf []byte) {
	sealed := buf[:len(buf)-macSize]
	clear(sealed[1:blockSize])
	stream := s.wide()
	var room [widest]byte
	first := s.path.first(&room, blockSize+len(sealed)) // the block with the MAC's key, and what fits after it
	n := copy(first[blockSize:], sealed)
	stream.xor(first, first)
	copy(sealed, first[blockSize:])
	mac := s.macWide((*[32]byte)(first))
	for ; len(sealed)-n > atOnce; n += atOnce {
		stream.xor(sealed[n:n+atOnce], nil)
		mac.add(sealed[:n+atOnce])
	}
	key := [32]byte(first)
	stream.xor(sealed[n:], first)
	s.endMAC(&mac, sealed, &key, buf[len(sealed):])
}

func (s *sealer) openWide(buf []byte) error {
	sealed := buf[:len(buf)-macSize]
	stream := s.wide()
	var room [widest]byte
	first := s.path.first(&room, blockSize+len(sealed)) // the block with the MAC's key, the tag's, and what fits after them
	n := blockSize + copy(first[2*blockSize:], sealed[blockSize:])
	stream.xor(first, first)
	tag := sealed[0] ^ first[blockSize]
	copy(sealed[1:blockSize], first[blockSize+1:])
	mac := s.macWide((*[32]byte)(first))
	for len(sealed)-n > atOnce { // if it does not authenticate in the end, nobody gets the result
		mac.add(sealed[:n+atOnce])
		added := (mac.added - n) / s.path.streamSize() * s.path.streamSize()
		stream.xor(sealed[n:n+added], nil)
		n += added
	}
	var want [macSize]byte
	s.endMAC(&mac, sealed, (*[32]byte)(first), want[:])
	if subtle.ConstantTimeCompare(want[:], buf[len(sealed):]) != 1 {
		return errMAC
	}
	sealed[0] = tag
	copy(sealed[blockSize:], first[2*blockSize:])
	stream.xor(sealed[n:], first)
	return nil
}

// A wideMAC computes the MAC of a message, with a kernel for all but the last blocks.
type wideMAC struct {
	poly
	path  path
	lanes polyLanes
	added int // bytes of the message
}

func (s *sealer) macWide(key *[32]byte) wideMAC { return wideMAC{poly: *newPoly(key), path: s.path} }

// add adds whole groups of a message, of which this is the beginning, as far as there are any.
func (m *wideMAC) add(sealed []byte) {
	rest := sealed[m.added:]
	if m.path == generic {
		rest = m.blocks(rest)
	} else {
		if m.added == 0 {
			m.lanes.raise(m.path.lanes(), m.r[0], m.r[1])
		}
		rest = m.groups(m.path, &m.lanes, rest)
	}
	m.added = len(sealed) - len(rest)
}

// endMAC sets out to the MAC of a message, a part of which has been added to m.
func (s *sealer) endMAC(m *wideMAC, sealed []byte, key *[32]byte, out []byte) {
	if len(sealed) < leastLanes {
		s.mac(sealed, key, out)
		return
	}
	m.add(sealed)
	rest := m.blocks(sealed[m.added:])
	var tail [15 + 15 + 16]byte
	zeros := copy(tail[:], rest) // as many as in mac
	end := tail[:len(rest)+zeros+16]
	binary.LittleEndian.PutUint64(end[len(end)-8:], uint64(len(sealed)))
	m.poly.finish(end, out)
}
