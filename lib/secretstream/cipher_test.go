package secretstream

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"golang.org/x/crypto/chacha20poly1305"
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

func sealerWith(key, header []byte, fused bool) *sealer {
	s := newSealer(key, header)
	s.fused = fused
	return s
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
	for _, fused := range []bool{false, true} {
		out, in := sealerWith(v.Key, v.Header, fused), sealerWith(v.Key, v.Header, fused)
		for i, m := range v.Messages {
			if got := sealed(out, m.Plain, m.Tag); !bytes.Equal(got, m.Cipher) {
				t.Fatalf("fused=%v message %d: sealed %x, want %x", fused, i, got, m.Cipher)
			}
			if !bytes.Equal(out.state(), m.StateAfter) {
				t.Fatalf("fused=%v message %d: state %x, want %x", fused, i, out.state(), m.StateAfter)
			}
			plain, tag, err := opened(in, m.Cipher)
			if err != nil || tag != m.Tag || !bytes.Equal(plain, m.Plain) {
				t.Fatalf("fused=%v message %d: opened %x, tag %d, %v, want %x, tag %d", fused, i, plain, tag, err, m.Plain, m.Tag)
			}
			if !bytes.Equal(in.state(), m.StateAfter) {
				t.Fatalf("fused=%v message %d: state %x after opening, want %x", fused, i, in.state(), m.StateAfter)
			}
		}
	}
}

// TestFusedIsPlain compares both paths, in both directions, at every length around the borders of block and padding.
func TestFusedIsPlain(t *testing.T) {
	key, header := bytes.Repeat([]byte{3}, 32), bytes.Repeat([]byte{4}, headerSize)
	fused, plain := sealerWith(key, header, true), sealerWith(key, header, false)
	openFused, openPlain := sealerWith(key, header, true), sealerWith(key, header, false)
	lengths := []int{4095, 4096, 65535, 65536, 65537, 65544, 1 << 20, 1<<20 + 3}
	for n := 300; n >= 0; n-- {
		lengths = append(lengths, n)
	}
	rng := rand.NewChaCha8([32]byte{1})
	for i, n := range lengths {
		message := make([]byte, n)
		rng.Read(message)
		tag := byte(tagMessage)
		if i%17 == 16 {
			tag = tagRekey + byte(i)%2
		}
		a, b := sealed(fused, message, tag), sealed(plain, message, tag)
		if !bytes.Equal(a, b) {
			t.Fatalf("len=%d: sealed differently", n)
		}
		for name, s := range map[string]*sealer{"fused": openFused, "plain": openPlain} {
			got, gotTag, err := opened(s, a)
			if err != nil || gotTag != tag || !bytes.Equal(got, message) {
				t.Fatalf("len=%d %s: opened %d bytes, tag %d, %v, want tag %d", n, name, len(got), gotTag, err, tag)
			}
		}
		for name, s := range map[string]*sealer{"plain": plain, "openFused": openFused, "openPlain": openPlain} {
			if !bytes.Equal(s.state(), fused.state()) {
				t.Fatalf("len=%d: state of %s differs", n, name)
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
	for _, fused := range []bool{false, true} {
		for _, n := range []int{0, 1, 8, 13, 16} {
			frame := sealed(sealerWith(key, header, fused), make([]byte, n), tagMessage)
			for bit := range 8 * len(frame) {
				bad := bytes.Clone(frame)
				bad[bit/8] ^= 1 << (bit % 8)
				if _, _, err := opened(sealerWith(key, header, fused), bad); !errors.Is(err, errMAC) {
					t.Errorf("fused=%v len=%d bit %d: error %v, want %v", fused, n, bit, err, errMAC)
				}
			}
		}
	}
}

func FuzzFusedIsPlain(f *testing.F) {
	f.Add([]byte(""), byte(0))
	f.Add([]byte("hello"), byte(2))
	f.Add(make([]byte, 64), byte(3))
	f.Fuzz(func(t *testing.T, message []byte, tag byte) {
		key, header := bytes.Repeat([]byte{3}, 32), bytes.Repeat([]byte{4}, headerSize)
		a := sealed(sealerWith(key, header, true), message, tag)
		b := sealed(sealerWith(key, header, false), message, tag)
		if !bytes.Equal(a, b) {
			t.Fatalf("sealed %x and %x", a, b)
		}
		for _, fused := range []bool{true, false} {
			got, gotTag, err := opened(sealerWith(key, header, fused), a)
			if err != nil || gotTag != tag || !bytes.Equal(got, message) {
				t.Fatalf("fused=%v: %x, tag %d, %v", fused, got, gotTag, err)
			}
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	benchmarkSealer(b, false)
	benchmarkAEAD(b)
}

func BenchmarkOpen(b *testing.B) { benchmarkSealer(b, true) }

// benchmarkAEAD is the yardstick: the nearest thing that x/crypto has.
func benchmarkAEAD(b *testing.B) {
	for _, n := range []int{64 << 10, 64<<10 + 5} {
		b.Run(fmt.Sprintf("impl=xchacha20poly1305/size=%d", n), func(b *testing.B) {
			aead, err := chacha20poly1305.NewX(make([]byte, 32))
			if err != nil {
				b.Fatal(err)
			}
			buf, nonce := make([]byte, n, n+aead.Overhead()), make([]byte, aead.NonceSize())
			b.SetBytes(int64(n))
			for b.Loop() {
				aead.Seal(buf[:0], nonce, buf, nil)
			}
		})
	}
}

func benchmarkSealer(b *testing.B, open bool) {
	key, header := make([]byte, 32), make([]byte, headerSize)
	for _, impl := range []string{"fused", "plain"} {
		for _, n := range []int{24, 1 << 10, 64 << 10, 64<<10 + 5} {
			b.Run(fmt.Sprintf("impl=%s/size=%d", impl, n), func(b *testing.B) {
				out := sealerWith(key, header, impl == "fused")
				fresh := append(make([]byte, blockSize+n), make([]byte, macSize)...)
				buf := bytes.Clone(fresh)
				begin := *out
				out.seal(fresh, tagMessage)
				b.SetBytes(int64(n))
				b.ReportAllocs()
				for b.Loop() {
					if !open {
						out.seal(buf, tagMessage)
						continue
					}
					s := begin
					copy(buf, fresh)
					if _, err := s.open(buf); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
