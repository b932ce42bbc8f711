package main

import (
	"strings"

	"hc/lib/merkle"
)

// mark says where a node of a picture comes from. Its value is what stands for it.
type mark byte

const (
	markBlock    mark = '#' // a block that came
	markCame     mark = 'o' // came as a hash
	markComputed mark = '*' // computed from what is below it
	markBoth     mark = '@' // came, and was computed later
	markNone     mark = '.' // a block that was not needed
)

var meanings = []struct {
	mark mark
	text string
}{
	{markBlock, "block"}, {markCame, "hash that came"}, {markComputed, "hash computed from below"},
	{markBoth, "hash that came, computed again"}, {markNone, "block that did not come"},
}

const (
	drawnBlocks = 32 // of a log that has more, no picture is drawn
	margin      = 9  // columns left of the tree, with the words that say what a row is
)

// picture draws the tree of a log of length blocks, at most drawnBlocks, a depth on each line, and a legend. A node stands
// in the column of its number, and so over the middle of what is below it:
//
//	               .---*---.
//	               o     .-*-.     o
//	         .   .   .   #   o   .   .
//	block    0       2       4       6
func picture(length uint64, marks map[uint64]mark) []string {
	scale := 1
	if length <= drawnBlocks/2 {
		scale = 2
	}
	column := func(node uint64) int { return margin + scale*int(node) }
	roots := merkle.FullRoots(length)
	top := 0
	for _, r := range roots {
		top = max(top, merkle.Depth(r))
	}
	rows := make([][]byte, top+1)
	for d := range rows {
		rows[d] = []byte(strings.Repeat(" ", column(2*length)))
	}
	used := map[mark]bool{}
	put := func(node uint64) {
		m := marks[node]
		d := merkle.Depth(node)
		if m == 0 && d > 0 {
			return
		}
		if m == 0 {
			m = markNone
		}
		if left, right, ok := merkle.Children(node); ok && m != markCame {
			for i := column(left); i <= column(right); i++ {
				rows[d][i] = '-'
			}
			rows[d][column(left)], rows[d][column(right)] = '.', '.'
		}
		rows[d][column(node)] = byte(m)
		used[m] = true
	}
	for _, r := range roots {
		for node := merkle.LeftSpan(r); node <= merkle.RightSpan(r); node++ {
			put(node)
		}
	}
	var lines []string
	for d := top; d >= 0; d-- {
		lines = append(lines, strings.TrimRight(string(rows[d]), " "))
	}
	lines = append(lines, ruler(length, column), "")
	for _, m := range meanings {
		if used[m.mark] {
			lines = append(lines, strings.Repeat(" ", margin)+string(m.mark)+"  "+m.text)
		}
	}
	return lines
}

// ruler numbers every second or fourth block.
func ruler(length uint64, column func(uint64) int) string {
	row := []byte("block" + strings.Repeat(" ", column(2*length)))
	step := uint64(4)
	if length <= drawnBlocks/2 {
		step = 2
	}
	for b := uint64(0); b < length; b += step {
		copy(row[column(2*b):], decimal(b))
	}
	return strings.TrimRight(string(row), " ")
}
