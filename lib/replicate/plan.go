package replicate

import (
	"context"
	"time"

	"hc/lib/merkle"
	"hc/lib/replicate/messages"
)

// start tells the download where its reader begins.
func (f *fetcher) start() {
	if f.options.keep {
		f.d.Start(merkle.MaxLength) // a reader beyond the end waits for nothing
		return
	}
	f.d.Start(f.ordered.from)
}

// plan asks for the blocks that are wanted next. over says that nothing more can come.
func (f *fetcher) plan(ctx context.Context) (over bool, err error) {
	f.plans++
	if len(f.sessions) == 0 && f.awaitsPeers() {
		return false, nil
	}
	if len(f.sessions) == 0 {
		return f.lost()
	}
	if s := f.sessions[0]; s.adopted && s.dropped { // the only one; it has no read loop of its own to report its end
		return false, s.reason
	}
	if err := f.askUpgrade(); err != nil {
		return false, err
	}
	if err := f.compareHeads(); err != nil {
		return false, err
	}
	if length, _ := f.d.Length(); f.options.fresh && f.leaves.lacking == 0 {
		f.leaves.lacking = length
	}
	settled := f.newest()
	if settled && !f.ordered.known {
		if err := f.findBytes(ctx); err != nil {
			return false, err
		}
	}
	if settled && f.ordered.known { // not before: a reader would look for the bytes itself, by sizes that are only hints yet
		f.d.Settle()
	}
	f.scattered.add(f.d.TakeWants())
	missing := false
	if f.ordered.known {
		if missing, err = f.askBlocks(ctx); err != nil {
			return false, err
		}
	}
	if err := f.askStrays(ctx); err != nil {
		return false, err
	}
	if settled && f.scattered.none() && f.idle() {
		f.d.WantsSettled()
	}
	return settled && (missing || f.options.keep && f.complete()) && !f.options.Live && f.idle(), nil
}

// idle reports whether nothing is under way.
func (f *fetcher) idle() bool {
	return f.underWayCount() == 0 && len(f.parking.answers) == 0
}

func (f *fetcher) underWayCount() (count int) {
	for _, s := range f.sessions {
		count += s.owed()
	}
	return count
}

// askUpgrade asks the peer that announces the longest log to prove its head. It asks one peer at a time, and another if
// that one is slow. A greater fork goes before a longer log.
func (f *fetcher) askUpgrade() error {
	length, fork := f.d.Length()
	var best *session
	for _, s := range f.sessions {
		if s.upgrade != nil {
			if time.Since(s.upgrade.at) < patience {
				return nil
			}
			continue
		}
		if !s.mayUpgrade(length, fork) || !s.room() {
			continue
		}
		if best == nil || s.remote.Fork > best.remote.Fork || s.remote.Fork == best.remote.Fork && s.remote.Length > best.remote.Length {
			best = s
		}
	}
	if best == nil {
		return nil
	}
	return best.send(&asked{request: merkle.Request{
		Fork:     best.remote.Fork,
		Upgrade:  &merkle.UpgradeRequest{Start: length, Length: best.remote.Length - length},
		Manifest: f.d.NeedsManifest() && best.remote.HasManifest,
	}})
}

// newest reports whether no peer has a longer head than ours. It waits for a silent peer, but not for long.
func (f *fetcher) newest() bool {
	length, fork := f.d.Length()
	heard := false
	for _, s := range f.sessions {
		switch {
		case s.dropped:
		case !s.synced:
			if time.Since(f.began) < patience {
				return false
			}
		case f.awaitsHead(s) || s.mayUpgrade(length, fork):
			return false
		default:
			heard = true
		}
	}
	return heard && (length > 0 || !f.options.Live)
}

// complete reports whether everything wanted of the verified log is here.
func (f *fetcher) complete() bool {
	length, _ := f.d.Length()
	return length > 0 && f.ordered.allTaken(length) && len(f.parking.answers) == 0
}

