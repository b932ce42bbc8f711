package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"hc/lib/keys"
	"hc/lib/store/blockmap"
	"hc/lib/store/census"
	"hc/lib/store/checkpoint"
	"hc/lib/store/derived"
	"hc/lib/store/packlog"
	"hc/lib/store/positions"
	"hc/lib/store/runs"
	"hc/lib/store/smallfile"
)

const (
	roundBytes    = 4 << 30 // bytes of new packs that are made before derived files are brought up to date
	collectTries  = 4
	scratchFolder = "gc"
)

// GCOptions are options for GC. The zero value rewrites packs that are at least a tenth dead.
type GCOptions struct {
	All      bool              // rewrite every pack that has anything dead
	DryRun   bool              // change no pack
	damaged  map[uint64]bool   // rewrite these packs, leaving out what is damaged in them: a check has found that nothing needs it
	Progress func(bytes int64) // called with the number of bytes read; may be nil
}

// GCReport is the result of a GC. Bytes are those of packs.
type GCReport struct {
	Packs     int    // all there were
	Rewritten int    // of these; with DryRun: would be
	Damaged   int    // left as they are because something in them cannot be read
	Before    uint64 // bytes of all packs, and of leftovers
	Dead      uint64 // bytes that nothing needed
	After     uint64 // bytes of all packs
}

// Freed returns the bytes that were freed, or would be; negative if others wrote more meanwhile.
func (r GCReport) Freed() int64 { return int64(r.Before) - int64(r.After) }

// GC frees the room of everything that is not needed any more: blocks that were cleared, cut off, or dropped with their
// core, records of appends that never finished, and records that later ones have replaced. It runs beside readers and
// writers; while it puts a rewritten pack in its place it needs a moment without appends (if that does not come:
// ErrLocked, naming the appender). It makes a checkpoint. Memory is flat. An error leaves the store whole; what was
// freed before stays freed.
func (s *Store) GC(ctx context.Context, options GCOptions) (GCReport, error) {
	report, err := s.collect(ctx, options, nil)
	if err != nil {
		return report, fmt.Errorf("collecting garbage: %w", err)
	}
	return report, nil
}

var (
	errReferenced = fmt.Errorf("%w: an append needs something that was to be left out", ErrConflict)
	errRetry      = fmt.Errorf("%w: others kept changing the store: try again", ErrConflict)
)

// collector is one GC or repack in progress.
type collector struct {
	ctx      context.Context
	store    *Store
	options  GCOptions
	repack   *RepackOptions // nil: GC
	recoder  *runs.Recoder  // of repack; nil: nothing was compressed again yet
	lock     *packlog.Lock
	scratch  *positions.Scratch
	census   *census.Census
	view     packlog.View
	packs    []packlog.Pack
	replaced map[uint64]bool // packs replaced since the census
	swept    uint64          // bytes that were freed before the census
	report   GCReport
}

