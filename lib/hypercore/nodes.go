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

// maxAbsent bounds what is remembered of vain looks into the store.
const maxAbsent = 64 << 10

var errNodeMissing = fmt.Errorf("not verified yet: %w", merkle.ErrNodeMissing)

// nodeSource lets merkle.Verify look nodes up while d.mu is held.
type nodeSource func(ctx context.Context, index uint64) (merkle.Node, error)

func (f nodeSource) Node(ctx context.Context, index uint64) (merkle.Node, error) {
	return f(ctx, index)
}
