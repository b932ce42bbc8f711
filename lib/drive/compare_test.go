package drive_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"hc/lib/drive"
)

// compare returns where two versions differ whose chunks are bytes: what was, >, what is, and a space, for each region.
func compare(t *testing.T, before, after string) (regions string) {
	t.Helper()
	of := func(version string, e drive.Extent) string {
		if e.Size != e.Chunks || !e.Whole() || len(e.Blocks) > 0 && e.Blocks[0] != e.Offset {
			t.Errorf("%s to %s: %+v", before, after, e)
		}
		return version[e.Offset:][:e.Size]
	}
	c := drive.NewComparison(func(r drive.Region) error {
		regions += of(before, r.Old) + ">" + of(after, r.New) + " "
		return nil
	})
	tell := func(version string, chunk func(drive.Chunk) error) {
		for i, b := range []byte(version) {
			check(t, chunk(drive.Chunk{Leaf: [32]byte{b}, Size: 1, Block: uint64(i)}))
		}
	}
	tell(before, c.Old)
	tell(after, c.New)
	check(t, c.End())
	return regions
}

func TestComparison(t *testing.T) {
	for _, test := range []struct{ before, after, want string }{
		{"abc", "abc", ""},
		{"abc", "axc", "b>x "},
		{"", "ab", ">ab "},
		{"ab", "", "ab> "},
		{"abcd", "bcde", "a> >e "},
		{"aaaa", "aa", "aa> "},
		{"abcabc", "abxabc", "c>x "},
	} {
		if got := compare(t, test.before, test.after); got != test.want {
			t.Errorf("%s to %s: %q, want %q", test.before, test.after, got, test.want)
		}
	}
}

// TestComparisonAgainstPlain compares with the rule as it is said: of each chunk the next place in the old version that has it.
func TestComparisonAgainstPlain(t *testing.T) {
	dice := rand.New(rand.NewPCG(1, 2))
	word := func() string {
		b := make([]byte, dice.IntN(12))
		for i := range b {
			b[i] = 'a' + byte(dice.IntN(4))
		}
		return string(b)
	}
	for range 5000 {
		before, after, want := word(), word(), ""
		old, fresh := []byte(before), []byte{}
		for _, b := range []byte(after) {
			i := slices.Index(old, b)
			if i < 0 {
				fresh = append(fresh, b)
				continue
			}
			if i > 0 || len(fresh) > 0 {
				want += string(old[:i]) + ">" + string(fresh) + " "
			}
			old, fresh = old[i+1:], fresh[:0]
		}
		if len(old) > 0 || len(fresh) > 0 {
			want += string(old) + ">" + string(fresh) + " "
		}
		if got := compare(t, before, after); got != want {
			t.Fatalf("%s to %s: %q, want %q", before, after, got, want)
		}
	}
}

// Of the old version no more is held than a map can list, of the new one no more than what may be shown.
func TestComparisonOfMany(t *testing.T) {
	if testing.Short() {
		t.Skip("millions of steps of one goroutine")
	}
	var regions []drive.Region
	c := drive.NewComparison(func(r drive.Region) error {
		regions = append(regions, r)
		return nil
	})
	for range drive.MaxChunks {
		check(t, c.Old(drive.Chunk{Size: 1}))
	}
	if err := c.Old(drive.Chunk{Size: 1}); !errors.Is(err, drive.ErrManyChunks) {
		t.Error(err)
	}
	for range 1 << 20 {
		check(t, c.New(drive.Chunk{Leaf: [32]byte{1}, Size: 1}))
	}
	check(t, c.New(drive.Chunk{Size: 1}))
	check(t, c.End())
	if len(regions) != 2 || regions[0].New.Size != 1<<20 || regions[0].New.Whole() || cap(regions[0].New.Blocks) > 1<<19 {
		t.Errorf("%d regions", len(regions))
	}
	if rest := regions[1].Old; rest.Offset != 1 || rest.Chunks != drive.MaxChunks-1 || rest.Whole() {
		t.Errorf("the rest is at %d, of %d chunks", rest.Offset, rest.Chunks)
	}
}
