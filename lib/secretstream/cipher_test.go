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

var pathNames = map[path]string{plain: "plain", generic: "generic", avx2: "avx2", avx512: "avx512", ifma: "ifma"}

func (p path) String() string { return pathNames[p] }

// paths are those that run here, the specification first.
func paths() []path { return append([]path{plain, generic}, fast...) }

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
	for _, name := range paths() {
		out, in := sealerWith(v.Key, v.Header, name), sealerWith(v.Key, v.Header, name)
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

// TestPathsArePlain compares the paths with the plain one, in both directions, at every length up to 4096 and around the
// border of what a call of a kernel takes, and at some up to 200 KiB, with messages that begin anywhere.
func TestPathsArePlain(t *testing.T) {
	rng := rand.NewChaCha8([32]byte{1})
	lengths := []int{1 << 20, 1<<20 + 3}
	for n := range 4097 {
		lengths = append(lengths, n)
	}
	for n := -2 * blockSize; n <= 2*blockSize; n++ {
		lengths = append(lengths, mostWide+n, 2*mostWide+9*n)
	}
	for range 60 {
		lengths = append(lengths, int(rng.Uint64()%(200<<10)))
	}
	if testing.Short() {
		lengths = lengths[:800]
	}
	key, header := bytes.Repeat([]byte{3}, 32), bytes.Repeat([]byte{4}, headerSize)
	plainOut := sealerWith(key, header, plain)
	var outs, ins []*sealer
	for _, p := range paths() {
		outs, ins = append(outs, sealerWith(key, header, p)), append(ins, sealerWith(key, header, p))
	}
	text, want, room := make([]byte, 2<<20), make([]byte, 2<<20), make([]byte, 2<<20)
	for i, n := range lengths {
		size := blockSize + n + macSize
		tag := byte(tagMessage)
		if i%17 == 16 {
			tag = tagRekey + byte(i)%2
		}
		rng.Read(text[:size])
		copy(want, text[:size])
		plainOut.seal(want[:size], tag)
		for j, p := range paths() {
			buf := room[i%64:][:size]
			copy(buf, text)
			outs[j].seal(buf, tag)
			if buf[0] != want[0] || !bytes.Equal(buf[blockSize:], want[blockSize:size]) {
				t.Fatalf("len=%d %v: sealed differently", n, p)
			}
			got, err := ins[j].open(buf)
			if err != nil || got != tag || !bytes.Equal(buf[blockSize:size-macSize], text[blockSize:size-macSize]) {
				t.Fatalf("len=%d %v: opened with tag %d, %v, want tag %d", n, p, got, err, tag)
			}
			if state := plainOut.state(); !bytes.Equal(outs[j].state(), state) || !bytes.Equal(ins[j].state(), state) {
				t.Fatalf("len=%d %v: state differs", n, p)
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
	for _, p := range paths() {
		for _, n := range []int{0, 1, 8, 13, 16, 500} {
			frame := sealed(sealerWith(key, header, p), make([]byte, n), tagMessage)
			for bit := range 8 * len(frame) {
				bad := bytes.Clone(frame)
				bad[bit/8] ^= 1 << (bit % 8)
				if _, _, err := opened(sealerWith(key, header, p), bad); !errors.Is(err, errMAC) {
					t.Errorf("%v: len=%d bit %d: error %v, want %v", p, n, bit, err, errMAC)
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
		for _, p := range paths() {
			if got := sealed(sealerWith(key, header, p), message, tag); !bytes.Equal(got, want) {
				t.Fatalf("%v: sealed %x, want %x", p, got, want)
			}
			got, gotTag, err := opened(sealerWith(key, header, p), want)
			if err != nil || gotTag != tag || !bytes.Equal(got, message) {
				t.Fatalf("%v: %x, tag %d, %v", p, got, gotTag, err)
			}
		}
	})
}

func TestKernelsAllocateNothing(t *testing.T) {
	key, header := bytes.Repeat([]byte{3}, 32), bytes.Repeat([]byte{4}, headerSize)
	for _, p := range fast {
		for _, n := range []int{100, 5000} {
			out, in := sealerWith(key, header, p), sealerWith(key, header, p)
			buf := make([]byte, blockSize+n+macSize)
			if got := testing.AllocsPerRun(10, func() {
				out.seal(buf, tagMessage)
				if _, err := in.open(buf); err != nil {
					t.Fatal(err)
				}
			}); got != 0 {
				t.Errorf("%v: len=%d: %v allocations, want none", p, n, got)
			}
		}
	}
}
