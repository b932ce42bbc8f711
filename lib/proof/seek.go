package proof

import (
	"errors"
	"fmt"

	"hc/lib/merkle"
)

// seek sets the blocks in which a claim of bytes begins and ends, and how many bytes there are.
func (p *writer) seek(l *layout, head Head, limit uint64) error {
	p.size = head.ByteLength
	if limit != head.Length {
		p.size = 0
		for _, root := range merkle.FullRoots(limit) {
			n, err := p.certain(root)
			if err != nil {
				return err
			}
			p.size += n.Size
		}
	}
	if limit == 0 || p.claim.From >= p.size {
		l.first, l.end = 0, 0
		return nil
	}
	l.end = limit
	if p.claim.To < p.size {
		last, err := p.find(p.claim.To, limit)
		if err != nil {
			return err
		}
		l.end = last + 1
		p.done = true
	}
	if p.started {
		return nil
	}
	first, err := p.find(p.claim.From, limit)
	l.first = first
	return err
}

// find returns the block that holds a byte.
func (p *writer) find(byteOffset, limit uint64) (uint64, error) {
	for {
		block, _, err := merkle.Seek(p.ctx, byteOffset, limit, p.src)
		var hint *merkle.HintError
		if !errors.As(err, &hint) {
			return block, err
		}
		if err := p.settle(hint.Index); err != nil {
			return 0, err
		}
	}
}

// certain returns a node whose size is not a hint.
func (p *writer) certain(index uint64) (merkle.Node, error) {
	n, err := p.src.Node(p.ctx, index)
	if err == nil && n.Hint {
		if err = p.settle(index); err == nil {
			n, err = p.src.Node(p.ctx, index)
		}
	}
	return n, err
}

// settle makes a node's size certain by having the source take the first block below it.
func (p *writer) settle(index uint64) error {
	first := merkle.FirstBlock(index)
	if _, err := p.src.Block(p.ctx, first); err != nil {
		return fmt.Errorf("tree node %d: %w", index, err)
	}
	p.giveBack(first, first+1)
	n, err := p.src.Node(p.ctx, index)
	if err == nil && n.Hint {
		err = fmt.Errorf("tree node %d: %w", index, merkle.ErrHint)
	}
	return err
}
