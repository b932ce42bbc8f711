package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/proof"
)

// How many groups are explained: those at the beginning and those at the end.
const (
	firstGroups = 8
	lastGroups  = 4
	shownNodes  = 40 // of a group
)

// explanation collects what proves what. It holds a few groups, however long the stream is.
type explanation struct {
	groups
	given   bool // a key was given
	compat  bool
	heads   int
	newHead bool   // the next group is the first under a head
	length  uint64 // of the head, in blocks
	roots   []uint64
	seen    int             // groups
	told    []step          // the groups that are explained
	marks   map[uint64]mark // of the picture; nil once the log is too long for one
}

// step is one group.
type step struct {
	number   int // from 1
	first    uint64
	blocks   uint64
	offset   uint64
	bytes    uint64
	heads    int  // heads until then
	newHead  bool // it is hashed up to the roots
	roots    []uint64
	came     []merkle.Node
	hashed   []merkle.Node // subtrees of blocks of the group
	computed []merkle.Node
}

func (x *explanation) Core(_ keys.Key, manifest []byte) error {
	x.compat = manifest == nil
	x.marks = map[uint64]mark{}
	return nil
}

func (x *explanation) Head(head proof.Head, roots []merkle.Node) error {
	x.heads++
	x.newHead = true
	x.length = head.Length
	x.roots = merkle.FullRoots(head.Length)
	if x.length > drawnBlocks {
		x.marks = nil
	}
	return nil
}

func (x *explanation) Group(g *proof.Group) error {
	x.seen++
	s := step{
		number: x.seen, first: g.First, blocks: uint64(len(g.Blocks)), offset: g.Offset,
		heads: x.heads, newHead: x.newHead, roots: x.roots,
		came: append([]merkle.Node(nil), g.Received...), computed: append([]merkle.Node(nil), g.Computed...),
	}
	x.newHead = false
	for _, b := range g.Blocks {
		s.bytes += uint64(len(b))
	}
	for _, index := range merkle.Subtrees(g.First, g.First+s.blocks) {
		s.hashed = append(s.hashed, x.subtree(g, index))
	}
	if len(x.told) == firstGroups+lastGroups {
		x.told = append(x.told[:firstGroups], x.told[firstGroups+1:]...)
	}
	x.told = append(x.told, s)
	for _, n := range s.came {
		x.mark(n.Index, markCame)
	}
	for _, n := range s.computed {
		x.mark(n.Index, markComputed)
	}
	return nil
}

// subtree computes a node whose blocks are all in the group.
func (x *explanation) subtree(g *proof.Group, index uint64) merkle.Node {
	left, right, ok := merkle.Children(index)
	if !ok {
		i := index/2 - g.First
		x.mark(index, markBlock)
		return merkle.LeafNodeHash(index/2, uint64(len(g.Blocks[i])), g.Leaves[i])
	}
	x.mark(index, markComputed)
	return merkle.ParentNode(x.subtree(g, left), x.subtree(g, right))
}

func (x *explanation) mark(node uint64, m mark) {
	if x.marks == nil {
		return
	}
	if x.marks[node] == markCame && m == markComputed {
		m = markBoth
	}
	x.marks[node] = m
}

