package proof

import (
	"slices"
	"time"

	"hc/lib/gather"
	"hc/lib/merkle"
)

// handOnHead passes on a head that was verified with this group.
func (v *verifier) handOnHead(roots []merkle.Node) error {
	v.roots = roots
	v.sum.Heads++
	v.sum.Head, v.sum.Roots = v.head, roots
	if v.sink == nil {
		return nil
	}
	if v.sum.Heads == 1 {
		if err := v.sink.Core(v.sum.Key, v.sum.Manifest); err != nil {
			return err
		}
	}
	return v.sink.Head(v.head, roots)
}

// handOn passes on the group to everyone who wants it.
func (v *verifier) handOn(e uint64) error {
	g := &v.group
	if len(g.Blocks) > 0 {
		v.started = true
		v.next, v.offset = e, v.offset+uint64(v.bytes)
	}
	v.total += uint64(v.bytes)
	v.sum.Blocks += uint64(len(g.Blocks))
	v.sum.Bytes += g.To - g.From
	v.handed = time.Now()
	if err := v.feed(); err != nil {
		return err
	}
	if v.opt.Out != nil && g.To > g.From {
		if err := v.write(int(g.From), int(g.To)); err != nil {
			return err
		}
	}
	if v.opt.Progress != nil {
		v.opt.Progress(g.To-g.From, uint64(len(g.Blocks)))
	}
	return nil
}

// write writes the bytes of the group between two offsets.
func (v *verifier) write(from, to int) error {
	pieces, at := v.frames[:0], 0
	for _, frame := range v.frames {
		n := len(frame)
		if piece := frame[min(max(from-at, 0), n):min(max(to-at, 0), n)]; len(piece) > 0 {
			pieces = append(pieces, piece)
		}
		at += n
	}
	if out, ok := v.opt.Out.(gather.PiecesWriter); ok {
		return out.WritePieces(pieces)
	}
	for _, piece := range pieces {
		if _, err := v.opt.Out.Write(piece); err != nil {
			return err
		}
	}
	return nil
}

// feed passes the group to the sink.
func (v *verifier) feed() error {
	g := &v.group
	if v.sink == nil {
		return nil
	}
	if v.groups != nil {
		return v.groups.Group(g)
	}
	nodes := slices.Concat(g.Received, g.Computed)
	if len(nodes) > 0 {
		if err := v.sink.Nodes(nodes); err != nil {
			return err
		}
	}
	offset := 0
	for i, b := range g.Blocks {
		first, end := max(int(g.From)-offset, 0), min(int(g.To)-offset, len(b))
		offset += len(b)
		if err := v.sink.Block(g.First+uint64(i), b, first, end); err != nil {
			return err
		}
	}
	return nil
}
