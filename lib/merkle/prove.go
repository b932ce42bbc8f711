package merkle

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
)

// HeadInfo is what a prover must know of its log besides its nodes.
type HeadInfo struct {
	Length    uint64 // blocks
	Fork      uint64
	Signature []byte // the field, as package keys writes it
	Prologue  uint64 // blocks that the manifest fixes; usually 0
}

// Prove answers a request from a log's nodes. It leaves the block's Value and the Manifest empty: the caller fills
// them in. As in stock, a part that the asker must know already, or that is beyond the upgrade asked for, is left
// out; a log of length 0 gives no part at all.
//
// It fails with [ErrInvalidRequest] for a request that no log of that length could answer, with [ErrFork] for one
// about another fork, with the source's error (such as [ErrNodeMissing]) if a node is missing, and with a [HintError]
// if a seek would have to trust a hint.
func Prove(ctx context.Context, request Request, head HeadInfo, nodes NodeSource) (*Proof, error) {
	if request.Fork != head.Fork {
		return nil, fmt.Errorf("%w: %d asked for, %d here", ErrFork, request.Fork, head.Fork)
	}
	proof := &Proof{ID: request.ID, Fork: head.Fork}
	if head.Length == 0 {
		return proof, nil
	}
	p := &prover{ctx: ctx, source: nodes, proof: proof, head: head.Length, seek: request.Seek}
	if err := p.plan(request, head.Prologue); err != nil {
		return nil, err
	}
	if err := p.prove(request, head.Signature); err != nil {
		return nil, err
	}
	return proof, nil
}

// prover makes one proof. Its numbers are node numbers, except head, which counts blocks.
type prover struct {
	ctx    context.Context
	source NodeSource
	proof  *Proof
	head   uint64
	seek   *SeekRequest

	start uint64  // the upgrade's first block; 0 without one
	to    uint64  // first leaf after the part that is proved
	node  *uint64 // node of the block or hash part
	up    uint64  // levels that the asker wants for node
	last  uint64  // block under node
	sub   uint64  // node that the upgrade is to prove, if wanted
	want  bool    // sub is to be proved inside the upgrade, and has not been yet
}

// plan checks the request and sets everything that does not need the tree.
func (p *prover) plan(request Request, prologue uint64) error {
	p.to = 2 * p.head
	if u := request.Upgrade; u != nil {
		start, length := u.Start, u.Length
		if start < prologue {
			// No signature covers anything below the prologue: send all of it at once.
			start, length = 0, prologue
		}
		if length == 0 || start >= p.head || length > p.head-start {
			return fmt.Errorf("%w: upgrade from %d by %d blocks of a log of %d", ErrInvalidRequest, u.Start, u.Length, p.head)
		}
		p.start, p.to = start, 2*(start+length)
		p.proof.Upgrade = &UpgradeProof{Start: start, Length: length}
	}
	switch {
	case request.Block != nil:
		if request.Block.Index >= p.head {
			return fmt.Errorf("%w: block %d of a log of %d", ErrInvalidRequest, request.Block.Index, p.head)
		}
		n := 2 * request.Block.Index
		p.node, p.up, p.last = &n, request.Block.Nodes, request.Block.Index
	case request.Hash != nil:
		n := request.Hash.Index
		if n >= 2*p.head || RightSpan(n) >= 2*p.head {
			return fmt.Errorf("%w: node %d of a log of %d blocks", ErrInvalidRequest, n, p.head)
		}
		p.node, p.up, p.last = &n, request.Hash.Nodes, LastBlock(n)
	}
	if p.seek != nil && request.Upgrade != nil && p.node != nil && *p.node >= 2*p.start {
		return fmt.Errorf("%w: seek and block or hash in one upgrade", ErrInvalidRequest)
	}
	return nil
}

func (p *prover) prove(request Request, signature []byte) error {
	var err error
	switch {
	case p.node != nil && (request.Upgrade == nil || p.last < p.start):
		err = p.below(request)
	case request.Upgrade != nil && p.seek != nil:
		p.want = true
		p.sub, err = p.seekFrom(p.to / 2)
	case request.Upgrade != nil && p.node != nil:
		p.want = true
		p.sub = *p.node
	}
	if err != nil || request.Upgrade == nil {
		return err
	}
	u := p.proof.Upgrade
	u.Signature = signature
	if u.Nodes, err = p.upgrade(request, 2*p.start, p.to); err != nil {
		return err
	}
	p.want = false
	if 2*p.head > p.to {
		u.Additional, err = p.upgrade(request, p.to, 2*p.head)
	}
	return err
}

// below proves a block or hash in the part of the log that the asker has, up to a node that it knows.
func (p *prover) below(request Request) error {
	root := *p.node
	for i := uint64(0); i < p.up; i++ {
		root = Parent(root)
		if Contains(root, p.to) {
			return fmt.Errorf("%w: %d levels above node %d is beyond the roots", ErrInvalidRequest, p.up, *p.node)
		}
	}
	if p.seek == nil {
		return p.blockProof(request, root, nil)
	}
	seekRoot, err := p.seekIn(root)
	if err != nil {
		return err
	}
	return p.blockProof(request, root, &seekRoot)
}

