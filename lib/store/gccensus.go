package store

import (
	"context"
	"errors"
	"fmt"
	"sort"

	"hc/lib/hash"
	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/store/packlog"
	"hc/lib/store/table"
)

// census finds out which records of the log up to one position nothing needs any more. Which runs are live it takes from
// what is derived up to there, the rest from the log itself. Memory grows with cores, packs, and appends that never ended;
// all else is on disk.
//
// A record that is dead may stay where it is for ever, if its pack is not worth rewriting. So whatever makes an older
// record of its core count no more (truncate, clear, a head that settles a conflict) is live as long as the core is; a drop, while an older
// record of its core is left.
type census struct {
	ctx     context.Context
	store   *Store
	scratch *scratch
	derived *derived
	at      packlog.Position // what is derived ends here; what comes behind is left alone
	view    packlog.View     // of the log, not before at
	noneGo  bool             // no append that is not committed in view goes on

	cores map[keys.Key]*coreFate
	void  map[packlog.AppendID]bool // begun before at, never committed
	late  map[packlog.AppendID]bool // begun before at, and committed behind it, or perhaps still to be
	torn  map[packlog.AppendID]bool // its records are in several packs
	used  *positionSet
	live  *table.Table // all of used: runs
	files coreCache

	dead  *table.Table // records, but for those of drops
	drops map[packlog.Position]*coreFate
	packs map[uint64]*packCensus
}

// packCensus counts the bytes of a pack's records.
type packCensus struct {
	dead    uint64
	damaged bool
}

// coreFate is what the log says about a core up to the census.
type coreFate struct {
	drop    packlog.Position // record of the last one
	dropped packlog.Position // its head; what stands before is dead
	head    packlog.Position // the last one
	cuts    []cut            // ascending positions and lengths
	seen    bool             // there were conflicting heads
	older   map[uint64]bool  // packs that have something of the core from before the drop
	pinned  bool             // something of the core from before the drop stays
	sizes   [2]uint64        // bytes of the drop's record and of its head
}

// cut is a truncation. One that a later one goes beyond is left out.
type cut struct {
	at     packlog.Position
	length uint64
}

func (f *coreFate) addCut(c cut) {
	for n := len(f.cuts); n > 0 && f.cuts[n-1].length >= c.length; n-- {
		f.cuts = f.cuts[:n-1]
	}
	f.cuts = append(f.cuts, c)
}

// left returns how many blocks are left of what stands at a position.
func (f *coreFate) left(at packlog.Position) uint64 {
	i := sort.Search(len(f.cuts), func(i int) bool { return at.Less(f.cuts[i].at) })
	if i == len(f.cuts) {
		return noLimit
	}
	return f.cuts[i].length
}

// leave notes that there is something of the core from before its drop.
func (f *coreFate) leave(at packlog.Position) {
	if f.older == nil {
		f.older = make(map[uint64]bool)
	}
	f.older[at.Pack] = true
}

func (f *coreFate) gone(at packlog.Position) bool { return at.Less(f.dropped) }

