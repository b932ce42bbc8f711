package proof

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"hc/lib/gather"
	"hc/lib/keys"
	"hc/lib/merkle"
)

// Head is a signed head of a log, as a stream carries it.
type Head struct {
	Fork       uint64
	Length     uint64 // blocks
	ByteLength uint64
	Signature  []byte // the field, as package keys reads it
}

// Source is what a proof stream is written from. If the source of a drive's names also is a hyperbee.Expecter, it is
// called with the blocks that may be read soon. Every method may block until the data is there, as in a live
// download, and returns when ctx is done. Write calls Block and Node concurrently, from one goroutine each, but Head
// and Next never concurrently with another method.
type Source interface {
	Key() keys.Key
	Manifest() []byte // encoded; nil for a compat core

	// Head returns the newest head; the zero Head if nothing was signed yet.
	Head(ctx context.Context) (Head, error)

	// Next waits for a head longer than after, and returns io.EOF when there will be none.
	Next(ctx context.Context, after Head) (Head, error)

	// Node returns a tree node of the head that Head or Next returned last. Once Block has returned a block, the
	// nodes on its way up and their siblings must not be hints.
	merkle.NodeSource

	// Block returns a block, or an error wrapping ErrBlockMissing if it will not come. The bytes must not change
	// until Write returns, or has given the block back to a Lender.
	Block(ctx context.Context, index uint64) ([]byte, error)
}

// A Lender is a Source that reuses the memory of blocks. Write calls Return for each block once it has been written,
// but not for blocks that it could not write. It calls Return from another goroutine than Block.
type Lender interface {
	Source
	Return(block uint64)
}

// A Placer is a Lender that may have blocks in files. Write asks it about blocks that it has not given back.
type Placer interface {
	Lender

	// Place returns the file that contains a block's bytes, and their offset there; nil for none. The file may be
	// closed at any time.
	Place(block uint64) (file io.ReaderAt, offset int64)
}

// WriteOptions says what a stream is to prove.
type WriteOptions struct {
	Claim Claim
	Live  bool // follow later heads until the source has no more, or the claim's range is complete; not for a path or a tree

	// Blobs opens the log of a drive's blobs, for a path or a tree, when the first content is needed.
	Blobs func(ctx context.Context, key keys.Key) (Source, error)
}

// Write writes a proof stream, and nothing that it would have to take back: each group is written when it is
// complete. It returns an error wrapping ErrPartial if not everything asked for existed or came; it has then written
// what there is. A head that does not extend the one before is ErrConflict. ErrAbsent and hyperdrive.ErrNotFile say
// what a stream of a path or a tree, which is complete, proves instead of what was asked for.
func Write(ctx context.Context, w io.Writer, src Source, opt WriteOptions) error {
	if err := opt.Claim.check(); err != nil {
		return err
	}
	if opt.Claim.OfDrive() && opt.Live {
		return fmt.Errorf("claim %q: %w: a folder cannot be followed", opt.Claim, ErrUnsupported)
	}
	p := &writer{ctx: ctx, out: gather.New(w, writeBuffer), src: src, claim: opt.Claim, live: opt.Live}
	p.placer, _ = src.(Placer)
	var err error
	if opt.Claim.OfDrive() {
		err = p.writeFolder(opt.Blobs)
	} else {
		err = p.write()
	}
	if flushErr := p.out.Flush(); flushErr != nil && (err == nil || errors.Is(err, ErrPartial) || errors.Is(err, ErrAbsent)) {
		return flushErr
	}
	return err
}

type writer struct {
	ctx    context.Context
	out    *gather.Writer
	src    Source
	placer Placer // src, if it is one
	claim  Claim
	live   bool
	line   []byte // a frame's line under construction

	signer  *signer
	head    Head          // the last written
	heads   int           // written so far
	roots   []merkle.Node // of head
	known   []uint64      // as verifier.stack: the nodes that later groups are hashed up to, the leftmost last
	ids     []uint64      // nodes of the current group
	size    uint64        // bytes of the log (at the length claimed)
	done    bool          // everything claimed is written
	started bool          // a block is written
	next    uint64        // the next block, once one is written
	blocks  uint64        // written
	bytes   uint64        // in blocks
}

// write writes the stream.
func (p *writer) write() error {
	if err := p.intro(); err != nil {
		return err
	}
	head, err := p.src.Head(p.ctx)
	if err != nil {
		return err
	}
	for {
		if signed(head) {
			if err := p.offer(head); err != nil {
				return err
			}
		}
		if p.done || !p.live {
			break
		}
		if err := p.out.Flush(); err != nil {
			return err
		}
		later, err := p.src.Next(p.ctx, head)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if signed(head) && (later.Fork != head.Fork || later.Length <= head.Length) {
			return fmt.Errorf("%w: a head of %d blocks on fork %d follows one of %d on fork %d",
				ErrConflict, later.Length, later.Fork, head.Length, head.Fork)
		}
		head = later
	}
	return p.end(head)
}

// signed reports whether there is a head: one within a manifest's prologue needs no signature.
func signed(h Head) bool { return h.Length > 0 || len(h.Signature) > 0 }

