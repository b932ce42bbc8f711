package replicate

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"hc/lib/hypercore"
	"hc/lib/merkle"
	"hc/lib/proof"
)

// setRange takes the wanted blocks from the claim, as far as it tells them; a range of bytes is looked up later.
func (f *fetcher) setRange() {
	claim := f.options.Claim
	f.from, f.to, f.ranged = 0, proof.Open, true
	switch claim.Kind {
	case proof.KindHead:
		f.to = 0
	case proof.KindBlocks:
		f.from = claim.From
		if claim.To != proof.Open {
			f.to = claim.To + 1
		}
	case proof.KindBytes:
		f.ranged = false
	}
	if claim.At != nil {
		f.to = min(f.to, *claim.At)
	}
	f.start()
}

func (f *fetcher) start() {
	f.cursor = f.from
	f.d.Start(f.from)
}

// plan asks for what is wanted next. over says that nothing more can come.
func (f *fetcher) plan(ctx context.Context) (over bool, err error) {
	if err := f.askUpgrade(); err != nil {
		return false, err
	}
	settled := f.newest()
	if settled && !f.ranged {
		if err := f.findBytes(ctx); err != nil {
			return false, err
		}
	}
	if settled && f.ranged { // a reader that came earlier would look for the bytes itself, on sizes that are hints yet
		f.d.Settle()
	}
	missing := false
	if f.ranged {
		if missing, err = f.askBlocks(ctx); err != nil {
			return false, err
		}
	}
	if err := f.askStrays(ctx); err != nil {
		return false, err
	}
	if len(f.sessions) == 0 {
		if f.options.Live || !f.complete() {
			return true, f.reason(ErrLost)
		}
		f.d.Settle()
		return true, nil
	}
	return settled && missing && !f.options.Live, nil
}

// askUpgrade asks the peer with the longest log to prove its head, one at a time.
func (f *fetcher) askUpgrade() error {
	length, fork := f.d.Length()
	var best *session
	for _, s := range f.sessions {
		for _, a := range s.requests {
			if a.request.Upgrade != nil {
				return nil
			}
		}
		if s.usable() && s.remote.Fork == fork && s.remote.Length > length && (best == nil || s.remote.Length > best.remote.Length) {
			best = s
		}
	}
	if best == nil {
		return nil
	}
	return best.send(&asked{request: merkle.Request{
		Fork:     fork,
		Upgrade:  &merkle.UpgradeRequest{Start: length, Length: best.remote.Length - length},
		Manifest: f.d.NeedsManifest() && best.remote.HasManifest,
	}})
}

// newest reports whether no peer has a longer head than ours.
func (f *fetcher) newest() bool {
	length, fork := f.d.Length()
	for _, s := range f.sessions {
		if !s.synced || s.dropped || s.probing() || !s.outdated && s.remote.Fork == fork && s.remote.Length > length {
			return false
		}
	}
	return len(f.sessions) > 0 && (length > 0 || !f.options.Live)
}

// complete reports whether all that was wanted of the verified log is here.
func (f *fetcher) complete() bool {
	length, _ := f.d.Length()
	return length > 0 && f.ranged && f.cursor >= min(f.to, length) && len(f.retry) == 0 && len(f.parked) == 0
}

// askBlocks asks for blocks in order, as far ahead of the reader as the window goes. missing says that the block which
// the reader is at, or will come to first, is nowhere to be had.
func (f *fetcher) askBlocks(ctx context.Context) (missing bool, err error) {
	length, _ := f.d.Length()
	position := f.d.Position()
	position = max(position, f.from)
	f.cursor = max(f.cursor, position)
	limit := min(f.to, length, position+f.ahead(length))
	bytes, _ := f.d.Unsaved()
	for f.underWay() < maxRequests*len(f.sessions) && bytes < maxUnsaved {
		block, ok, err := f.nextBlock(ctx, limit)
		if err != nil || !ok {
			return false, err
		}
		s := f.pick(block)
		if s == nil {
			f.retry = append(f.retry, block)
			slices.Sort(f.retry)
			return f.nobodyHas(block), nil
		}
		if err := f.ask(ctx, s, block, length); err != nil {
			return false, err
		}
	}
	return false, nil
}

// ahead is how many blocks fill the window, going by the log's average and by what came lately.
func (f *fetcher) ahead(length uint64) uint64 {
	if length == 0 {
		return 0
	}
	size := max(1, f.d.ByteLength()/length, f.recent)
	return min(max(uint64(f.options.Window)/size, 4), maxAhead)
}

func (f *fetcher) underWay() int {
	count := len(f.parked)
	for _, s := range f.sessions {
		count += len(s.requests)
	}
	return count
}

// nextBlock returns the next block below limit that is not here and not asked for.
func (f *fetcher) nextBlock(ctx context.Context, limit uint64) (block uint64, ok bool, err error) {
	for {
		switch {
		case len(f.retry) > 0 && f.retry[0] < limit:
			block, f.retry = f.retry[0], f.retry[1:]
		case f.cursor < limit:
			block = f.cursor
			f.cursor++
		default:
			return 0, false, nil
		}
		held, err := f.d.Holds(ctx, block)
		if err != nil {
			return 0, false, err
		}
		if !held {
			return block, true, nil
		}
	}
}

// pick returns the least busy peer that has the block, or one that might.
func (f *fetcher) pick(block uint64) *session {
	var best *session
	for _, s := range f.sessions {
		if !f.mayHave(s, block) {
			continue
		}
		if best == nil || s.blocks.has(block) && !best.blocks.has(block) || s.blocks.has(block) == best.blocks.has(block) && len(s.requests) < len(best.requests) {
			best = s
		}
	}
	return best
}