// write explains the stream that sum is of.
func (x *explanation) write(w io.Writer, sum proof.Summary) {
	from, by := "was given", "the key's manifest names the signer"
	if !x.given {
		from = "came with the stream, and is trusted since no key was given"
	}
	if x.compat {
		by = "the key is the signer's"
	}
	fmt.Fprintf(w, "key        %v\n           %s\n", sum.Key, from)
	fmt.Fprintf(w, "claim      %v\n", sum.Claim)
	fmt.Fprintf(w, "head       fork %d, %s, %s\n", sum.Head.Fork, count(sum.Head.Length, "block"), count(sum.Head.ByteLength, "byte"))
	fmt.Fprintf(w, "tree hash  %v\n", merkle.TreeHash(sum.Roots))
	fmt.Fprintf(w, "signature  verifies; %s\n", by)
	if at := sum.Claim.At; at != nil && *at < sum.Head.Length && sum.TreeHash != ([32]byte{}) {
		fmt.Fprintf(w, "version    %s, tree hash %v\n", count(*at, "block"), sum.TreeHash)
	}
	switch {
	case x.length == 0:
	case x.marks != nil:
		fmt.Fprintf(w, "\n%s\n", strings.Join(picture(x.length, x.marks), "\n"))
	default:
		fmt.Fprintf(w, "\n%s\n", strings.Join(sketch(x.told[0]), "\n"))
	}
	for _, s := range x.told {
		if skipped := x.seen - len(x.told); skipped > 0 && s.number == firstGroups+skipped+1 {
			fmt.Fprintf(w, "\n(%s more)\n", count(uint64(skipped), "group"))
		}
		fmt.Fprintln(w)
		s.write(w)
	}
	fmt.Fprintf(w, "\nin all     %s, %s; %s received\n", count(sum.Blocks, "block"), count(sum.Bytes, "byte"), hashes(sum.Nodes))
}

func (s step) write(w io.Writer) {
	what := "the head alone"
	if s.blocks > 0 {
		what = fmt.Sprintf("%s, %s from byte %d on", blocks(s.first, s.first+s.blocks-1), count(s.bytes, "byte"), s.offset)
	}
	fmt.Fprintf(w, "group %-4d %s\n", s.number, what)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	s.rows(t, "received", s.came, below)
	s.rows(t, "hashed", s.hashed, below)
	s.rows(t, "computed", s.computed, func(n merkle.Node) string {
		left, right, _ := merkle.Children(n.Index)
		return fmt.Sprintf("%d + %d", left, right)
	})
	t.Flush()
	switch {
	case s.newHead && s.heads > 1:
		fmt.Fprintf(w, "           with what was known, %s of the signed tree hash\n", listRoots(s.roots))
	case s.newHead:
		fmt.Fprintf(w, "           %s of the signed tree hash\n", listRoots(s.roots))
	default:
		fmt.Fprintf(w, "           node %d was received before\n", s.highest())
	}
}

// rows writes a line for each node.
func (s step) rows(w io.Writer, word string, nodes []merkle.Node, from func(merkle.Node) string) {
	for i, n := range nodes {
		if i == shownNodes {
			fmt.Fprintf(w, "           (%d more)\n", len(nodes)-i)
			return
		}
		size := count(n.Size, "byte")
		if n.Hint {
			size = "size not certain"
		}
		fmt.Fprintf(w, "  %-8s \tnode %d\t%s\t%s\t%.16s..\n", word, n.Index, from(n), size, n.Hash)
		word = ""
	}
}

// highest returns the node that the group was hashed up to.
func (s step) highest() uint64 {
	if k := len(s.computed); k > 0 {
		return s.computed[k-1].Index
	}
	return s.hashed[0].Index
}

func below(n merkle.Node) string {
	return blocks(merkle.FirstBlock(n.Index), merkle.LastBlock(n.Index))
}

func blocks(first, last uint64) string {
	if first == last {
		return fmt.Sprintf("block %d", first)
	}
	return fmt.Sprintf("blocks %d-%d", first, last)
}

// listRoots returns "node 3 is the only root" or "nodes 3, 9 and 12 are the roots".
func listRoots(nodes []uint64) string {
	words := make([]string, len(nodes))
	for i, n := range nodes {
		words[i] = decimal(n)
	}
	switch k := len(words) - 1; k {
	case -1:
		return "there are no roots"
	case 0:
		return "node " + words[0] + " is the root"
	default:
		return "nodes " + strings.Join(words[:k], ", ") + " and " + words[k] + " are the roots"
	}
}

func count(n uint64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return decimal(n) + " " + what + "s"
}

func hashes(n uint64) string {
	if n == 1 {
		return "1 hash"
	}
	return decimal(n) + " hashes"
}

func decimal(n uint64) string { return strconv.FormatUint(n, 10) }