// blockProof fills the block or hash part with the siblings from the node up to root, and the seek part if one of the
// siblings is above seekRoot.
func (p *prover) blockProof(request Request, root uint64, seekRoot *uint64) error {
	var out []Node
	n := *p.node
	if request.Block == nil { // the asker hashes a block itself
		first, err := p.get(n)
		if err != nil {
			return err
		}
		out = append(out, first)
	}
	for ; n != root; n = Parent(n) {
		s := Sibling(n)
		if seekRoot != nil && s != *seekRoot && Contains(s, *seekRoot) {
			if err := p.seekProof(*seekRoot, s); err != nil {
				return err
			}
			continue
		}
		node, err := p.get(s)
		if err != nil {
			return err
		}
		out = append(out, node)
	}
	if request.Block != nil {
		p.proof.Block = &BlockProof{Index: request.Block.Index, Nodes: out}
	} else {
		p.proof.Hash = &HashProof{Index: request.Hash.Index, Nodes: out}
	}
	return nil
}

// seekProof fills the seek part with node n and the siblings from it up to root.
func (p *prover) seekProof(n, root uint64) error {
	first, err := p.get(n)
	if err != nil {
		return err
	}
	out := []Node{first}
	for ; n != root; n = Parent(n) {
		node, err := p.get(Sibling(n))
		if err != nil {
			return err
		}
		out = append(out, node)
	}
	p.proof.Seek = &SeekProof{Bytes: p.seek.Bytes, Nodes: out}
	return nil
}

// upgrade returns the nodes that turn a log of from/2 blocks into one of to/2.
func (p *prover) upgrade(request Request, from, to uint64) ([]Node, error) {
	var out []Node
	emit := func(x uint64) error {
		if p.want && Contains(x, p.sub) {
			p.want = false
			if p.seek != nil {
				return p.seekProof(p.sub, x)
			}
			return p.blockProof(request, x, nil)
		}
		node, err := p.get(x)
		out = append(out, node)
		return err
	}
	connected := from == 0
	for _, r := range FullRoots(to / 2) {
		if RightSpan(r) < from {
			continue // the asker has it
		}
		if connected || !Contains(r, from-2) {
			connected = true
			if err := emit(r); err != nil {
				return nil, err
			}
			continue
		}
		// r covers the asker's last block: complete it with the nodes right of that; the asker has the left side.
		connected = true
		for t := from - 2; t != r; t = Parent(t) {
			if s := Sibling(t); s > from-2 {
				if err := emit(s); err != nil {
					return nil, err
				}
			}
		}
	}
	return out, nil
}

func (p *prover) get(n uint64) (Node, error) {
	node, err := p.source.Node(p.ctx, n)
	if err != nil {
		return Node{}, fmt.Errorf("node %d: %w", n, err)
	}
	return node, nil
}

// unpadded returns a node's size without the padding of the blocks below it. It must be certain.
func (p *prover) unpadded(n Node) (uint64, error) {
	if n.Hint {
		return 0, fmt.Errorf("seeking byte %d: %w", p.seek.Bytes, &HintError{Index: n.Index})
	}
	high, padding := bits.Mul64(p.seek.Padding, Leaves(n.Index))
	if high != 0 || padding > n.Size {
		return 0, fmt.Errorf("%w: padding of %d bytes is more than node %d has", ErrInvalidRequest, p.seek.Padding, n.Index)
	}
	return n.Size - padding, nil
}

// seekFrom returns the node under which the asker's byte begins, in the first length blocks; if there is none, the
// number of the first leaf after them.
func (p *prover) seekFrom(length uint64) (uint64, error) {
	left := p.seek.Bytes
	for _, r := range FullRoots(length) {
		node, err := p.get(r)
		if err != nil {
			return 0, err
		}
		size, err := p.unpadded(node)
		if err != nil {
			return 0, err
		}
		if left <= size {
			if left == size {
				return r, nil
			}
			return p.descend(r, left)
		}
		left -= size
	}
	return 2 * length, nil
}

// seekIn returns the node of the tree below root under which the asker's byte begins.
func (p *prover) seekIn(root uint64) (uint64, error) {
	before, err := p.bytesBefore(root)
	if err != nil {
		return 0, err
	}
	if before > p.seek.Bytes {
		return 0, fmt.Errorf("%w: byte %d is before node %d", ErrInvalidRequest, p.seek.Bytes, root)
	}
	left := p.seek.Bytes - before
	if left == 0 {
		return root, nil
	}
	node, err := p.get(root)
	if err != nil {
		return 0, err
	}
	size, err := p.unpadded(node)
	if err != nil {
		return 0, err
	}
	if size <= left {
		return 0, fmt.Errorf("%w: byte %d is after node %d", ErrInvalidRequest, p.seek.Bytes, root)
	}
	return p.descend(root, left)
}

// bytesBefore returns the unpadded bytes left of the subtree at n.
func (p *prover) bytesBefore(n uint64) (uint64, error) {
	var sum uint64
	for _, r := range FullRoots(FirstBlock(n)) {
		node, err := p.get(r)
		if err != nil {
			return 0, err
		}
		size, err := p.unpadded(node)
		if err != nil {
			return 0, err
		}
		sum += size
	}
	return sum, nil
}

// descend walks down from n to the node before which left bytes of n lie. It stops above a node that is missing, and
// above one whose size is a hint.
func (p *prover) descend(n, left uint64) (uint64, error) {
	for left > 0 {
		l, r, ok := Children(n)
		if !ok {
			break
		}
		node, err := p.source.Node(p.ctx, l)
		if errors.Is(err, ErrNodeMissing) || err == nil && node.Hint {
			break
		}
		if err != nil {
			return 0, fmt.Errorf("node %d: %w", l, err)
		}
		size, err := p.unpadded(node)
		switch {
		case err != nil:
			return 0, err
		case size == left:
			return l, nil
		case size > left:
			n = l
		default:
			n, left = r, left-size
		}
	}
	return n, nil
}