func (f *fetcher) mayHave(s *session, block uint64) bool {
	_, fork := f.d.Length()
	return s.usable() && s.remote.Fork == fork && block < s.remote.Length && !s.lacks[block]
}

// nobodyHas reports whether every peer has said that it lacks the block.
func (f *fetcher) nobodyHas(block uint64) bool {
	for _, s := range f.sessions {
		if !s.synced || s.dropped || f.mayHave(s, block) {
			return false
		}
	}
	return true
}

// ask requests a block with the hashes that are missing and not under way.
func (f *fetcher) ask(ctx context.Context, s *session, block, length uint64) error {
	levels, anchor, brings := f.expected.climb(ctx, f.d, 2*block, length)
	f.expected.add(brings)
	_, fork := f.d.Length()
	return s.send(&asked{
		request: merkle.Request{Fork: fork, Block: &merkle.BlockRequest{Index: block, Nodes: levels}},
		brings:  brings,
		anchor:  anchor,
	})
}

// askStrays asks for what the reader waits for beyond the wanted blocks: a tree node that nothing under way will bring,
// or a block that makes a size certain.
func (f *fetcher) askStrays(ctx context.Context) error {
	if node, waits := f.d.WaitsForNode(); waits {
		if err := f.askHash(ctx, node); err != nil {
			return err
		}
	}
	block, waits := f.d.WaitsForBlock()
	length, _ := f.d.Length()
	if !waits || !f.ranged || block >= length || block >= f.from && block < f.to {
		return nil
	}
	return f.askAlone(ctx, block, length)
}

func (f *fetcher) askHash(ctx context.Context, node uint64) error {
	length, fork := f.d.Length()
	if merkle.RightSpan(node) >= 2*length || f.expected[node] > 0 || f.d.Knows(ctx, node) {
		return nil
	}
	s := f.pick(merkle.FirstBlock(node))
	if s == nil {
		if f.nobodyHas(merkle.FirstBlock(node)) {
			f.d.Finish(nil)
		}
		return nil
	}
	levels, anchor, brings := f.expected.climb(ctx, f.d, node, length)
	f.expected.add(brings)
	return s.send(&asked{
		request: merkle.Request{Fork: fork, Hash: &merkle.HashRequest{Index: node, Nodes: levels}},
		brings:  brings,
		anchor:  anchor,
	})
}

// findBytes turns a range of bytes into blocks, asking step by step for the nodes whose sizes it takes: a size counts
// only once it has been hashed (lib/merkle on hints), so a forged one cannot lead to the wrong block.
func (f *fetcher) findBytes(ctx context.Context) error {
	claim := f.options.Claim
	length, _ := f.d.Length()
	if claim.At != nil {
		length = min(length, *claim.At)
	}
	if length == 0 {
		f.ranged = true
		return nil
	}
	first, known, err := f.findByte(ctx, claim.From, length)
	if err != nil || !known {
		return err
	}
	last := length - 1
	if claim.To != proof.Open {
		if last, known, err = f.findByte(ctx, claim.To, length); err != nil || !known {
			return err
		}
	}
	f.from, f.to, f.ranged = first, last+1, true
	f.start()
	return nil
}

// findByte returns the block that holds a byte, or the last one if the log ends before.
func (f *fetcher) findByte(ctx context.Context, at, length uint64) (block uint64, known bool, err error) {
	lookup := &lookup{d: f.d}
	block, _, err = merkle.Seek(ctx, at, length, lookup)
	var hint *merkle.HintError
	switch {
	case err == nil:
		return min(block, length-1), true, nil
	case errors.As(err, &hint):
		return 0, false, f.askSize(ctx, hint.Index, length)
	case errors.Is(err, merkle.ErrNodeMissing):
		return 0, false, f.askSize(ctx, lookup.missing, length)
	case errors.Is(err, merkle.ErrInvalidRequest): // beyond the end; the reader will find that out, too
		return length - 1, true, nil
	default:
		return 0, false, fmt.Errorf("looking for byte %d: %w", at, err)
	}
}

// lookup is the nodes that are here already, without waiting, and remembers which one was not.
type lookup struct {
	d       *hypercore.Download
	missing uint64
}

func (l *lookup) Node(ctx context.Context, index uint64) (merkle.Node, error) {
	node, err := l.d.Peek(ctx, index)
	if err != nil {
		l.missing = index
	}
	return node, err
}

// askSize asks for what makes the size of a node certain: the block itself, or the node's two children.
func (f *fetcher) askSize(ctx context.Context, node, length uint64) error {
	left, _, inner := merkle.Children(node)
	if inner {
		return f.askHash(ctx, left)
	}
	return f.askAlone(ctx, node/2, length)
}

// askAlone asks for a block that is not part of what is read in order.
func (f *fetcher) askAlone(ctx context.Context, block, length uint64) error {
	if held, err := f.d.Holds(ctx, block); held || err != nil || f.asksBlock(block) {
		return err
	}
	s := f.pick(block)
	if s == nil {
		if f.nobodyHas(block) {
			f.d.Finish(nil)
		}
		return nil
	}
	return f.ask(ctx, s, block, length)
}

func (f *fetcher) asksBlock(block uint64) bool {
	for _, s := range f.sessions {
		for _, a := range s.requests {
			if a.request.Block != nil && a.request.Block.Index == block {
				return true
			}
		}
	}
	return false
}
