package merkle

import (
	"fmt"

	"hc/lib/hash"
)

// upgrade grows the state's roots by the nodes of u, has the new head checked and records it in out. top is the node
// that the other parts climbed to; if it was not used here, it is returned for the caller to tie.
func (v *verifier) upgrade(u *UpgradeProof, top *item, out *Verified, checkHead func(length, fork uint64, treeHash hash.Digest, signature []byte) error) (*item, error) {
	if u.Start != v.state.Length {
		return nil, fmt.Errorf("%w: upgrade starts at block %d, not at %d", ErrUnverified, u.Start, v.state.Length)
	}
	if u.Length == 0 || u.Length > MaxLength-u.Start {
		return nil, fmt.Errorf("%w: upgrade from %d by %d blocks", ErrUnverified, u.Start, u.Length)
	}
	if p := v.state.Prologue; p != nil && u.Start < p.Length && (u.Start != 0 || u.Length != p.Length) {
		// Stock also accepts a longer one here, without looking at the prologue; its provers send exactly this.
		return nil, fmt.Errorf("%w: upgrade from %d by %d blocks, the prologue has %d", ErrUnverified, u.Start, u.Length, p.Length)
	}
	g := &grower{v: v, length: u.Start}
	for _, r := range v.state.Roots {
		r.Hint = false
		g.roots = append(g.roots, item{r, oldNode})
	}
	q := &queue{v: v, nodes: u.Nodes, extra: top}
	if err := g.grow(u.Start+u.Length, q); err != nil {
		return nil, err
	}
	if len(q.nodes) > 0 {
		return nil, fmt.Errorf("%w: node %d is not needed", ErrUnverified, q.nodes[0].Index)
	}
	if p := v.state.Prologue; p != nil && g.length == p.Length && TreeHash(g.nodes()) != p.TreeHash {
		return nil, fmt.Errorf("%w: not the prologue of the manifest", ErrUnverified)
	}
	if err := g.extend(u.Additional); err != nil {
		return nil, err
	}
	roots := g.nodes()
	if _, err := NewRoots(g.length, roots); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnverified, err)
	}
	out.Upgraded, out.Length, out.Roots, out.Signature = true, g.length, roots, u.Signature
	out.TreeHash = TreeHash(roots)
	if err := checkHead(out.Length, v.state.Fork, out.TreeHash, u.Signature); err != nil {
		return nil, fmt.Errorf("%w: head of %d blocks: %w", ErrUnverified, out.Length, err)
	}
	for _, r := range g.roots {
		if r.at != oldNode {
			v.nodes[r.at].Hint = false // the tree hash is over the roots' sizes
		}
	}
	return q.extra, nil
}

// grower appends subtrees to full roots. The roots' sizes in blocks strictly descend, like the bits of length.
type grower struct {
	v      *verifier
	length uint64 // blocks
	roots  []item
}

func (g *grower) last() item { return g.roots[len(g.roots)-1] }

// push appends a subtree, and merges nodes that have become siblings.
func (g *grower) push(n item) error {
	if Leaves(n.Index) > MaxLength-g.length {
		return fmt.Errorf("%w: log of more than %d blocks", ErrUnverified, uint64(MaxLength))
	}
	g.length += Leaves(n.Index)
	g.roots = append(g.roots, n)
	for k := len(g.roots) - 1; k > 0 && g.roots[k-1].Index == Sibling(g.roots[k].Index); k-- {
		parent, err := g.v.merge(g.roots[k-1], g.roots[k])
		if err != nil {
			return err
		}
		g.roots = append(g.roots[:k-1], parent)
	}
	return nil
}

// grow makes the log one of length blocks, taking everything that it lacks from q.
func (g *grower) grow(length uint64, q *queue) error {
	add := func(index uint64) error {
		n, err := q.take(index)
		if err != nil {
			return err
		}
		return g.push(n)
	}
	old := g.roots[:len(g.roots):len(g.roots)]
	matched, first := 0, true
	for _, x := range FullRoots(length) {
		if matched < len(old) && old[matched].Index == x {
			matched++
			continue
		}
		if first && matched < len(old) {
			// All other old roots are below x: complete it, from the last of them up.
			for g.last().Index != x {
				if err := add(Sibling(g.last().Index)); err != nil {
					return err
				}
			}
		} else if err := add(x); err != nil {
			return err
		}
		first = false
	}
	return nil
}

// extend appends subtrees that the sender chose. Each begins where the log ends and is no larger than the last root,
// so that the roots stay full roots.
func (g *grower) extend(nodes []Node) error {
	for _, n := range nodes {
		if n.Index >= 2*MaxLength || LeftSpan(n.Index) != 2*g.length || Depth(n.Index) > Depth(g.last().Index) {
			return fmt.Errorf("%w: node %d does not follow a log of %d blocks", ErrUnverified, n.Index, g.length)
		}
		if err := g.push(g.v.told(n)); err != nil {
			return err
		}
	}
	return nil
}

func (g *grower) nodes() []Node {
	out := make([]Node, len(g.roots))
	for i, r := range g.roots {
		out[i] = r.Node
		out[i].Hint = false
	}
	return out
}
