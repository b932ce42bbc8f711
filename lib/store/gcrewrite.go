package store

import (
	"context"
	"errors"

	"hc/lib/hash"
	"hc/lib/store/census"
	"hc/lib/store/checkpoint"
	"hc/lib/store/coalesce"
	"hc/lib/store/packlog"
	"hc/lib/store/positions"
	"hc/lib/store/records"
	"hc/lib/store/runs"
)

// Steps that tests leave out, to make sure that they notice.
const (
	withoutUse       = "gc-without-use"
	withoutRereading = "gc-without-rereading"
	withoutPassages  = "gc-without-passages" // of what is read again
	withoutKilling   = "gc-forgets-drops"    // records that make others void go, whatever is left of these
)

// rewriting is new packs in progress.
type rewriting struct {
	*collector
	places *positions.Set // of runs
	moves  checkpoint.Moves
	done   []*packlog.Rewrite
	packs  int // that they replace
}

// group makes one pack of some neighbours. If these turn out to be damaged they stay as they are.
func (r *rewriting) group(packs []candidate) error {
	first, last := packs[0].First.Pack, packs[len(packs)-1].First.Pack
	w, err := r.store.log.NewRewrite(r.ctx, r.view, first, last)
	if err != nil {
		return err
	}
	w.PassOverDamage(r.options.damaged != nil)
	in := make(map[uint64]bool, len(packs))
	for _, p := range packs {
		in[p.First.Pack] = true
	}
	c := copier{rewriting: r, to: w, in: in}
	err = c.copy(packs[0].First)
	if err == nil {
		err = w.Finish()
	}
	if err != nil {
		w.Abort()
	}
	if errors.Is(err, ErrDamaged) {
		r.report.Damaged += len(packs)
		return nil
	}
	if err != nil {
		return err
	}
	for _, p := range packs {
		r.moves.Packs[p.First.Pack] = checkpoint.MovedPack{ID: p.First.ID, Now: w.First()}
	}
	r.done = append(r.done, w)
	r.packs += len(packs)
	for pack := range in {
		r.replaced[pack] = true
	}
	return nil
}

// copier copies what is live into one new pack.
type copier struct {
	*rewriting
	to   *packlog.Rewrite
	in   map[uint64]bool // packs that it replaces
	dead *positions.Reader
}

func (c *copier) copy(from packlog.Position) (err error) {
	c.dead, err = positions.NewReader(c.ctx, c.census.Dead, from)
	if err != nil {
		return err
	}
	defer c.dead.Stop()
	take, flush := c.add, func() error { return nil }
	if c.repack != nil {
		if c.recoder == nil {
			c.recoder = runs.NewRecoder(c.repack.Cold)
		}
		j := coalesce.New(coalesce.Output{Census: c.census, Recoder: c.recoder, Add: c.add, AddRun: c.addJoined})
		take, flush = j.Take, j.Flush
	}
	var record packlog.Record // one for all, since each would be allocated
	err = c.to.Scan(c.ctx, func(r packlog.Record) error {
		record = r
		if c.options.Progress != nil {
			c.options.Progress(int64(packlog.RecordSize(&record)))
		}
		dead, err := c.isDead(&record)
		if err != nil || dead {
			return err
		}
		return take(&record)
	})
	if err != nil {
		return err
	}
	return flush()
}

func (c *copier) isDead(record *packlog.Record) (bool, error) {
	if f := c.census.Drops[record.Position]; f != nil {
		return c.canForget(f), nil
	}
	return c.dead.Has(record.Position, nil)
}

// canForget reports whether a drop is not needed any more: nothing older of its core is left anywhere. Its record and
// its head go together.
func (c *copier) canForget(f *census.Fate) bool {
	if f.Pinned || !c.in[f.Drop.Pack] || !c.in[f.Dropped.Pack] {
		return false
	}
	for pack := range f.Older {
		if c.store.options.tuning.leaveOut == withoutKilling {
			break
		}
		if !c.in[pack] && !c.replaced[pack] {
			return false
		}
	}
	return true
}

func (c *copier) add(record *packlog.Record) error {
	at, err := c.to.Add(record)
	if err != nil {
		return err
	}
	if first, open := c.moves.First[record.Append]; open && first.IsZero() {
		c.moves.First[record.Append] = at
	}
	if record.Kind != packlog.KindRun {
		return nil
	}
	return c.places.Add(record.Position, place{Run: at})
}

// addJoined writes a run that other runs were joined into.
func (c *copier) addJoined(run *packlog.Record, olds []coalesce.OldRun) error {
	at, err := c.to.Add(run)
	if err != nil {
		return err
	}
	for _, old := range olds {
		if err := c.places.Add(old.At, place{Run: at, At: old.First}); err != nil {
			return err
		}
	}
	return nil
}

// publish puts the new packs in their places, unless something that they left out is needed by now.
func (r *rewriting) publish(derived func() error) error {
	s := r.store
	shared := s.options.tuning.leaveOut == withoutUse
	use, err := s.log.Lock(r.ctx, packlog.LockUse, shared, r.lock)
	if err != nil {
		return err
	}
	err = s.log.Publish(r.ctx, r.done, r.check, derived)
	s.mu.Lock()
	s.state = nil
	s.mu.Unlock()
	return errors.Join(err, use.Unlock())
}

// check reads what the log gained since the census: no block that is named by its leaf hash may be in a run that is
// left out. No append is under way, and none begins.
func (r *rewriting) check(view packlog.View) error {
	if r.store.options.tuning.leaveOut == withoutRereading {
		return nil
	}
	st, _, err := r.store.current(r.ctx)
	if err != nil {
		return err
	}
	return r.store.log.Scan(r.ctx, view, r.census.At, false, func(record packlog.Record) error {
		if record.Kind != packlog.KindRun && record.Kind != packlog.KindSpan {
			return nil
		}
		e, err := records.Decode(record)
		if err != nil {
			return nil // it does not count
		}
		if err := e.EachPassage(func(x *records.Passage) error { return r.checkPassage(st, x) }); err != nil {
			return err
		}
		return e.EachLeaf(func(leaf hash.Digest) error { return r.checkLeaf(r.ctx, st, leaf) })
	})
}

func (r *rewriting) checkLeaf(ctx context.Context, st *state, leaf hash.Digest) error {
	at, ok, err := st.lookUp(ctx, r.store.log, leaf)
	if err != nil || !ok {
		return err
	}
	return r.checkRun(ctx, at.Run)
}

func (r *rewriting) checkPassage(st *state, x *records.Passage) error {
	if r.store.options.tuning.leaveOut == withoutPassages {
		return nil
	}
	at, err := st.locatePassage(r.ctx, r.store, x)
	if isGone(err) {
		return nil // it is damaged, and left as it is
	}
	if err != nil {
		return err
	}
	return r.checkRun(r.ctx, at.Run)
}

// checkRun returns errReferenced if a run that is needed was left out.
func (r *rewriting) checkRun(ctx context.Context, run packlog.Position) error {
	if _, replaced := r.moves.Packs[run.Pack]; !replaced {
		return nil
	}
	_, dead, err := r.census.Dead.Get(ctx, positions.Key(run))
	if err == nil && dead {
		return errReferenced
	}
	return err
}
