package secretstream

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"
)

// sealed encrypts a message and returns tag, ciphertext and MAC as they go into a frame.
func sealed(s *sealer, message []byte, tag byte) []byte {
	buf := append(make([]byte, blockSize), message...)
	for i := range blockSize {
		buf[i] = 0xa5 // scratch needs no preparation
	}
	buf = append(buf, make([]byte, macSize)...)
	s.seal(buf, tag)
	return append([]byte{buf[0]}, buf[blockSize:]...)
}

// opened is the other way.
func opened(s *sealer, frame []byte) (message []byte, tag byte, err error) {
	buf := bytes.Repeat([]byte{0x5a}, scratch+len(frame))
	copy(buf[scratch:], frame)
	buf[0] = frame[0]
	tag, err = s.open(buf)
	return buf[blockSize : len(buf)-macSize], tag, err
}

func sealerWith(key, header []byte, p path) *sealer {
	s := newSealer(key, header)
	s.path = p
	return s
}

// paths are those that run here, named for tests.
func paths() map[string]path {
	all := map[string]path{"plain": plain, "fused": fused}
	if wideXOR != nil {
		all["wide"], all["either"] = wide, either
	}
	return all
}

func (s *sealer) state() []byte {
	return append(append(append([]byte{}, s.key[:]...), s.nonce[:]...), make([]byte, 8)...)
}

func TestSecretstreamVectors(t *testing.T) {
	var file struct {
		Secretstream struct {
			Key, Header octets
			Messages    []struct {
				Tag        byte
				Plain      octets
				Cipher     octets
				StateAfter octets
			}
		}
	}
	load(t, "transport.json", &file)
	v := file.Secretstream
	if len(v.Messages) == 0 {
		t.Fatal("no messages")
	}
	for name, p := range paths() {
		out, in := sealerWith(v.Key, v.Header, p), sealerWith(v.Key, v.Header, p)
		for i, m := range v.Messages {
			if got := sealed(out, m.Plain, m.Tag); !bytes.Equal(got, m.Cipher) {
				t.Fatalf("%s: message %d: sealed %x, want %x", name, i, got, m.Cipher)
			}
			if !bytes.Equal(out.state(), m.StateAfter) {
				t.Fatalf("%s: message %d: state %x, want %x", name, i, out.state(), m.StateAfter)
			}
			plain, tag, err := opened(in, m.Cipher)
			if err != nil || tag != m.Tag || !bytes.Equal(plain, m.Plain) {
				t.Fatalf("%s: message %d: opened %x, tag %d, %v, want %x, tag %d", name, i, plain, tag, err, m.Plain, m.Tag)
			}
			if !bytes.Equal(in.state(), m.StateAfter) {
				t.Fatalf("%s: message %d: state %x after opening, want %x", name, i, in.state(), m.StateAfter)
			}
		}
	}
}

// TestPathsArePlain compares the paths with the plain one, in both directions, at every length around the borders of block,
// padding, what a kernel takes at once and what a call of it takes.
func TestPathsArePlain(t *testing.T) {
	key, header := bytes.Repeat([]byte{3}, 32), bytes.Repeat([]byte{4}, headerSize)
	sealers, openers := map[string]*sealer{}, map[string]*sealer{}
	for name, p := range paths() {
		sealers[name], openers[name] = sealerWith(key, header, p), sealerWith(key, header, p)
	}
	lengths := []int{4095, 4096, 65535, 65536, 65537, 65544, 1 << 20, 1<<20 + 3}
	for n := 2200; n >= 0; n-- {
		if n <= 300 || n%wideSize > wideSize-140 || n%wideSize < 10 || n%61 == 0 {
			lengths = append(lengths, n, n+mostWide)
		}
	}
	rng := rand.NewChaCha8([32]byte{1})
	for i, n := range lengths {
		message := make([]byte, n)
		rng.Read(message)
		tag := byte(tagMessage)
		if i%17 == 16 {
			tag = tagRekey + byte(i)%2
		}
		want := sealed(sealers["plain"], message, tag)
		for name, s := range sealers {
			if name != "plain" && !bytes.Equal(sealed(s, message, tag), want) {
				t.Fatalf("len=%d %s: sealed differently", n, name)
			}
			got, gotTag, err := opened(openers[name], want)
			if err != nil || gotTag != tag || !bytes.Equal(got, message) {
				t.Fatalf("len=%d %s: opened %d bytes, tag %d, %v, want tag %d", n, name, len(got), gotTag, err, tag)
			}
		}
		for name, s := range sealers {
			state := sealers["plain"].state()
			if !bytes.Equal(s.state(), state) || !bytes.Equal(openers[name].state(), state) {
				t.Fatalf("len=%d %s: state differs", n, name)
			}
		}
	}
}

func TestCounterWrapsIntoRekey(t *testing.T) {
	key, header := make([]byte, 32), make([]byte, headerSize)
	out, in := newSealer(key, header), newSealer(key, header)
	for _, s := range []*sealer{out, in} {
		binary.LittleEndian.PutUint32(s.nonce[:], 1<<32-1)
	}
	before := out.key
	frame := sealed(out, []byte("last of its key"), tagMessage)
	if out.key == before || binary.LittleEndian.Uint32(out.nonce[:]) != 1 {
		t.Errorf("no new key when the counter wraps")
	}
	if _, _, err := opened(in, frame); err != nil || in.key != out.key {
		t.Errorf("opened with %v, keys equal: %v", err, in.key == out.key)
	}
}

func TestOpenRefusesEveryFlippedBit(t *testing.T) {
	key, header := make([]byte, 32), make([]byte, headerSize)
	for name, p := range paths() {
		for _, n := range []int{0, 1, 8, 13, 16} {
			frame := sealed(sealerWith(key, header, p), make([]byte, n), tagMessage)
			for bit := range 8 * len(frame) {
				bad := bytes.Clone(frame)
				bad[bit/8] ^= 1 << (bit % 8)
				if _, _, err := opened(sealerWith(key, header, p), bad); !errors.Is(err, errMAC) {
					t.Errorf("%s: len=%d bit %d: error %v, want %v", name, n, bit, err, errMAC)
				}
			}
		}
	}
}

func FuzzPathsArePlain(f *testing.F) {
	f.Add([]byte(""), byte(0), uint16(1))
	f.Add([]byte("hello"), byte(2), uint16(300))
	f.Add(make([]byte, 64), byte(3), uint16(17))
	f.Fuzz(func(t *testing.T, pattern []byte, tag byte, times uint16) {
		key, header := bytes.Repeat([]byte{3}, 32), bytes.Repeat([]byte{4}, headerSize)
		message := bytes.Repeat(pattern, int(times)%1500)
		want := sealed(sealerWith(key, header, plain), message, tag)
		for name, p := range paths() {
			if got := sealed(sealerWith(key, header, p), message, tag); !bytes.Equal(got, want) {
				t.Fatalf("%s: sealed %x, want %x", name, got, want)
			}
			got, gotTag, err := opened(sealerWith(key, header, p), want)
			if err != nil || gotTag != tag || !bytes.Equal(got, message) {
				t.Fatalf("%s: %x, tag %d, %v", name, got, gotTag, err)
			}
		}
	})
}
