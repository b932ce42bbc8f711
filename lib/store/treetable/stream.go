package treetable

import (
	"fmt"
	"iter"

	"hc/lib/merkle"
)

// Stream yields the nodes of a tree in post-order, and compares parents with their children.
type Stream struct {
	next  func() (merkle.Node, error, bool)
	stop  func()
	at    merkle.Node // not passed yet
	ok    bool        // there is one
	below [64][2]merkle.Node
	known [64][2]bool
	wrong error
}

// NewStream begins with the first of the nodes, which come in post-order. Stop must be called.
func NewStream(nodes iter.Seq2[merkle.Node, error]) (*Stream, error) {
	s := &Stream{}
	s.next, s.stop = iter.Pull2(nodes)
	return s, s.advance()
}

// Stop releases the source of the nodes.
func (s *Stream) Stop() { s.stop() }

func (s *Stream) advance() (err error) {
	s.at, err, s.ok = s.next()
	if !s.ok || err != nil {
		return err
	}
	s.climb(s.at)
	return nil
}

// climb compares a node with its children, which came before it.
func (s *Stream) climb(n merkle.Node) {
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

// Wrong returns an error for the first parent so far that does not match its children; nil if there is none.
func (s *Stream) Wrong() error { return s.wrong }

// To moves to the node with that post-order number, and returns it; nil if it is not there. between, if not nil, is
// called with those before it.
func (s *Stream) To(number uint64, between func(merkle.Node) error) (*merkle.Node, error) {
	for s.ok && Number(s.at.Index) < number {
		if between != nil {
			if err := between(s.at); err != nil {
				return nil, err
			}
		}
		if err := s.advance(); err != nil {
			return nil, err
		}
	}
	if !s.ok || Number(s.at.Index) != number {
		return nil, nil
	}
	n := s.at
	return &n, s.advance()
}
