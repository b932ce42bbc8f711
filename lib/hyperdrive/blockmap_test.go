package hyperdrive

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// stockMaps returns the map blocks of stock's drives, by file, where the vectors have them in full.
func stockMaps(t testing.TB) (all [][]byte) {
	for _, v := range drives(t) {
		for _, listed := range v.Listing {
			entry, err := ParseEntry(listed.Value)
			if err != nil || entry.Blob == nil || !entry.Blob.Map {
				continue
			}
			for i := range entry.Blob.BlockLength {
				if block := v.Blobs.Blocks[entry.Blob.BlockOffset+i]; block.Hex != "" {
					all = append(all, unhex(t, block.Hex))
				}
			}
		}
	}
	if len(all) < 3 {
		t.Fatalf("stock's drives have %d map blocks", len(all))
	}
	return all
}

func TestMapsAsStock(t *testing.T) {
	for _, block := range stockMaps(t) {
		pieces, err := DecodeMap(block)
		if err != nil {
			t.Errorf("DecodeMap(%x): %v", block, err)
			continue
		}
		if again := EncodeMapBlock(pieces); !bytes.Equal(again, block) {
			t.Errorf("%x encodes again to %x", block, again)
		}
	}
	// From the format's description: blocks 1 (300 bytes), 2 (400), 1 again, 3 (70000).
	want := []Piece{{1, 300}, {2, 400}, {1, 300}, {3, 70000}}
	if pieces, err := DecodeMap(unhex(t, "000401fd2c0102fd900101fd2c0103fe70110100")); err != nil || !reflect.DeepEqual(pieces, want) {
		t.Errorf("DecodeMap = %v, %v, want %v", pieces, err, want)
	}
}

func TestPiecesAtOnce(t *testing.T) {
	for _, c := range []struct{ pieces, atOnce int }{
		{1, 8192}, {8192, 8192}, {8193, 8192}, {64 * 8192, 8192}, {64*8192 + 1, 8193}, {1_000_000, 15625}, {MaxPieces, 65536},
	} {
		if atOnce, err := PiecesAtOnce(c.pieces); err != nil || atOnce != c.atOnce {
			t.Errorf("of %d pieces %d at once, %v, want %d", c.pieces, atOnce, err, c.atOnce)
		}
	}
	for _, pieces := range []int{0, MaxPieces + 1} {
		if _, err := PiecesAtOnce(pieces); err == nil {
			t.Errorf("a map may have %d pieces", pieces)
		}
	}
}

func TestDecodeMapRefuses(t *testing.T) {
	for in, why := range map[string]string{
		"":                     "1 bytes needed",
		"00":                   "1 bytes needed",
		"0100":                 "unknown version 1",
		"000201":               "array of 2",
		"0001ff":               "array of 1",
		"0001fd01":             "2 bytes needed",
		"000101fd01":           "2 bytes needed",
		"0001010100":           "1 bytes after",
		"00fe0000100001":       "array of",
		"00ffffffffffffffff7f": "over the limit",
	} {
		if pieces, err := DecodeMap(unhex(t, in)); !errors.Is(err, ErrContent) || !strings.Contains(err.Error(), why) {
			t.Errorf("DecodeMap(%s) = %v, %v, want ErrContent with %q", in, pieces, err, why)
		}
	}
}

// A block of a map may list as many pieces as stock's readers take, and a whole map as many as a writer may produce.
func TestMapsOfTooMuchAreRefused(t *testing.T) {
	for _, c := range []struct {
		pieces int
		length uint64
		why    string
	}{{mostRead, maxBlock, ""}, {mostRead + 1, 1, "array of"}, {1, maxBlock + 1, "a piece of"}} {
		block := EncodeMapBlock(slices.Repeat([]Piece{{Length: c.length}}, c.pieces))
		if _, err := DecodeMap(block); (c.why == "") != (err == nil) || err != nil && (!errors.Is(err, ErrContent) || !strings.Contains(err.Error(), c.why)) {
			t.Errorf("%d pieces of %d bytes: %v, want %q", c.pieces, c.length, err, c.why)
		}
	}
	for _, c := range []struct {
		count uint64
		is    error
	}{{MaxPieces / mostRead, nil}, {MaxPieces/mostRead + 1, ErrContent}} {
		block := EncodeMapBlock(slices.Repeat([]Piece{{Length: 1}}, mostRead))
		stored := blocks(slices.Repeat([][]byte{block}, int(c.count)))
		blob := Blob{BlockLength: c.count, ByteLength: c.count * uint64(len(block)), Map: true}
		pieces := uint64(0)
		err := EachRun(t.Context(), stored, blob, func(run Run) error {
			pieces += run.Count
			return nil
		})
		if !errors.Is(err, c.is) || pieces != MaxPieces {
			t.Errorf("%d blocks of %d pieces: %d pieces, %v, want %d, %v", c.count, mostRead, pieces, err, MaxPieces, c.is)
		}
	}
}

func TestRuns(t *testing.T) {
	pieces := []Piece{{5, 1}, {6, 9}, {7, 1}, {7, 1}, {3, 1}, {4, 1}}
	want := []Run{{5, 3}, {7, 1}, {3, 2}}
	if got := Runs(pieces); !reflect.DeepEqual(got, want) {
		t.Errorf("Runs(%v) = %v, want %v", pieces, got, want)
	}
	if got := Runs(nil); got != nil {
		t.Errorf("Runs(nil) = %v", got)
	}
}

func FuzzDecodeMap(f *testing.F) {
	for _, block := range stockMaps(f) {
		f.Add(block)
	}
	f.Fuzz(func(t *testing.T, block []byte) {
		pieces, err := DecodeMap(block)
		if err != nil {
			if !errors.Is(err, ErrContent) {
				t.Errorf("%v is no ErrContent", err)
			}
			return
		}
		if 2*len(pieces) > len(block) {
			t.Errorf("%d pieces of %d bytes", len(pieces), len(block))
		}
		encoded := EncodeMapBlock(pieces)
		if len(encoded) > len(block) {
			t.Fatalf("%x encodes again to %x", block, encoded)
		}
		if again, err := DecodeMap(encoded); err != nil || !reflect.DeepEqual(again, pieces) {
			t.Errorf("%v encodes to what is read as %v, %v", pieces, again, err)
		}
	})
}
