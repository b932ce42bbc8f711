package stream

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"hc/lib/checksum"
)

// readOwned is readAll by ReadBatch, with two batches that take turns. It fails if a batch changes before it is
// filled again, or has a sum that is not its block's.
func readOwned(r io.Reader, maxBytes, maxBlocks int) (blocks []string, err error) {
	s := NewReader(r)
	var batches [2]Batch
	var seen [2][]string
	for i := 0; ; i = 1 - i {
		b := &batches[i]
		for k, block := range b.Blocks {
			if string(block) != seen[i][k] {
				return nil, fmt.Errorf("a block of %d bytes changed while the next batch was read", len(block))
			}
		}
		err := s.ReadBatch(b, maxBytes, maxBlocks)
		seen[i] = nil
		total := 0
		for k, block := range b.Blocks {
			seen[i] = append(seen[i], string(block))
			total += len(block)
			if sum := b.Sums[k]; sum.Known && sum != checksum.Of(block) {
				return nil, fmt.Errorf("a block of %d bytes has another sum", len(block))
			}
		}
		blocks = append(blocks, seen[i]...)
		if err != nil {
			return blocks, err
		}
		if len(b.Blocks) == 0 || len(b.Sums) != len(b.Blocks) || b.Bytes != total {
			return nil, fmt.Errorf("a batch of %d blocks, %d sums, %d bytes, which has %d", len(b.Blocks), len(b.Sums), b.Bytes, total)
		}
	}
}

func TestReadBatch(t *testing.T) {
	var blocks []string
	for i, n := range []int{0, 1, direct - 1, direct, 100_000, 3 << 20, 3, 1 << 20, 7, 64 << 10} {
		for k := range 3 {
			blocks = append(blocks, strings.Repeat(string(rune('a'+i+k)), n))
		}
	}
	stream := write(t, blocks, func(i int) bool { return len(blocks[i]) > 0 && i%3 == 0 })
	for _, maxBytes := range []int{0, 1, 100 << 10, 2 << 20} {
		for _, maxBlocks := range []int{1, 1 << 20} {
			got, err := readOwned(iotest.DataErrReader(bytes.NewReader(stream)), maxBytes, maxBlocks)
			if err != io.EOF || !slices.Equal(got, blocks) {
				t.Errorf("%d bytes, %d blocks: %d blocks, %v", maxBytes, maxBlocks, len(got), err)
			}
		}
	}
}

// Blocks that Next has not returned yet come first.
func TestReadBatchBehindNext(t *testing.T) {
	s := NewReader(bytes.NewReader(write(t, []string{"a", "b", "c", "d"}, func(int) bool { return false })))
	first, err := s.Next()
	check(t, err)
	var b Batch
	if err := s.ReadBatch(&b, 1<<20, 1<<10); err != io.EOF || string(first) != "a" || fmt.Sprintf("%s", b.Blocks) != "[b c d]" {
		t.Errorf("%q, then %q, %v", first, b.Blocks, err)
	}
}

// Blocks stay where they are, including those that Next has left, and those that came before an error.
func TestReadBatchMovesNoBlocks(t *testing.T) {
	var blocks []string
	for i := range 40 {
		blocks = append(blocks, strings.Repeat(string(rune('A'+i)), direct-1)) // which share frames
	}
	stream := write(t, blocks, func(int) bool { return false })
	for _, first := range []int{0, 1} {
		s := NewReader(bytes.NewReader(stream[:len(stream)-5*direct/2]))
		for range first {
			_, err := s.Next()
			check(t, err)
		}
		var batches []*Batch
		var err error
		for range 10 { // also after the error
			batches = append(batches, &Batch{})
			err = s.ReadBatch(batches[len(batches)-1], len(batches)<<20, 1<<10)
		}
		var got []string
		for _, b := range batches {
			for _, block := range b.Blocks {
				got = append(got, string(block))
			}
		}
		if !errors.Is(err, ErrTruncated) || len(got) < len(blocks)/2 || !slices.Equal(got, blocks[first:first+len(got)]) {
			t.Errorf("behind %d blocks: %d of %d, or other ones than were written; %v", first, len(got), len(blocks), err)
		}
	}
}

// A large block does not leave large memory behind, and blocks with a frame of their own have sums.
func TestBatchMemory(t *testing.T) {
	const most = 1 << 20
	blocks := []string{strings.Repeat("L", MaxBlock)}
	for range 64 {
		blocks = append(blocks, strings.Repeat("s", 100_000))
	}
	s := NewReader(bytes.NewReader(write(t, blocks, func(int) bool { return false })))
	var batches [2]Batch
	for i := 0; ; i++ {
		b := &batches[i%2]
		err := s.ReadBatch(b, most, 1<<20)
		if err == io.EOF {
			return
		}
		check(t, err)
		if i > 2 && len(b.buf) > 2*(most+MaxHeader) {
			t.Errorf("batch %d, of %d bytes, keeps %d", i, b.Bytes, len(b.buf))
		}
		if !b.Sums[0].Known {
			t.Errorf("batch %d: a block of %d bytes has no sum", i, len(b.Blocks[0]))
		}
	}
}
