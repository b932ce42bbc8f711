package proof

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"hc/lib/keys"
)

// frame is a frame of a stream: its line and its payload.
type frame struct {
	line    string // without its LF
	payload []byte // nil: none; without its LF
	offset  int
}

func (f frame) words() []string { return strings.Split(f.line, " ") }
func (f frame) word() string    { return f.words()[0] }

func (f frame) number(i int) (n uint64) {
	fmt.Sscan(f.words()[i], &n)
	return n
}

// parse splits a stream into frames, independently of the reader.
func parse(t testing.TB, stream []byte) []frame {
	t.Helper()
	var frames []frame
	for offset := 0; offset < len(stream); {
		n := bytes.IndexByte(stream[offset:], '\n')
		if n < 0 {
			t.Fatalf("no LF behind byte %d", offset)
		}
		f := frame{line: string(stream[offset : offset+n]), offset: offset}
		offset += n + 1
		size := -1
		switch f.word() {
		case "manifest", "head", "lines":
			size = int(f.number(len(f.words()) - 1))
		case "block":
			size = 0
			for i := range f.words()[2:] {
				size += int(f.number(2 + i))
			}
		}
		if size >= 0 {
			f.payload = stream[offset : offset+size]
			offset += size + 1
		}
		frames = append(frames, f)
	}
	return frames
}

func unparse(frames []frame) []byte {
	var b bytes.Buffer
	for _, f := range frames {
		b.WriteString(f.line + "\n")
		if f.payload != nil {
			b.Write(f.payload)
			b.WriteByte('\n')
		}
	}
	return b.Bytes()
}

// sample is a stream and the content that it proves.
type sample struct {
	name   string
	log    *testLog
	claim  Claim
	stream []byte
	out    []byte
}

// samples returns small streams of every shape, cut into small groups.
func samples(t testing.TB) []sample {
	withGroups(t, 30, 4)
	plain := newLog(t, smallBlocks(13)...)
	secret := keys.SecretFromSeed([32]byte{9})
	compat := newLogOf(t, secret, secret.Public(), nil, numbered(7)...)
	var list []sample
	add := func(name string, l *testLog, c Claim, live bool, heads ...uint64) {
		l.heads = heads
		s := sample{name: name, log: l, claim: c, stream: l.stream(t, WriteOptions{Claim: c, Live: live}, nil)}
		s.out, _ = l.verify(t, s.stream, Options{Claim: &c}, nil)
		list = append(list, s)
	}
	add("all", plain, Claim{}, false)
	add("compat", compat, Claim{}, false)
	add("blocks", plain, Claim{Kind: KindBlocks, From: 3, To: 9}, false)
	add("block", plain, Claim{Kind: KindBlocks, From: 6, To: 6}, false)
	add("bytes", plain, Claim{Kind: KindBytes, From: 5, To: 25}, false)
	add("at", plain, Claim{At: ptr(uint64(5))}, false)
	add("head", plain, Claim{Kind: KindHead}, false)
	add("live", plain, Claim{}, true, 3, 7, 12, 13)
	add("rest", plain, Claim{Kind: KindBlocks, From: 5, To: Open}, true, 6, 13)
	return list
}

// refuse expects that a changed stream fails, and that nothing comes out except what was proved before the change.
func (s sample) refuse(t *testing.T, what string, stream []byte) error {
	t.Helper()
	var out bytes.Buffer
	opt := Options{Claim: &s.claim, Key: ptr(s.log.Key()), Out: &out}
	sum, err := Verify(t.Context(), bytes.NewReader(stream), opt, nil)
	if err == nil {
		t.Fatalf("%s: %s: verified", s.name, what)
	}
	if !errors.Is(err, ErrUnverified) && !errors.Is(err, ErrPartial) && !errors.Is(err, ErrConflict) {
		t.Fatalf("%s: %s: %v is of no kind", s.name, what, err)
	}
	if !bytes.HasPrefix(s.out, out.Bytes()) || sum.Bytes != uint64(out.Len()) {
		t.Fatalf("%s: %s: %q came out, want a beginning of %q", s.name, what, out.Bytes(), s.out)
	}
	return err
}

