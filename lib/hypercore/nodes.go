package hypercore

import (
	"context"
	"errors"
	"fmt"

	"hc/lib/merkle"
)

// Knows reports whether the tree node is verified already.
func (d *Download) Knows(ctx context.Context, index uint64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, err := d.node(ctx, index)
	return err == nil
}

// Peek returns a tree node that is verified already, or merkle.ErrNodeMissing. Unlike Node it does not wait.
func (d *Download) Peek(ctx context.Context, index uint64) (merkle.Node, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.node(ctx, index)
}

// node returns a verified node. d.mu is held.
func (d *Download) node(ctx context.Context, index uint64) (merkle.Node, error) {
	if node, ok := d.nodes[index]; ok {
		return node, nil
	}
	if node, ok := d.saving[index]; ok {
		return node, nil
	}
	for _, root := range d.state.Roots {
		if root.Index == index {
			return root, nil
		}
	}
	if node, ok := d.lately[index]; ok {
		return node, nil
	}
	if node, ok := d.ahead[index]; ok {
		return node.Node, nil
	}
	if d.view == nil || d.absent[index] {
		return merkle.Node{}, errNodeMissing
	}
	node, err := d.view.Node(ctx, index)
	if errors.Is(err, merkle.ErrNodeMissing) && len(d.absent) < maxAbsent {
		d.absent[index] = true
	}
	return node, err
}

// SettleNode makes the size of a node certain that is only a hint, from the nodes below it. If these do not suffice,
// it returns the first block that is missing, and ok is true.
func (d *Download) SettleNode(ctx context.Context, index uint64) (block uint64, ok bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, err = d.settleNode(ctx, index)
	var lack *lacking
	if errors.As(err, &lack) {
		return lack.block, true, nil
	}
	if err == nil {
		d.notify()
	}
	return 0, false, err
}

// lacking is a block without which the size of a node stays a hint.
type lacking struct{ block uint64 }

func (l *lacking) Error() string { return fmt.Sprintf("block %d is not here", l.block) }

// settleNode returns a node whose size is certain. d.mu is held.
func (d *Download) settleNode(ctx context.Context, index uint64) (merkle.Node, error) {
	node, err := d.node(ctx, index)
	if err == nil && !node.Hint {
		return node, nil
	}
	if err != nil && !errors.Is(err, merkle.ErrNodeMissing) {
		return node, err
	}
	left, right, inner := merkle.Children(index)
	if !inner {
		return node, &lacking{index / 2}
	}
	a, err := d.settleNode(ctx, left)
	if err != nil {
		return node, err
	}
	b, err := d.settleNode(ctx, right)
	if err != nil {
		return node, err
	}
	made := merkle.ParentNode(a, b)
	if node.Hint && node.Hash != made.Hash { // which is verified
		return node, fmt.Errorf("internal error: tree node %d of core %v does not match the nodes below it", index, d.key)
	}
	d.learn(made)
	return made, nil
}

// maxAbsent bounds how many failed look-ups in the store are remembered.
const maxAbsent = 64 << 10

var errNodeMissing = fmt.Errorf("not verified yet: %w", merkle.ErrNodeMissing)

// nodeSource lets merkle.Verify look nodes up while d.mu is held.
type nodeSource func(ctx context.Context, index uint64) (merkle.Node, error)

func (f nodeSource) Node(ctx context.Context, index uint64) (merkle.Node, error) {
	return f(ctx, index)
}
