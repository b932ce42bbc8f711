package stream

import (
	"fmt"
	"strconv"
)

//	chunk <len> [<len>…]\n<bytes>\n        one block for each length, ≤ 4096; several: ≤ 64 KiB together
//	lines <count> <len>\n<bytes>\n         count blocks, split after each LF; the last may lack it; several: ≤ 64 KiB
//	end <frames> <bytes> <crc32c hex>\n    frames before it, bytes of all blocks, over every byte before this frame
//
// Numbers are decimal, without leading zeros; one space separates words.

func appendChunk(b []byte, lengths []int) []byte {
	b = append(b, "chunk"...)
	for _, n := range lengths {
		b = strconv.AppendInt(append(b, ' '), int64(n), 10)
	}
	return append(b, '\n')
}

func appendLines(b []byte, count, length int) []byte {
	return fmt.Appendf(b, "lines %d %d\n", count, length)
}

func appendEnd(b []byte, frames, bytes uint64, crc uint32) []byte {
	return fmt.Appendf(b, "end %d %d %08x\n", frames, bytes, crc)
}

// cutWord splits a header, without its LF, into its first word and the rest after the space; more says whether there
// was a space.
func cutWord(header []byte) (word, rest []byte, more bool) {
	for i, c := range header {
		if c == ' ' {
			return header[:i], header[i+1:], true
		}
	}
	return header, nil, false
}

// parseNumber reads a decimal without leading zeros, at most limit.
func parseNumber(word []byte, limit uint64) (uint64, error) {
	if len(word) == 0 {
		return 0, fmt.Errorf("a number is missing")
	}
	if word[0] == '0' && len(word) > 1 {
		return 0, fmt.Errorf("number %s has a leading zero", show(word))
	}
	var n uint64
	for _, c := range word {
		if c < '0' || c > '9' {
			return 0, fmt.Errorf("%s is not a number", show(word))
		}
		d := uint64(c - '0')
		if n > (limit-d)/10 || d > limit {
			return 0, fmt.Errorf("%s is over the limit of %d", show(word), limit)
		}
		n = n*10 + d
	}
	return n, nil
}

// parseLengths reads the lengths of a chunk frame into lengths, and returns them and their sum.
func parseLengths(lengths []int, rest []byte) ([]int, int, error) {
	total := 0
	for more := true; more; {
		var word []byte
		word, rest, more = cutWord(rest)
		if len(lengths) == maxLengths {
			return lengths, 0, fmt.Errorf("more than %d lengths", maxLengths)
		}
		n, err := parseNumber(word, MaxBlock)
		if err != nil {
			return lengths, 0, fmt.Errorf("length: %w", err)
		}
		lengths = append(lengths, int(n))
		total += int(n)
		if len(lengths) > 1 && total > MaxPacked {
			return lengths, 0, fmt.Errorf("several chunks of more than %d bytes together", MaxPacked)
		}
	}
	return lengths, total, nil
}

// parseLines reads the count and the length of a lines frame.
func parseLines(rest []byte) (count, length int, err error) {
	first, second, _ := cutWord(rest)
	n, err := parseNumber(first, MaxPacked)
	if err != nil {
		return 0, 0, fmt.Errorf("count: %w", err)
	}
	limit := uint64(MaxPacked)
	if n == 1 {
		limit = MaxBlock
	}
	l, err := parseNumber(second, limit)
	if err != nil {
		return 0, 0, fmt.Errorf("length: %w", err)
	}
	if n == 0 || l < n {
		return 0, 0, fmt.Errorf("%d lines of %d bytes: a line has at least its LF", n, l)
	}
	return int(n), int(l), nil
}

// show quotes a piece of a stream for an error, shortened if it is long.
func show(b []byte) string {
	const most = 40
	if len(b) > most {
		return strconv.Quote(string(b[:most])) + "…"
	}
	return strconv.Quote(string(b))
}