// askBlocks asks for blocks in order, as far ahead of the reader as the window allows. missing says that no peer has a
// block that the reader is at or will come to; nothing after that block is asked for.
func (f *fetcher) askBlocks(ctx context.Context) (missing bool, err error) {
	length, _ := f.d.Length()
	limit := min(f.ordered.to, length)
	if !f.options.keep {
		position := max(f.d.Position(), f.ordered.from)
		f.ordered.cursor = max(f.ordered.cursor, position)
		limit = min(limit, position+maxAhead)
	}
	for {
		if f.saves.full() {
			return false, nil
		}
		block, ok, err := f.nextBlock(ctx, limit, length)
		if err != nil || !ok || ctx.Err() != nil {
			return false, err
		}
		if (f.options.keep || !f.ordered.has(block)) && !f.leaves.known[block].here && f.passLacked(block) {
			continue
		}
		if f.leaves.known[block].here {
			if more, err := f.copyHere(ctx, block, limit, length); err != nil || !more {
				return false, err
			}
			continue
		}
		way := f.underWay.nodes.climb(ctx, f.d, 2*block, length)
		s := f.pick(block, way.anchor)
		if s != nil && s.doubts == nil && !s.leafless && !s.givesMany(length) && f.checks(s, block, limit, length) {
			asked, more, err := f.checkFirst(ctx, s, block, limit, length)
			if err != nil || asked && !more {
				return false, err
			}
			if asked {
				continue
			}
		}
		if s != nil && s.givesMany(length) {
			if more, err := f.askMany(ctx, s, block, limit); err != nil || !more {
				return false, err
			}
			continue
		}
		if s == nil && (f.options.keep || !f.ordered.has(block)) && f.nobodyHas(block, way.anchor) {
			continue // the blocks after it are worth having
		}
		if s == nil || !f.fitsWindow(block, f.estimate(way, length)) {
			f.again(block)
			return s == nil && f.nobodyHas(block, way.anchor), nil
		}
		if err := f.ask(ctx, s, block, way); err != nil {
			return false, err
		}
	}
}

// estimate returns how many bytes a block is likely to have: what the tree says, or less, judged by the log's average
// and by the blocks that came lately.
func (f *fetcher) estimate(way climb, length uint64) int {
	size := max(f.d.ByteLength()/max(length, 1), f.recent)
	switch {
	case way.known && way.levels == 0:
		size = way.size
	case way.known:
		size = min(size, way.size)
	}
	return int(min(size, messages.MaxBlock))
}

// fitsWindow reports whether a block of about size bytes may be asked for. The block that the reader waits for always may.
func (f *fetcher) fitsWindow(block uint64, size int) bool {
	here := f.parking.bytes + f.d.Unread()
	taken := f.underWay.bytes + here
	if taken == 0 || taken+size <= f.options.Window || here <= f.options.Window && taken+size <= f.underWayMost() {
		return true
	}
	waited, waits := f.d.WaitsForBlock()
	return waits && waited == block
}

// nextBlock returns the next block that is neither here nor asked for: one below limit, or one that a scattered reader
// wants of a log of length blocks.
func (f *fetcher) nextBlock(ctx context.Context, limit, length uint64) (block uint64, ok bool, err error) {
	for {
		if block, ok = f.ordered.next(limit); !ok {
			block, ok = f.scattered.next(length)
		}
		if !ok {
			return 0, false, nil
		}
		if f.underWay.blocks[block] {
			continue
		}
		held, err := f.d.Holds(ctx, block)
		if err != nil {
			return 0, false, err
		}
		if !held {
			return block, true, nil
		}
		delete(f.leaves.known, block)
	}
}

// pick returns the least busy peer that has, or may have, the block and can prove it up to the anchor. It does not turn
// to a peer that lags behind only because the others are busy.
func (f *fetcher) pick(block, anchor uint64) *session {
	_, fork := f.d.Length()
	var best *session
	busy := false
	for _, s := range f.sessions {
		if !s.mayHave(block, anchor, fork) || s.undecidedYet() {
			continue
		}
		if !s.room() || s.doubts.suspect(block) && s.owed() > 0 {
			busy = busy || !s.behind()
			continue
		}
		if best == nil || s.better(best, block) {
			best = s
		}
	}
	if best != nil && best.behind() && busy {
		return nil
	}
	return best
}

// nobodyHas reports whether every peer has said that it lacks the block, or is too short to prove it. A peer that is
// being dropped does not count; the end of the last one says why.
func (f *fetcher) nobodyHas(block, anchor uint64) bool {
	_, fork := f.d.Length()
	heard := false
	for _, s := range f.sessions {
		switch {
		case s.dropped:
		case !s.offers(), s.undecidedYet(), s.mayHave(block, anchor, fork):
			return false
		default:
			heard = true
		}
	}
	return heard
}

// ask requests a block, with the hashes that are neither here nor under way.
func (f *fetcher) ask(ctx context.Context, s *session, block uint64, way climb) error {
	length, fork := f.d.Length()
	a := &asked{
		request: merkle.Request{Fork: fork, Block: &merkle.BlockRequest{Index: block, Nodes: way.levels}},
		climb:   way,
		bytes:   f.estimate(way, length),
	}
	f.underWay.add(a)
	return s.send(a)
}