// flipAll flips every bit of the stream, one at a time.
func (s sample) flipAll(t *testing.T) {
	t.Helper()
	for turn := 0; turn < 8*len(s.stream); turn += stride(23) {
		i, bit := turn/8, turn%8
		s.stream[i] ^= 1 << bit
		s.refuse(t, fmt.Sprintf("byte %d, bit %d flipped", i, bit), s.stream)
		s.stream[i] ^= 1 << bit
	}
}

func TestEveryTruncation(t *testing.T) {
	for _, s := range samples(t) {
		for n := 0; n < len(s.stream); n += stride(7) {
			if err := s.refuse(t, fmt.Sprintf("cut at %d", n), s.stream[:n]); !errors.Is(err, ErrPartial) {
				t.Errorf("%s, cut at byte %d of %d: %v, want ErrPartial", s.name, n, len(s.stream), err)
			}
		}
	}
}

func TestEveryFlippedBit(t *testing.T) {
	for _, s := range samples(t) {
		s.flipAll(t)
	}
}

func TestEveryFrameMoved(t *testing.T) {
	for _, s := range samples(t) {
		frames := parse(t, s.stream)
		for i := range frames {
			s.refuse(t, fmt.Sprintf("without %q", frames[i].line), unparse(slices.Delete(slices.Clone(frames), i, i+1)))
			s.refuse(t, fmt.Sprintf("twice %q", frames[i].line), unparse(slices.Insert(slices.Clone(frames), i, frames[i])))
			for j := i % stride(3); j < i; j += stride(3) {
				moved := slices.Clone(frames)
				moved[i], moved[j] = moved[j], moved[i]
				s.refuse(t, fmt.Sprintf("%q and %q swapped", frames[j].line, frames[i].line), unparse(moved))
				again := slices.Insert(slices.Clone(frames), i, frames[j])
				s.refuse(t, fmt.Sprintf("%q again before %q", frames[j].line, frames[i].line), unparse(again))
			}
		}
		s.refuse(t, "one byte more", append(bytes.Clone(s.stream), '\n'))
		s.refuse(t, "the stream twice", append(bytes.Clone(s.stream), s.stream...))
	}
}

// A proof of several groups of blocks of 64 KiB: every bit of the parts that tie the blocks to the head is flipped,
// and a sample of those of the blocks.
func TestFlippedBitsInGroups(t *testing.T) {
	l := newLog(t, random(90, func(int) int { return 64 << 10 })...)
	s := sample{name: "5 MiB", log: l, stream: l.stream(t, WriteOptions{}, nil)}
	s.out, _ = l.verify(t, s.stream, Options{}, nil)
	frames := parse(t, s.stream)
	flip := func(i, bit int) {
		s.stream[i] ^= 1 << bit
		s.refuse(t, fmt.Sprintf("byte %d, bit %d flipped", i, bit), s.stream)
		s.stream[i] ^= 1 << bit
	}
	every := stride(1009)
	if testing.Short() {
		every = max(every, 41)
	}
	nodes, turn := 0, 0
	for k, f := range frames {
		end := len(s.stream)
		if k+1 < len(frames) {
			end = frames[k+1].offset
		}
		if f.word() == "node" {
			nodes++
		}
		if f.word() == "block" {
			end = f.offset + len(f.line) + 1
			flip(end+(k*7919)%len(f.payload), k%8)
			flip(end+len(f.payload), k%8) // the LF after it
		}
		for i := f.offset; i < end; i++ {
			for bit := range 8 {
				// Lines of blocks are alike, so every seventh bit is enough for those in the middle.
				turn++
				if turn%every == 0 && (f.word() != "block" || k < 30 || k > 100 || turn%7 == 0) {
					flip(i, bit)
				}
			}
		}
	}
	if nodes < 6 {
		t.Errorf("%d nodes: inner nodes are what this test is about", nodes)
	}
}
