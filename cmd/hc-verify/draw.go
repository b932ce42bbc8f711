package main

import (
	"strings"

	"hc/lib/merkle"
)

// mark says where a node of a picture comes from. Its value is the character that is drawn.
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
	{markBlock, "block received"}, {markCame, "hash received"}, {markComputed, "hash computed from below"},
	{markBoth, "hash received, computed later"}, {markNone, "block not received"},
}

const (
	drawnBlocks = 32 // of a log that has more, no picture is drawn
	margin      = 9  // columns left of the tree, with the words that say what a row is
)

// picture draws the tree of a log of length blocks, at most drawnBlocks, a depth on each line, and a legend. A node is in
// the column of its number, and so above the middle of the nodes below it:
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
	return append(append(lines, ruler(length, column)), legend(used)...)
}

// legend says what the marks that were used mean.
func legend(used map[mark]bool) []string {
	lines := []string{""}
	for _, m := range meanings {
		if used[m.mark] {
			lines = append(lines, strings.Repeat(" ", margin)+string(m.mark)+"  "+m.text)
		}
	}
	return lines
}

// sketch draws, for a log too long for a picture, the nodes that a group under a new head involved, each below the one
// that it was hashed into.
func sketch(s step) []string {
	marks := map[uint64]mark{}
	used := map[mark]bool{}
	for m, nodes := range map[mark][]merkle.Node{markCame: s.came, markBlock: s.hashed, markComputed: s.computed} {
		for _, n := range nodes {
			marks[n.Index] = m
			used[m] = true
		}
	}
	lines := []string{strings.Repeat(" ", margin) + "tree hash"}
	var draw func(siblings []uint64, indent string)
	draw = func(siblings []uint64, indent string) {
		for i, node := range siblings {
			branch, under := "+-- ", "|   "
			if i == len(siblings)-1 {
				branch, under = "`-- ", "    "
			}
			line := indent + branch + decimal(node)
			m := marks[node]
			if m == 0 {
				line += "  known before"
			} else {
				line += "  " + string(m)
			}
			if m != markComputed {
				lines = append(lines, line+"  "+below(merkle.Node{Index: node}))
				continue
			}
			lines = append(lines, line)
			left, right, _ := merkle.Children(node)
			draw([]uint64{left, right}, indent+under)
		}
	}
	draw(s.roots, strings.Repeat(" ", margin))
	return append(lines, legend(used)...)
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
