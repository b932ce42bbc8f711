package store

import (
	"context"
	"fmt"
	"iter"

	"hc/lib/merkle"
)

// nodeStream gives the nodes of a tree's tables in post-order, and compares parents with their children.
type nodeStream struct {
	next  func() (merkle.Node, error, bool)
	stop  func()
	at    merkle.Node // not passed yet
	ok    bool        // there is one
	below [64][2]merkle.Node
	known [64][2]bool
	wrong error // the first parent that is not that of its children
}

func newNodeStream(ctx context.Context, tables []limited) (*nodeStream, error) {
	s := &nodeStream{}
	s.next, s.stop = iter.Pull2(treeNodes(ctx, tables))
	return s, s.advance()
}

func (s *nodeStream) advance() (err error) {
	s.at, err, s.ok = s.next()
	if !s.ok || err != nil {
		return err
	}
	s.climb(s.at)
	return nil
}

// climb compares a node with its children, which came before it.
func (s *nodeStream) climb(n merkle.Node) {
	depth := merkle.Depth(n.Index)
	if left, right, inner := merkle.Children(n.Index); inner {
		below, known := s.below[depth-1], s.known[depth-1]
		l, r := below[0], below[1]
		if known[0] && known[1] && l.Index == left && r.Index == right && !l.Hint && !r.Hint && !n.Hint &&
			!merkle.Same(merkle.ParentNode(l, r), n) && s.wrong == nil {
			s.wrong = fmt.Errorf("node %d is not the parent of the nodes %d and %d", n.Index, left, right)
		}
	}
	s.below[depth][0], s.known[depth][0] = s.below[depth][1], s.known[depth][1]
	s.below[depth][1], s.known[depth][1] = n, true
}

// to goes on to the node with that number, and returns it if it is there. between, if not nil, gets those before it.
func (s *nodeStream) to(number uint64, between func(merkle.Node) error) (*merkle.Node, error) {
	for s.ok && postOrder(s.at.Index) < number {
		if between != nil {
			if err := between(s.at); err != nil {
				return nil, err
			}
		}
		if err := s.advance(); err != nil {
			return nil, err
		}
	}
	if !s.ok || postOrder(s.at.Index) != number {
		return nil, nil
	}
	n := s.at
	return &n, s.advance()
}
