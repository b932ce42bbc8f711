package census

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
	"hc/lib/store/positions"
	"hc/lib/store/records"
	"hc/lib/store/runs"
	"hc/lib/store/table"
)

// Census says which records of the log up to one position nothing needs any more. Which runs are live follows from the
// files derived up to that position, the rest from the log itself. Memory grows with cores, packs, and appends that
// never ended; everything else is on disk.
//
// A dead record may stay where it is for ever, if its pack is not worth rewriting. So a record that voids older ones of
// its core (truncate, clear, a head that settles a conflict) is live as long as the core is; a drop, as long as an
// older record of its core is left.
type Census struct {
	source Source
	ctx    context.Context
	At     packlog.Position // the derived files end here; later records are left alone
	View   packlog.View     // as in Source
	NoneGo bool             // as in Source

	Late  map[packlog.AppendID]bool // begun before At, and committed after it, or perhaps still to be
	Torn  map[packlog.AppendID]bool // its records are in several packs
	Dead  *table.Table              // positions of dead records, except those of drops; in the scratch
	Drops map[packlog.Position]*Fate
	Packs map[uint64]*Pack // by their sequences; a pack without anything dead may be missing

	cores map[keys.Key]*Fate
	void  map[packlog.AppendID]bool // begun before At, never committed
	from  packlog.Position          // of the first record of an append in Late; zero: there is none
	used  *positions.Set
	live  *table.Table // all of used: runs
	files derived.CoreCache
}

// Pack is what is known of a pack.
type Pack struct {
	Dead    uint64 // bytes of records
	Damaged bool   // it does not have what it should have
}

// Source is what a census is taken of.
type Source struct {
	Log     *packlog.Log
	Runs    *runs.Reader
	Derived *derived.Tables // up to a position that is synced; they must remain until the census is taken
	View    packlog.View    // of the log, not before that position
	NoneGo  bool            // no append that is not committed in View is still under way
	Scratch *positions.Scratch
}