// takeCensus needs derived files up to a position that is synced, and the checkpoint lock, so that they stay.
func (s *Store) takeCensus(ctx context.Context, sc *scratch) (*census, error) {
	c := &census{
		ctx: ctx, store: s, scratch: sc,
		cores: make(map[keys.Key]*coreFate),
		void:  make(map[packlog.AppendID]bool),
		late:  make(map[packlog.AppendID]bool),
		torn:  make(map[packlog.AppendID]bool),
		drops: make(map[packlog.Position]*coreFate),
		packs: make(map[uint64]*packCensus),
	}
	if err := c.begin(); err != nil {
		return nil, err
	}
	defer c.files.close()
	for _, step := range []func() error{c.surveyAppends, c.markLive, c.findDead} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// begin opens what is derived, and looks how far the log goes while no append is under way, if that can be had.
func (c *census) begin() error {
	s := c.store
	use, err := s.tryLock(c.ctx, packlog.LockUse)
	if err != nil {
		return err
	}
	c.view, err = s.log.View(c.ctx)
	if use != nil {
		c.noneGo = true
		err = errors.Join(err, use.Unlock())
	}
	if err != nil {
		return err
	}
	_, d, err := s.openApplied()
	if err != nil {
		return err
	}
	c.derived, c.at = d, d.applied.position
	c.used = &positionSet{ctx: c.ctx, of: c.scratch, schema: setSchema}
	c.files = coreCache{files: &files{dir: s.dir, fs: s.fs, cache: s.files.cache, open: make(map[string]*table.Table)}, applied: d.applied}
	return nil
}

func (c *census) core(key keys.Key) *coreFate {
	f := c.cores[key]
	if f == nil {
		f = &coreFate{}
		c.cores[key] = f
	}
	return f
}

func (c *census) pack(number uint64) *packCensus {
	p := c.packs[number]
	if p == nil {
		p = &packCensus{}
		c.packs[number] = p
	}
	return p
}

// appendFacts is what of an append matters once its head comes.
type appendFacts struct {
	old  bool   // it has a record before the census
	pack uint64 // of its first record
	drop packlog.Position
	cuts []cut
	seen bool
}

func (f *appendFacts) take(r packlog.Record) {
	switch r.Kind {
	case packlog.KindDrop:
		f.drop = r.Position
	case packlog.KindTruncate:
		if m, err := decodeTruncate(r.Meta); err == nil {
			f.cuts = append(f.cuts, cut{r.Position, m.length})
		}
	case packlog.KindSeen:
		f.seen = true
	}
}

// surveyAppends goes through the log once: which appends count, and what they do to their cores.
func (c *census) surveyAppends() error {
	open := make(map[packlog.AppendID]*appendFacts)
	err := c.store.log.Scan(c.ctx, c.view, packlog.Position{}, false, func(r packlog.Record) error {
		f, before := open[r.Append], r.Position.Less(c.at)
		if f == nil {
			f = &appendFacts{pack: r.Position.Pack}
			open[r.Append] = f
		}
		if f.pack != r.Position.Pack {
			c.torn[r.Append] = true
		}
		f.old = f.old || before
		switch {
		case r.Commit && before:
			delete(open, r.Append)
			c.committed(r, f)
		case r.Commit:
			delete(open, r.Append)
			if f.old {
				c.late[r.Append] = true
			}
		case before:
			f.take(r)
			return c.markBase(r)
		}
		return nil
	})
	for id, f := range open {
		switch {
		case f.old && c.noneGo:
			c.void[id] = true
		case f.old:
			c.late[id] = true
		}
	}
	return err
}

// committed takes in a whole append. One whose head cannot be understood is left alone.
func (c *census) committed(r packlog.Record, f *appendFacts) {
	key, _, err := decodeHead(r.Meta)
	if r.Kind != packlog.KindHead || err != nil {
		c.late[r.Append] = true
		return
	}
	core := c.core(key)
	core.head = r.Position
	for _, cut := range f.cuts {
		core.addCut(cut)
	}
	core.seen = core.seen || f.seen
	if f.drop.IsZero() {
		return
	}
	if !core.drop.IsZero() {
		core.leave(core.drop)
		core.leave(core.dropped)
	}
	core.drop, core.dropped = f.drop, r.Position
	core.cuts, core.seen = nil, false
}

// markBase marks what a run needs to be read.
func (c *census) markBase(r packlog.Record) error {
	if r.Kind != packlog.KindRun || len(r.Meta) < 2 || r.Meta[1] != codecDelta {
		return nil
	}
	m, err := decodeRun(r.Meta)
	if err != nil {
		return nil // damaged: nobody can read it
	}
	return c.markLeaf(m.base)
}

// markLive finds the runs that hold a block of a core.
func (c *census) markLive() error {
	for _, ref := range c.derived.applied.cores {
		core, err := c.files.core(ref.key)
		if err != nil {
			return err
		}
		if err := mergeRuns(c.ctx, core.runs, true, func(r row) error { return c.markRow(core, r) }); err != nil {
			return err
		}
	}
	var err error
	c.live, err = c.used.finish()
	return err
}

func (c *census) markRow(core *coreTables, r row) error {
	if r.kind == rowPlaced {
		return c.used.add(r.place.run, place{})
	}
	for b := r.first; b < r.end() && r.kind == rowByLeaf; b++ {
		n, ok, err := core.node(c.ctx, 2*b)
		if err == nil && !ok {
			err = fmt.Errorf("%w: the leaf of block %d of core %v is not there", errDerived, b, core.file.key)
		}
		if err == nil {
			err = c.markLeaf(n.Hash)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// markLeaf marks the run that a look-up of a block finds.
func (c *census) markLeaf(leaf hash.Digest) error {
	var adding error
	err := c.derived.places(c.ctx, leaf, func(p place) bool {
		if !c.view.Current(p.run) {
			return true
		}
		adding = c.used.add(p.run, place{})
		return false
	})
	return errors.Join(err, adding)
}

var errCensusEnd = errors.New("end of the census")

// findDead goes through the log again and writes down what nothing needs.
func (c *census) findDead() error {
	live, err := readPositions(c.ctx, c.live, packlog.Position{})
	if live != nil {
		defer live.stop()
	}
	if err != nil {
		return err
	}
	w, err := c.scratch.create(setSchema)
	if err != nil {
		return err
	}
	defer w.Abort()
	kept := make(map[packlog.AppendID]bool) // whether a record of an append stays, until its head comes
	err = c.store.log.Scan(c.ctx, c.view, packlog.Position{}, false, func(r packlog.Record) error {
		if !r.Position.Less(c.at) {
			return errCensusEnd
		}
		dead, err := c.isDead(r, live, kept)
		if err != nil || !dead {
			return err
		}
		c.pack(r.Position.Pack).dead += packlog.RecordSize(&r)
		return w.Add(positionKey(r.Position), []byte{1})
	})
	if err != nil && !errors.Is(err, errCensusEnd) {
		return err
	}
	if _, err := live.has(c.at, c.lost); err != nil {
		return err
	}
	damage := c.store.log.Damage()
	if len(damage) >= packlog.MaxDamage {
		return fmt.Errorf("%w: more than can be told apart: check the store first", ErrDamaged)
	}
	for _, d := range damage {
		c.lost(d.Position.Pack)
	}
	c.countDrops()
	c.dead, err = w.finish()
	return err
}

// countDrops counts the drops that stand for nothing any more.
func (c *census) countDrops() {
	for at, f := range c.drops {
		if at == f.drop && !f.pinned && len(f.older) == 0 {
			c.pack(f.drop.Pack).dead += f.sizes[0]
			c.pack(f.dropped.Pack).dead += f.sizes[1]
		}
	}
}

// lost is called for packs that do not have what they should: they are left as they are.
func (c *census) lost(pack uint64) { c.pack(pack).damaged = true }

func (c *census) isDead(r packlog.Record, live *positionReader, kept map[packlog.AppendID]bool) (dead bool, err error) {
	switch {
	case r.Kind == packlog.KindRun:
		used, err := live.has(r.Position, c.lost)
		if err != nil {
			return false, err
		}
		if used && c.void[r.Append] {
			return false, fmt.Errorf("%w: the run at %v is used, and void", errDerived, r.Position)
		}
		dead = !used && !c.late[r.Append]
	case c.late[r.Append]:
		return false, nil
	case c.void[r.Append]:
		return true, nil
	case r.Commit:
		return c.isDeadHead(r, kept)
	default:
		if dead, err = c.isDeadEntry(r); err != nil {
			return false, err
		}
	}
	if _, drop := c.drops[r.Position]; !dead && !drop {
		kept[r.Append] = true
	}
	return dead, nil
}

// isDeadHead reports on a head: that of a core stays, and one that makes something count.
func (c *census) isDeadHead(r packlog.Record, kept map[packlog.AppendID]bool) (bool, error) {
	stays := kept[r.Append]
	delete(kept, r.Append)
	key, _, err := decodeHead(r.Meta)
	if err != nil {
		return false, nil
	}
	f := c.core(key)
	switch {
	case r.Position == f.dropped:
		if stays {
			f.pinned = true // a run of another's use in the append of the drop
		}
		c.drops[r.Position], f.sizes[1] = f, packlog.RecordSize(&r)
		return false, nil
	case f.gone(r.Position):
		f.leave(r.Position)
		f.pinned = f.pinned || stays
		return !stays, nil
	}
	return !stays && r.Position != f.head && !f.seen, nil
}

// isDeadEntry reports on what stands before a head, but for runs.
func (c *census) isDeadEntry(r packlog.Record) (bool, error) {
	e, err := understand(r)
	if err != nil {
		return false, nil // damaged, or of a newer program
	}
	f := c.core(e.key)
	switch {
	case r.Position == f.drop:
		c.drops[r.Position], f.sizes[0] = f, packlog.RecordSize(&r)
		return false, nil
	case f.gone(r.Position):
		f.leave(r.Position)
		return true, nil
	case e.kind != packlog.KindSpan && e.kind != packlog.KindNodes:
		return false, nil
	}
	core, err := c.files.core(e.key)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if e.kind == packlog.KindSpan {
		return c.isDeadSpan(e, f, core)
	}
	return c.areDeadNodes(e, f, core)
}

// isDeadSpan reports whether no block of a span is held any more.
func (c *census) isDeadSpan(e *entry, f *coreFate, core *coreTables) (bool, error) {
	left := f.left(e.at)
	for _, p := range e.span.parts {
		if p.first >= left {
			break
		}
		r, ok, err := core.rangeAt(c.ctx, p.first)
		if err != nil || ok && r.first < min(p.end(), left) {
			return false, err
		}
	}
	return true, nil
}

// areDeadNodes reports whether all nodes of a record were cut off, or follow from the blocks that are held.
func (c *census) areDeadNodes(e *entry, f *coreFate, core *coreTables) (bool, error) {
	left := f.left(e.at)
	for _, n := range e.nodes {
		first, last := merkle.FirstBlock(n.Index), merkle.LastBlock(n.Index)
		if last >= left {
			continue
		}
		r, ok, err := core.rangeAt(c.ctx, first)
		if err != nil || !ok || r.first > first || r.end <= last {
			return false, err
		}
	}
	return true, nil
}

// coreCache holds the tables of the cores that were looked at last.
type coreCache struct {
	files   *files
	applied *applied
	cores   map[keys.Key]*coreTables
}

const cachedCores = 64

// core returns the derived state of a core. ErrNotFound if there is none.
func (c *coreCache) core(key keys.Key) (*coreTables, error) {
	if core := c.cores[key]; core != nil {
		return core, nil
	}
	refs := c.applied.cores
	i := sort.Search(len(refs), func(i int) bool { return string(refs[i].key[:]) >= string(key[:]) })
	if i == len(refs) || refs[i].key != key {
		return nil, fmt.Errorf("core %v: %w", key, ErrNotFound)
	}
	if len(c.cores) >= cachedCores {
		if err := c.close(); err != nil {
			return nil, err
		}
	}
	core, err := c.files.openCore(key, refs[i].number)
	if err != nil {
		return nil, err
	}
	if c.cores == nil {
		c.cores = make(map[keys.Key]*coreTables)
	}
	c.cores[key] = core
	return core, nil
}

func (c *coreCache) close() error {
	clear(c.cores)
	return c.files.close()
}