// end writes the last frame. It writes a head without new blocks only if no other was written.
func (p *writer) end(head Head) error {
	if p.heads == 0 && signed(head) {
		l, err := p.layout(head)
		if err != nil {
			return err
		}
		if err := p.part(head, l); err != nil {
			return err
		}
	}
	p.frame(wordEnd, p.blocks, p.bytes)
	if err := p.out.Flush(); err != nil {
		return err
	}
	if p.heads == 0 {
		return fmt.Errorf("%w: the log %v has no signed head: nothing was appended yet", ErrPartial, p.src.Key())
	}
	return p.claim.missing(p.head.Length, p.size)
}

// offer writes a head and the groups under it, if it brings anything.
func (p *writer) offer(head Head) error {
	if err := p.extends(); err != nil {
		return err
	}
	l, err := p.layout(head)
	if err != nil {
		return err
	}
	atReached := p.claim.At != nil && *p.claim.At <= head.Length
	if l.first == l.end && !atReached && (p.claim.Kind != KindHead || p.claim.At != nil) {
		return nil
	}
	if err := p.part(head, l); err != nil {
		return err
	}
	if atReached || p.claim.Kind == KindBlocks && p.started && p.claim.To < p.next {
		p.done = true
	}
	return nil
}

// extends checks that the source's log extends the head written last.
func (p *writer) extends() error {
	for _, root := range p.roots {
		now, err := p.src.Node(p.ctx, root.Index)
		if err != nil {
			return err
		}
		if !merkle.Same(now, root) {
			return fmt.Errorf("%w: the log of %v was rewritten below block %d", ErrConflict, p.src.Key(), p.head.Length)
		}
	}
	return nil
}

// layout returns the layout of the first group under a head.
func (p *writer) layout(head Head) (layout, error) {
	l := layout{length: head.Length, split: math.MaxUint64, known: crown}
	if p.heads > 0 {
		l.old = p.head.Length
	}
	if p.claim.At != nil {
		l.split = *p.claim.At
	}
	limit := p.claim.limit(head.Length)
	switch p.claim.Kind {
	case KindAll:
		l.first, l.end = 0, limit
	case KindBlocks:
		l.first, l.end = p.claim.From, limit
		if p.claim.To != Open {
			l.end = min(limit, p.claim.To+1)
		}
	case KindBytes:
		if err := p.seek(&l, head, limit); err != nil {
			return l, err
		}
	}
	if p.started {
		l.first = p.next
	}
	if l.first >= l.end {
		l.first, l.end = l.old, l.old
	}
	return l, nil
}

// part writes a head and the groups under it.
func (p *writer) part(head Head, l layout) error {
	if err := p.headFrame(head); err != nil {
		return err
	}
	if l.first == l.end {
		if err := p.nodes(&l, l.end); err != nil {
			return err
		}
	}
	if err := p.groups(l); err != nil {
		return err
	}
	p.known = p.known[:0]
	p.head = head
	p.heads++
	p.roots = nil
	if !p.live {
		return nil
	}
	roots, err := merkle.RootsFrom(p.ctx, p.src, head.Length)
	p.roots = roots
	return err
}

// groups writes the blocks from l.first to l.end.
func (p *writer) groups(l layout) error {
	if l.first == l.end {
		return nil
	}
	ahead := readAhead(p.ctx, p.src, l.first, l.end)
	defer ahead.close()
	last := p.claim.limit(l.length) - 1
	for l.first < l.end {
		blocks, err := p.group(&l, ahead, last)
		if err != nil {
			return err
		}
		e := l.first + uint64(len(blocks))
		clear(blocks) // nothing holds them any longer
		if err := p.out.Flush(); err != nil {
			return err
		}
		p.giveBack(l.first, e)
		for _, index := range slices.Backward(p.ids) {
			if first := merkle.FirstBlock(index); e <= first && first < l.end {
				p.known = append(p.known, index)
			}
		}
		p.started, p.next = true, e
		l.first, l.old = e, 0
		if k := len(p.known) - 1; k >= 0 {
			l.known, p.known = p.known[k], p.known[:k]
		}
	}
	return nil
}

// giveBack gives back blocks that have been written, and that nothing holds any more.
func (p *writer) giveBack(first, end uint64) {
	lender, ok := p.src.(Lender)
	for ; ok && first < end; first++ {
		lender.Return(first)
	}
}

// group writes the largest possible group that begins with l.first, and returns its blocks.
func (p *writer) group(l *layout, ahead *ahead, last uint64) ([][]byte, error) {
	count, err := ahead.fill()
	e := l.fit(uint64(count))
	if larger, _ := l.larger(e); err != nil && (count == 0 || larger > 0) {
		return nil, err // a group that may be too small must not be written
	}
	if err := p.nodes(l, e); err != nil {
		return nil, err
	}
	blocks := ahead.take(int(e - l.first))
	return blocks, p.run(l.first, blocks, last)
}

// nodes writes the nodes of a group of the blocks up to e (exclusive).
func (p *writer) nodes(l *layout, e uint64) error {
	p.ids = l.nodes(p.ids[:0], e)
	for _, index := range p.ids {
		n, err := p.src.Node(p.ctx, index)
		if err != nil {
			return fmt.Errorf("tree node %d: %w", index, err)
		}
		if n.Hint {
			return fmt.Errorf("tree node %d: %w", index, merkle.ErrHint)
		}
		p.nodeFrame(n)
	}
	return nil
}