// Take takes a census. The error wraps packlog.ErrDamaged if there is more damage than can be told apart,
// derived.ErrDamaged if the derived files contradict the log.
func Take(ctx context.Context, of Source) (*Census, error) {
	c := &Census{
		source: of, ctx: ctx, At: of.Derived.Applied.Position, View: of.View, NoneGo: of.NoneGo,
		cores: make(map[keys.Key]*Fate),
		void:  make(map[packlog.AppendID]bool),
		Late:  make(map[packlog.AppendID]bool),
		Torn:  make(map[packlog.AppendID]bool),
		Drops: make(map[packlog.Position]*Fate),
		Packs: make(map[uint64]*Pack),
		used:  positions.NewSet(ctx, of.Scratch),
		files: derived.CoreCache{Files: of.Derived.Files.Beside(), Applied: of.Derived.Applied},
	}
	defer c.files.Close()
	for _, step := range []func() error{c.surveyAppends, c.markNamed, c.markLive, c.findDead} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Core returns what the log says about a core, which may be nothing.
func (c *Census) Core(key keys.Key) *Fate {
	f := c.cores[key]
	if f == nil {
		f = &Fate{}
		c.cores[key] = f
	}
	return f
}

func (c *Census) pack(number uint64) *Pack {
	p := c.Packs[number]
	if p == nil {
		p = &Pack{}
		c.Packs[number] = p
	}
	return p
}

// appendFacts is what must be known of an append when its head comes.
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

// surveyAppends goes through the log once and finds out which appends count, and what they do to their cores.
func (c *Census) surveyAppends() error {
	open := make(map[packlog.AppendID]*appendFacts)
	err := c.source.Log.Scan(c.ctx, c.View, packlog.Position{}, false, func(r packlog.Record) error {
		f, before := open[r.Append], r.Position.Less(c.At)
		if f == nil {
			f = &appendFacts{at: r.Position}
			open[r.Append] = f
		}
		if f.at.Pack != r.Position.Pack {
			c.Torn[r.Append] = true
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
		case f.old && c.NoneGo:
			c.void[id] = true
		case f.old:
			c.addLate(id, f)
		}
	}
	return err
}

func (c *Census) addLate(id packlog.AppendID, f *appendFacts) {
	c.Late[id] = true
	if c.from.IsZero() || f.at.Less(c.from) {
		c.from = f.at
	}
}

// markNamed marks the runs of blocks that appends in Late have named before At; what they name later is checked when a
// pack is about to be replaced. What was looked up when an append began may have been dropped since.
func (c *Census) markNamed() error {
	if c.from.IsZero() {
		return nil
	}
	search := passages.NewSearch(c.source.Log, c.View)
	err := c.source.Log.Scan(c.ctx, c.View, c.from, false, func(r packlog.Record) error {
		switch {
		case !r.Position.Less(c.At):
			return errCensusEnd
		case r.Kind != packlog.KindSpan || !c.Late[r.Append]:
			return nil
		}
		e, err := records.Decode(r)
		if err != nil {
			return nil // it does not count
		}
		return errors.Join(c.markPassages(search, e), e.EachLeaf(c.markLeaf))
	})
	if errors.Is(err, errCensusEnd) {
		return nil
	}
	return err
}

// markPassages marks the runs of the passages that span e has.
func (c *Census) markPassages(search *passages.Search, e *records.Entry) error {
	if !e.Span.HasPassages() {
		return nil
	}
	finder := passages.Finder{Log: c.source.Log, Reader: c.source.Runs}
	places, err := search.Locate(c.ctx, e, func(x *records.Passage) (runs.Place, bool, error) {
		return finder.Indexed(c.ctx, c.source.Derived.Index, x)
	})
	for _, at := range places {
		err = errors.Join(err, c.used.Add(at.Run, runs.Place{}))
	}
	return err
}

// committed takes in a whole append. If its head cannot be decoded, the append is left alone.
func (c *Census) committed(r packlog.Record, f *appendFacts) {
	key, _, err := records.DecodeHead(r.Meta)
	if r.Kind != packlog.KindHead || err != nil {
		c.Late[r.Append] = true
		return
	}
	core := c.Core(key)
	core.head = r.Position
	for _, cut := range f.cuts {
		core.addCut(cut)
	}
	core.Seen = core.Seen || f.seen
	if f.drop.IsZero() {
		return
	}
	if !core.Drop.IsZero() {
		core.leave(core.Drop)
		core.leave(core.Dropped)
	}
	core.Drop, core.Dropped = f.drop, r.Position
	core.cuts, core.Seen = nil, false
}

// markBase marks the run of the base that a run needs.
func (c *Census) markBase(r packlog.Record) error {
	if r.Kind != packlog.KindRun || len(r.Meta) < 2 || r.Meta[1] != records.CodecDelta {
		return nil
	}
	m, err := records.DecodeRun(r.Meta)
	if err != nil {
		return nil // damaged: nobody can read it
	}
	return c.markLeaf(m.Base)
}

// markLive marks the runs that have a block that a core holds.
func (c *Census) markLive() error {
	for _, ref := range c.source.Derived.Applied.Cores {
		core, err := c.files.Core(ref.Key)
		if err != nil {
			return err
		}
		if err := core.EachRow(c.ctx, func(r blockmap.Row) error { return c.markRow(core, r) }); err != nil {
			return err
		}
	}
	var err error
	c.live, err = c.used.Finish()
	return err
}

func (c *Census) markRow(core *derived.Core, r blockmap.Row) error {
	if r.Kind == blockmap.Placed {
		return c.used.Add(r.Place.Run, runs.Place{})
	}
	for b := r.First; b < r.End() && r.Kind == blockmap.ByLeaf; b++ {
		n, ok, err := core.Node(c.ctx, 2*b)
		if err == nil && !ok {
			err = fmt.Errorf("%w: the leaf of block %d of core %v is missing", derived.ErrDamaged, b, core.File.Key)
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
func (c *Census) markLeaf(leaf hash.Digest) error {
	var adding error
	err := c.source.Derived.Index.Places(c.ctx, leaf, func(p runs.Place) bool {
		if !c.View.Current(p.Run) {
			return true
		}
		adding = c.used.Add(p.Run, runs.Place{})
		return false
	})
	return errors.Join(err, adding)
}
