package merkle

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"hc/lib/hash"
)

// maxDepth is the depth of the root of a log of MaxLength blocks. Nothing climbs beyond it.
const maxDepth = 52

// State is what a verifier holds of a log.
type State struct {
	Length   uint64 // blocks
	Fork     uint64
	Roots    []Node    // full roots of Length from left to right, certain
	Prologue *Prologue // nil for the usual manifest
}

// Prologue is a start of the log that a manifest fixes without a signature.
type Prologue struct {
	Length   uint64 // blocks, > 0
	TreeHash hash.Digest
}

// Verified is the result of verifying a proof.
type Verified struct {
	// Nodes are to be stored: all nodes that are in the proof, or follow from it, and that were not known with a
	// certain size. Known hints whose size this settles are among them, corrected. Hint is set if the size was only
	// claimed. Every hash here is tied to a signed head.
	Nodes []Node

	Leaf      *Node // of the proof's block, hashed from its value; nil if the proof has none
	Upgraded  bool
	Length    uint64 // blocks; the state's if not Upgraded
	Fork      uint64
	Roots     []Node      // of Length
	TreeHash  hash.Digest // of Roots; only if Upgraded
	Signature []byte      // the field, as checked; only if Upgraded; aliases the proof
}

// Verify checks a proof against the verifier's state, and changes nothing: the caller stores the result.
//
// known returns nodes verified earlier (it need not have the roots, and may be nil). checkHead is called once for a
// proof with an upgrade, with the new head; it must return nil only if signature signs that head for the core. For a
// proof that also brings the manifest, check the manifest first and let checkHead use it.
//
// Any mismatch is an error wrapping [ErrUnverified]; a proof of another fork also wraps [ErrFork], and an error of
// checkHead is wrapped, too. An error of known other than [ErrNodeMissing] is wrapped alone. To follow another fork
// from its start, pass a State of length 0 with that fork.
func Verify(ctx context.Context, proof *Proof, state State, known NodeSource, checkHead func(length, fork uint64, treeHash hash.Digest, signature []byte) error) (*Verified, error) {
	if proof.Fork != state.Fork {
		return nil, fmt.Errorf("%w: %w: %d proved, %d expected", ErrUnverified, ErrFork, proof.Fork, state.Fork)
	}
	if _, err := NewRoots(state.Length, state.Roots); err != nil {
		return nil, fmt.Errorf("verifier's own roots: %w", err)
	}
	v := &verifier{ctx: ctx, state: state, known: known}
	top, err := v.parts(proof)
	if err != nil {
		return nil, err
	}
	out := &Verified{Length: state.Length, Fork: state.Fork, Roots: state.Roots, Leaf: v.leaf}
	if proof.Upgrade != nil {
		if top, err = v.upgrade(proof.Upgrade, top, out, checkHead); err != nil {
			return nil, err
		}
	}
	if top != nil {
		if err := v.tie(*top); err != nil {
			return nil, err
		}
	}
	if err := v.settle(); err != nil {
		return nil, err
	}
	out.Nodes = v.fresh()
	out.Roots = slices.Clone(out.Roots)
	return out, nil
}

// verifier collects the nodes of one proof. A node's Hint is set as long as its size is only claimed.
type verifier struct {
	ctx   context.Context
	state State
	known NodeSource

	nodes []Node
	pairs [][2]int // siblings hashed together, by position in nodes
	drop  int      // position+1 of a node that is known already; 0: none
	leaf  *Node
}

// oldNode is the position of a node that is from the state, not from the proof: it is certain.
const oldNode = -1

// item is a node that is being worked on.
type item struct {
	Node
	at int // position in verifier.nodes, or oldNode
}

// told takes a node from the proof.
func (v *verifier) told(n Node) item {
	n.Hint = true
	return v.add(n)
}

func (v *verifier) add(n Node) item {
	v.nodes = append(v.nodes, n)
	return item{n, len(v.nodes) - 1}
}

// merge returns the parent of two siblings, which is certain.
func (v *verifier) merge(a, b item) (item, error) {
	if Depth(a.Index) >= maxDepth {
		return item{}, fmt.Errorf("%w: node %d is beyond the limit of %d blocks", ErrUnverified, a.Index, uint64(MaxLength))
	}
	parent, err := parentOf(a.Node, b.Node)
	if err != nil {
		return item{}, err
	}
	v.pairs = append(v.pairs, [2]int{a.at, b.at})
	return v.add(parent), nil
}

// queue returns the nodes of one part in the order in which the verifier needs them.
type queue struct {
	v     *verifier
	nodes []Node
	extra *item // top of another part, which takes a node's place in the list
}

func (q *queue) empty() bool { return len(q.nodes) == 0 && q.extra == nil }

func (q *queue) take(index uint64) (item, error) {
	if q.extra != nil && q.extra.Index == index {
		taken := *q.extra
		q.extra = nil
		return taken, nil
	}
	if len(q.nodes) == 0 {
		return item{}, fmt.Errorf("%w: node %d is missing", ErrUnverified, index)
	}
	if q.nodes[0].Index != index {
		return item{}, fmt.Errorf("%w: node %d comes where %d is needed", ErrUnverified, q.nodes[0].Index, index)
	}
	taken := q.v.told(q.nodes[0])
	q.nodes = q.nodes[1:]
	return taken, nil
}

// climb goes up from n, hashing it with every node of q.
func (v *verifier) climb(n item, q *queue) (*item, error) {
	for !q.empty() {
		s, err := q.take(Sibling(n.Index))
		if err != nil {
			return nil, err
		}
		if n, err = v.merge(n, s); err != nil {
			return nil, err
		}
	}
	return &n, nil
}

