package proof

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// folderSample is a stream of a drive and the content that it proves.
type folderSample struct {
	d      *testDrive
	claim  Claim
	stream []byte
	files  map[string]string
}

func folderSamples(t testing.TB) []folderSample {
	withGroups(t, 12, 4)
	d := newDrive(t)
	d.put("/data/one", "some bytes", "and more", "and an end")
	d.put("/data/two", "two\n", "lines\n")
	d.mapped("/mapped", 1, 2, 0)
	d.put("/data/two", "again\n")
	var list []folderSample
	for _, c := range []Claim{pathOf("/data/one"), pathOf("/mapped"), treeOf("/data"), {Kind: KindTree, Path: "/", At: ptr(uint64(4))}} {
		s := folderSample{d: d, claim: c, stream: d.write(c, nil)}
		g, _, _ := d.read(s.stream, Options{Claim: &c}, nil)
		s.files = g.whole
		if len(g.whole) == 0 {
			t.Fatalf("%v: nothing", c)
		}
		list = append(list, s)
	}
	return list
}

// refuse expects that a changed stream fails, and that nothing comes out except what was proved before the change.
func (s folderSample) refuse(t *testing.T, what string, stream []byte) error {
	t.Helper()
	g := newGathered()
	opt := Options{Claim: &s.claim, Key: ptr(s.d.names.Key()), Files: g}
	_, err := Verify(t.Context(), bytes.NewReader(stream), opt, nil)
	if !errors.Is(err, ErrUnverified) && !errors.Is(err, ErrPartial) && !errors.Is(err, ErrConflict) {
		t.Fatalf("%v: %s: %v", s.claim, what, err)
	}
	for name, content := range g.begun {
		if want, ok := s.files[name]; !ok || !strings.HasPrefix(want, content.String()) {
			t.Fatalf("%v: %s: %s came out as %q", s.claim, what, name, content)
		}
	}
	for name, content := range g.whole {
		if content != s.files[name] {
			t.Fatalf("%v: %s: %s was called whole with %q", s.claim, what, name, content)
		}
	}
	return err
}

func TestFolderEveryTruncation(t *testing.T) {
	for _, s := range folderSamples(t) {
		for n := 0; n < len(s.stream); n += stride(7) {
			if err := s.refuse(t, fmt.Sprintf("cut at %d", n), s.stream[:n]); !errors.Is(err, ErrPartial) {
				t.Errorf("%v, cut at byte %d of %d: %v, want ErrPartial", s.claim, n, len(s.stream), err)
			}
		}
	}
}

func TestFolderEveryFlippedBit(t *testing.T) {
	for i, s := range folderSamples(t) {
		every := max(stride(97), 1+i%2*10) // the samples are alike
		for turn := 0; turn < 8*len(s.stream); turn += every {
			i, bit := turn/8, turn%8
			s.stream[i] ^= 1 << bit
			s.refuse(t, fmt.Sprintf("byte %d, bit %d flipped", i, bit), s.stream)
			s.stream[i] ^= 1 << bit
		}
	}
}

func TestFolderEveryFrameMoved(t *testing.T) {
	for _, s := range folderSamples(t) {
		frames := parse(t, s.stream)
		for i := range frames {
			s.refuse(t, fmt.Sprintf("without %q", frames[i].line), unparse(slices.Delete(slices.Clone(frames), i, i+1)))
			for j := i % stride(3); j < i; j += stride(3) {
				if frames[i].line != frames[j].line {
					moved := slices.Clone(frames)
					moved[i], moved[j] = moved[j], moved[i]
					s.refuse(t, fmt.Sprintf("%q and %q swapped", frames[j].line, frames[i].line), unparse(moved))
				}
				again := slices.Insert(slices.Clone(frames), i, frames[j])
				s.refuse(t, fmt.Sprintf("%q again before %q", frames[j].line, frames[i].line), unparse(again))
			}
		}
		s.refuse(t, "one byte more", append(bytes.Clone(s.stream), '\n'))
	}
}