func (s *Store) collect(ctx context.Context, options GCOptions, repack *RepackOptions) (_ GCReport, err error) {
	if s.options.ReadOnly {
		return GCReport{}, ErrReadOnly
	}
	lock, err := s.lockCheckpoint(ctx, false)
	if err != nil {
		return GCReport{}, err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	g := &collector{ctx: ctx, store: s, options: options, repack: repack, lock: lock}
	for try := 1; ; try++ {
		err := g.run()
		if derived.IsFault(err) && try == 1 { // they are built again, from the log
			s.renew(nil, err, true)
			continue
		}
		if !errors.Is(err, errReferenced) && !errors.Is(err, packlog.ErrOvertaken) && !errors.Is(err, packlog.ErrMoved) {
			return g.report, err
		}
		if try == collectTries {
			return g.report, fmt.Errorf("%w (%w)", errRetry, err)
		}
	}
}

// run does all of it once; what it has done remains even if it fails.
func (g *collector) run() error {
	if err := g.begin(); err != nil {
		return err
	}
	defer g.scratch.Remove() // else the next one does
	if err := g.look(); err != nil {
		return err
	}
	if g.options.DryRun {
		g.supposeSwept()
	}
	if g.report.Before == 0 {
		g.report.Packs, g.report.Before = len(g.packs), g.bytes()+g.swept
	}
	if len(g.packs) == 0 {
		return nil
	}
	chosen, err := g.choose()
	if err != nil {
		return err
	}
	g.tell(chosen)
	if g.options.DryRun {
		return nil
	}
	if err := g.rewriteAll(group(chosen, g.store.packSize())); err != nil {
		return err
	}
	if err := g.store.sweepOrphans(g.ctx); err != nil {
		return err
	}
	g.view, err = g.store.log.View(g.ctx)
	if err != nil {
		return err
	}
	if g.packs, err = g.store.log.Packs(g.ctx, g.view); err != nil {
		return err
	}
	g.report.After = g.bytes()
	return nil
}

// begin sweeps, and takes the census.
func (g *collector) begin() error {
	if !g.options.DryRun {
		if err := g.sweep(); err != nil {
			return err
		}
	}
	return g.wanting(g.prepare())
}

// wanting says, when the disk is full, how much room a gc needs before it can free any.
func (g *collector) wanting(err error) error {
	if !packlog.IsFull(err) {
		return err
	}
	st, _, stateErr := g.store.current(g.ctx)
	if stateErr != nil {
		return err
	}
	st.mu.RLock()
	bytes := prepareBytes + tailBlockBytes*st.blocks
	st.mu.RUnlock()
	return fmt.Errorf("finding what can be freed takes about %d bytes on this disk, and then as much as is left of one pack: %w", bytes+g.derivedBytes(), err)
}

// What a checkpoint and a census write, roughly: initially, and for each block in the tail. Derived files may have to
// be merged, too.
const (
	prepareBytes   = 64 << 10
	tailBlockBytes = 200
)

// derivedBytes returns how much derived files take, as far as that can be told.
func (g *collector) derivedBytes() (bytes uint64) {
	s := g.store
	folders := []string{filepath.Join(s.dir, "index")}
	cores := filepath.Join(s.dir, "cores")
	names, _ := s.fs.ReadDir(cores)
	for _, name := range names {
		folders = append(folders, filepath.Join(cores, name))
	}
	for _, folder := range folders {
		names, _ := s.fs.ReadDir(folder)
		for _, name := range names {
			size, _, _ := s.fs.Stat(filepath.Join(folder, name))
			bytes += uint64(size)
		}
	}
	return bytes
}

// prepare syncs what is readable, brings derived files up to that position, and takes the census.
func (g *collector) prepare() (err error) {
	s := g.store
	if g.scratch, err = positions.NewScratch(s.fs, filepath.Join(s.dir, scratchFolder), s.files.Cores); err != nil {
		return err
	}
	g.replaced = make(map[uint64]bool)
	view, err := s.log.View(g.ctx)
	if err != nil {
		return err
	}
	if !g.options.DryRun {
		if view.Synced.Less(view.Readable) { // a record must be synced before what it makes dead may go
			if err := s.log.Seal(g.ctx); err != nil {
				return err
			}
		}
	}
	if err := s.checkpointLocked(g.ctx, nil); err != nil {
		return err
	}
	g.census, err = g.takeCensus()
	return err
}

// takeCensus finds the end of the log, while no append is under way if possible, and counts what is dead up to the
// derived position.
func (g *collector) takeCensus() (*census.Census, error) {
	s := g.store
	use, err := s.tryLock(g.ctx, packlog.LockUse)
	if err != nil {
		return nil, err
	}
	view, err := s.log.View(g.ctx)
	if use != nil {
		err = errors.Join(err, use.Unlock())
	}
	if err != nil {
		return nil, err
	}
	_, d, err := s.openApplied()
	if err != nil {
		return nil, err
	}
	return census.Take(g.ctx, census.Source{Log: s.log, Runs: s.reader, Derived: d, View: view, NoneGo: use != nil, Scratch: g.scratch})
}

// sweep frees what it can without room for anything new: that may be exactly what fills the disk.
func (g *collector) sweep() error {
	s := g.store
	if err := smallfile.RemoveFolder(s.fs, filepath.Join(s.dir, scratchFolder)); err != nil { // left by a gc that died
		return err
	}
	freed, err := s.log.Sweep(g.ctx)
	g.swept += freed
	if err != nil {
		return err
	}
	use, err := s.tryLock(g.ctx, packlog.LockUse)
	if use == nil {
		return err
	}
	closed, err := s.log.CloseVoid(g.ctx)
	if err = errors.Join(err, use.Unlock()); err != nil || !closed {
		return err
	}
	freed, err = s.log.Sweep(g.ctx)
	g.swept += freed
	return err
}

// supposeSwept subtracts from the packs, as they were read, what sweep would free: what a close or a newer pack voids
// and, if no append is under way, what was written at the log's end and never committed.
func (g *collector) supposeSwept() {
	readable := g.view.Readable
	for i := range g.packs {
		p := &g.packs[i]
		stays := p.Counted
		switch {
		case !g.census.NoneGo || p.Through < readable.Pack:
		case p.First.Pack > readable.Pack:
			stays = min(stays, p.First.Offset)
		default:
			stays = min(stays, readable.Offset)
		}
		if p.Damaged || stays >= p.Bytes {
			continue
		}
		g.swept += p.Bytes - stays
		p.Bytes, p.Counted = stays, stays
	}
}

// look reads the packs as they are now.
func (g *collector) look() (err error) {
	if g.view, err = g.store.log.View(g.ctx); err != nil {
		return err
	}
	g.packs, err = g.store.log.Packs(g.ctx, g.view)
	return err
}

func (g *collector) bytes() uint64 {
	total := uint64(0)
	for _, p := range g.packs {
		total += p.Bytes
	}
	return total
}

func (s *Store) packSize() uint64 {
	if s.options.packSize != 0 {
		return s.options.packSize
	}
	return packlog.DefaultPackSize
}

// rewriteAll makes the new packs, in the log's order, and puts them in their places, several at a time.
func (g *collector) rewriteAll(groups [][]candidate) error {
	for len(groups) > 0 {
		n, bytes := 0, uint64(0)
		for n < len(groups) && (n == 0 || bytes < g.store.options.tuning.roundBytes) {
			for _, c := range groups[n] {
				bytes += c.live
			}
			n++
		}
		replaced, damaged := maps.Clone(g.replaced), g.report.Damaged
		err := g.round(groups[:n])
		if packlog.IsFull(err) {
			g.replaced, g.report.Damaged = replaced, damaged // the round came to nothing
			return g.rewriteSmallest(slices.Concat(groups...), err)
		}
		if err != nil {
			return err
		}
		groups = groups[n:]
	}
	return nil
}

// rewriteSmallest is for a disk that is too full for a round. It rewrites each pack by itself, beginning with those
// that have the least left, as they make room for the others. It returns full if not even one could be rewritten.
func (g *collector) rewriteSmallest(packs []candidate, full error) error {
	slices.SortStableFunc(packs, func(a, b candidate) int { return cmp.Compare(a.live, b.live) })
	for i, c := range packs {
		err := g.round([][]candidate{{c}})
		if packlog.IsFull(err) && i > 0 {
			return fmt.Errorf("there was room to rewrite %d of %d packs: try again when there is more: %w", i, len(packs), err)
		}
		if packlog.IsFull(err) {
			return fmt.Errorf("the disk has no room for what is left of a pack, %d bytes, and a little more: make some room, and try again: %w", c.live, full)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// round makes new packs of some groups, and derived files that refer to them, without locks; then it puts both in their
// places.
func (g *collector) round(groups [][]candidate) (err error) {
	r := &rewriting{
		collector: g,
		places:    positions.NewMoves(g.ctx, g.scratch),
		moves:     checkpoint.Moves{Packs: make(map[uint64]checkpoint.MovedPack), First: make(map[packlog.AppendID]packlog.Position)},
	}
	defer func() {
		for _, w := range r.done {
			w.Abort()
		}
	}()
	if g.view.Closer != g.census.View.Closer { // a recovery may have found the head of an append that was taken for void
		return packlog.ErrOvertaken
	}
	if err := g.store.checkpointLocked(g.ctx, nil); err != nil { // so that none ends in a pack that is rewritten
		return err
	}
	cp, err := g.store.newCheckpoint(g.ctx)
	if err != nil {
		return err
	}
	for _, o := range cp.Before().Open {
		r.moves.First[o.ID] = packlog.Position{}
	}
	for _, packs := range groups {
		if err := r.group(packs); err != nil {
			return err
		}
	}
	if len(r.done) == 0 {
		return nil
	}
	g.rest()
	table, err := r.places.Finish()
	if err != nil {
		return err
	}
	r.moves.Find = func(ctx context.Context, run packlog.Position) (now place, ok bool, err error) {
		value, ok, err := table.Get(ctx, positions.Key(run))
		if ok {
			now = blockmap.DecodePlace(value)
		}
		return now, ok, err
	}
	a, err := cp.Move(&r.moves)
	if err != nil {
		cp.Abort()
		return err
	}
	err = r.publish(func() error { return cp.Replace(a) })
	if err != nil {
		cp.Abort()
		return err
	}
	cp.Sweep(a)
	g.report.Rewritten += r.packs
	return nil
}

// rest releases what the next round can make again in no time, before this round's tables need room. A cold encoder is
// kept.
func (g *collector) rest() {
	if g.repack != nil && !g.repack.Cold {
		g.recoder = nil
	}
}

// sweepOrphans removes derived files that nothing names: those of checkpoints that died, and of cores that are gone.
func (s *Store) sweepOrphans(ctx context.Context) error {
	a, _, err := s.openApplied()
	if err != nil || a.Position.IsZero() {
		return err
	}
	folders := make(map[string]derived.CoreRef, len(a.Cores))
	for _, ref := range a.Cores {
		folders[keys.DiscoveryKey(ref.Key).String()] = ref
	}
	parent := filepath.Join(s.dir, "cores")
	names, err := s.fs.ReadDir(parent)
	if err != nil {
		return nil // there was never a core
	}
	own := s.files.Beside()
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		ref, ok := folders[name]
		if !ok {
			if err := smallfile.RemoveFolder(s.fs, filepath.Join(parent, name)); err != nil {
				return err
			}
			continue
		}
		if err := s.sweepCore(own, ref); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) sweepCore(own *derived.Files, ref derived.CoreRef) error {
	core, err := own.OpenCore(ref)
	if err != nil {
		return err
	}
	checkpoint.SweepCore(s.files, core.File, ref.Number)
	return own.Close()
}