// parts climbs the seek, block and hash parts, and returns the one node at their top; nil if there is no such part.
func (v *verifier) parts(proof *Proof) (*item, error) {
	if proof.Block != nil && proof.Hash != nil {
		return nil, fmt.Errorf("%w: block and hash in one proof", ErrUnverified)
	}
	var top *item
	if s := proof.Seek; s != nil && len(s.Nodes) > 0 {
		q := &queue{v: v, nodes: s.Nodes}
		first, err := v.first(s.Nodes[0].Index, q)
		if err != nil {
			return nil, err
		}
		if top, err = v.climb(first, q); err != nil {
			return nil, err
		}
	}
	switch {
	case proof.Block != nil:
		if proof.Block.Index >= MaxLength {
			return nil, fmt.Errorf("%w: block %d is beyond the limit", ErrUnverified, proof.Block.Index)
		}
		leaf := leafOf(proof.Block)
		v.leaf = &leaf
		return v.climb(v.add(leaf), &queue{v: v, nodes: proof.Block.Nodes, extra: top})
	case proof.Hash != nil:
		q := &queue{v: v, nodes: proof.Hash.Nodes, extra: top}
		first, err := v.first(proof.Hash.Index, q)
		if err != nil {
			return nil, err
		}
		return v.climb(first, q)
	}
	return top, nil
}

func leafOf(p *BlockProof) Node {
	if p.Leaf != nil {
		return LeafNodeHash(p.Index, uint64(len(p.Value)), *p.Leaf)
	}
	return LeafNode(p.Index, p.Value)
}

// first takes the first node of a part, whose number the sender chose.
func (v *verifier) first(index uint64, q *queue) (item, error) {
	if index >= 2*MaxLength {
		return item{}, fmt.Errorf("%w: node %d is beyond the limit", ErrUnverified, index)
	}
	return q.take(index)
}

// tie compares the top of a proof with the known node of that number.
func (v *verifier) tie(top item) error {
	k, ok, err := v.lookup(top.Index)
	if err != nil {
		return err
	}
	if !ok || k.Hash != top.Hash {
		return fmt.Errorf("%w: node %d is not one that is known", ErrUnverified, top.Index)
	}
	told := v.nodes[top.at].Hint
	switch {
	case !k.Hint && k.Size != top.Size:
		return fmt.Errorf("%w: node %d has %d bytes, not %d", ErrUnverified, top.Index, k.Size, top.Size)
	case !k.Hint || told:
		v.drop = top.at + 1 // nothing new is known of it
		return nil
	}
	settled, err := v.sibling(v.nodes[top.at])
	if err != nil || settled == nil {
		return err
	}
	v.nodes = append(v.nodes, *settled)
	return nil
}

// sibling returns the known sibling of n if its size was a hint and follows from that of n, which is certain now.
func (v *verifier) sibling(n Node) (*Node, error) {
	s, ok, err := v.lookup(Sibling(n.Index))
	if err != nil || !ok || !s.Hint {
		return nil, err
	}
	parent, ok, err := v.lookup(Parent(n.Index))
	if err != nil || !ok || parent.Hint {
		return nil, err
	}
	if parent.Size < n.Size {
		return nil, fmt.Errorf("%w: node %d has more bytes than its parent", ErrUnverified, n.Index)
	}
	s.Size, s.Hint = parent.Size-n.Size, false
	return &s, nil
}

// lookup returns a node that the verifier holds already.
func (v *verifier) lookup(index uint64) (n Node, ok bool, err error) {
	for _, r := range v.state.Roots {
		if r.Index == index {
			r.Hint = false
			return r, true, nil
		}
	}
	if v.known == nil {
		return Node{}, false, nil
	}
	n, err = v.known.Node(v.ctx, index)
	if errors.Is(err, ErrNodeMissing) {
		return Node{}, false, nil
	}
	if err != nil {
		return Node{}, false, fmt.Errorf("node %d: %w", index, err)
	}
	return n, true, nil
}

// settle finds the nodes whose size is certain although it was only claimed: siblings of certain ones, since the node
// hashed from both is certain.
func (v *verifier) settle() error {
	certain := func(at int) bool { return at == oldNode || !v.nodes[at].Hint }
	for _, p := range v.pairs {
		if !certain(p[0]) && !certain(p[1]) {
			if err := v.recall(p); err != nil {
				return err
			}
		}
		if certain(p[0]) || certain(p[1]) {
			for _, at := range p {
				if at != oldNode {
					v.nodes[at].Hint = false
				}
			}
		}
	}
	return nil
}

// recall looks up two siblings neither of which was hashed from nodes below it: a size that was certain before does
// not become a hint again, and a sender that contradicts it is lying.
func (v *verifier) recall(pair [2]int) error {
	for _, at := range pair {
		n := &v.nodes[at]
		k, ok, err := v.lookup(n.Index)
		if err != nil {
			return err
		}
		if !ok || k.Hint {
			continue
		}
		if !Same(k, *n) {
			return fmt.Errorf("%w: node %d has %d bytes, not %d", ErrUnverified, n.Index, k.Size, n.Size)
		}
		n.Hint = false
	}
	return nil
}

// fresh returns the nodes to store.
func (v *verifier) fresh() []Node {
	if v.drop == 0 {
		return v.nodes
	}
	return slices.Delete(v.nodes, v.drop-1, v.drop)
}
