package store

import (
	"context"
	"errors"
	"fmt"

	"hc/lib/hash"
	"hc/lib/keys"
	"hc/lib/store/blockmap"
	"hc/lib/store/derived"
	"hc/lib/store/packlog"
	"hc/lib/store/passages"
	"hc/lib/store/records"
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
	derived *derived.Tables
	at      packlog.Position // what is derived ends here; what comes behind is left alone
	view    packlog.View     // of the log, not before at
	noneGo  bool             // no append that is not committed in view goes on
	from    packlog.Position // of the first record of an append in late; zero: there is none

	cores map[keys.Key]*coreFate
	void  map[packlog.AppendID]bool // begun before at, never committed
	late  map[packlog.AppendID]bool // begun before at, and committed behind it, or perhaps still to be
	torn  map[packlog.AppendID]bool // its records are in several packs
	used  *positionSet
	live  *table.Table // all of used: runs
	files derived.CoreCache

	dead  *table.Table // records, but for those of drops
	drops map[packlog.Position]*coreFate
	packs map[uint64]*packCensus
}

// packCensus counts the bytes of a pack's records.
type packCensus struct {
	dead    uint64
	damaged bool
}

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
	defer c.files.Close()
	for _, step := range []func() error{c.surveyAppends, c.markNamed, c.markLive, c.findDead} {
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
	c.derived, c.at = d, d.Applied.Position
	c.used = &positionSet{ctx: c.ctx, of: c.scratch, schema: setSchema}
	c.files = derived.CoreCache{Files: s.files.Beside(), Applied: d.Applied}
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
	old  bool             // it has a record before the census
	at   packlog.Position // of its first record
	drop packlog.Position
	cuts []cut
	seen bool
}

func (f *appendFacts) take(r packlog.Record) {
	switch r.Kind {
	case packlog.KindDrop:
		f.drop = r.Position
	case packlog.KindTruncate:
		if m, err := records.DecodeTruncate(r.Meta); err == nil {
			f.cuts = append(f.cuts, cut{r.Position, m.Length})
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
			f = &appendFacts{at: r.Position}
			open[r.Append] = f
		}
		if f.at.Pack != r.Position.Pack {
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
				c.addLate(r.Append, f)
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
			c.addLate(id, f)
		}
	}
	return err
}

func (c *census) addLate(id packlog.AppendID, f *appendFacts) {
	c.late[id] = true
	if c.from.IsZero() || f.at.Less(c.from) {
		c.from = f.at
	}
}

// markNamed marks the runs of the blocks that appends in late name in what they have written before the census: what they write behind it
// is read when a pack is about to be replaced. What was looked up when an append began may have been dropped since.
func (c *census) markNamed() error {
	if c.from.IsZero() {
		return nil
	}
	search := passages.NewSearch(c.store.log, c.view)
	err := c.store.log.Scan(c.ctx, c.view, c.from, false, func(r packlog.Record) error {
		switch {
		case !r.Position.Less(c.at):
			return errCensusEnd
		case r.Kind != packlog.KindSpan || !c.late[r.Append]:
			return nil
		}
		e, err := records.Decode(r)
		if err != nil {
			return nil // it counts for nothing
		}
		return errors.Join(c.markPassages(search, e), e.EachLeaf(c.markLeaf))
	})
	if errors.Is(err, errCensusEnd) {
		return nil
	}
	return err
}

// markPassages marks the runs of the passages of the span that e is.
func (c *census) markPassages(search *passages.Search, e *records.Entry) error {
	if !e.Span.HasPassages() {
		return nil
	}
	finder := passages.Finder{Log: c.store.log, Reader: c.store.reader}
	places, err := search.Locate(c.ctx, e, func(x *records.Passage) (place, bool, error) {
		return finder.Indexed(c.ctx, c.derived.Index, x)
	})
	for _, at := range places {
		err = errors.Join(err, c.used.add(at.Run, place{}))
	}
	return err
}

// committed takes in a whole append. One whose head cannot be understood is left alone.
func (c *census) committed(r packlog.Record, f *appendFacts) {
	key, _, err := records.DecodeHead(r.Meta)
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
	if r.Kind != packlog.KindRun || len(r.Meta) < 2 || r.Meta[1] != records.CodecDelta {
		return nil
	}
	m, err := records.DecodeRun(r.Meta)
	if err != nil {
		return nil // damaged: nobody can read it
	}
	return c.markLeaf(m.Base)
}

// markLive finds the runs that hold a block of a core.
func (c *census) markLive() error {
	for _, ref := range c.derived.Applied.Cores {
		core, err := c.files.Core(ref.Key)
		if err != nil {
			return err
		}
		if err := core.EachRow(c.ctx, func(r blockmap.Row) error { return c.markRow(core, r) }); err != nil {
			return err
		}
	}
	var err error
	c.live, err = c.used.finish()
	return err
}

func (c *census) markRow(core *derived.Core, r blockmap.Row) error {
	if r.Kind == blockmap.Placed {
		return c.used.add(r.Place.Run, place{})
	}
	for b := r.First; b < r.End() && r.Kind == blockmap.ByLeaf; b++ {
		n, ok, err := core.Node(c.ctx, 2*b)
		if err == nil && !ok {
			err = fmt.Errorf("%w: the leaf of block %d of core %v is not there", derived.ErrDamaged, b, core.File.Key)
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
	err := c.derived.Index.Places(c.ctx, leaf, func(p place) bool {
		if !c.view.Current(p.Run) {
			return true
		}
		adding = c.used.add(p.Run, place{})
		return false
	})
	return errors.Join(err, adding)
}
