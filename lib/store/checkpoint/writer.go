package checkpoint

import (
	"context"
	"maps"
	"path/filepath"
	"slices"

	"hc/lib/hash"
	"hc/lib/keys"
	"hc/lib/store/blockmap"
	"hc/lib/store/commits"
	"hc/lib/store/derived"
	"hc/lib/store/packlog"
	"hc/lib/store/passages"
	"hc/lib/store/records"
	"hc/lib/store/runs"
	"hc/lib/store/smallfile"
	"hc/lib/store/table"
)

// Source is what a checkpoint works on. All fields but Lost are required.
type Source struct {
	Log    *packlog.Log
	Runs   *runs.Reader
	Files  *derived.Files
	Limits Limits

	Idle      func(context.Context) (bool, error) // reports whether no append is under way, as far as is known at once
	BadRecord func(error)                         // called for records that are skipped
	BadRun    func(error)                         // called for runs that cannot be read

	// Lost is for a check, which computes the nodes of appended blocks by itself, and wants to know what damage costs:
	// it is called for blocks whose run is not there (lost), and for blocks that came, or were given up, since. nil:
	// the checkpoint is not for a check.
	Lost func(key keys.Key, r blockmap.Range, lost bool)
}

// Writer is one checkpoint in progress. Not for concurrent use.
type Writer struct {
	ctx     context.Context
	source  Source
	files   *derived.Files // of source
	limits  Limits         // of source
	old     *derived.Tables
	view    packlog.View
	own     *commits.Written // what this process has just committed; nil: nothing
	reader  *commits.Reader
	next    uint64
	cores   map[keys.Key]*coreBuilder
	index   []indexRow
	tables  []derived.TableRef // of the index, newest first
	packs   map[uint64]packlog.Position
	folders map[string]bool // to be synced
	written []string        // files that nothing refers to yet
	blocks  int             // taken in since all builders were flushed

	finder passages.Finder
	search *passages.Search
	recent map[hash.Digest]packlog.Position // runs by the blocks of index; nil: not needed so far
	mapped int                              // rows of index that are in recent

	sparse bool // leave out the nodes of appended blocks, except the roots of spans and the leaves of deduplicated blocks
}

// New returns a Writer that takes in what a log gained since old, up to the synced position of a view. Files get
// numbers from old.Applied.Next on, which is not 0. The lock of checkpoints must be held until the Writer is done with.
func New(ctx context.Context, source Source, old *derived.Tables, view packlog.View) *Writer {
	a := old.Applied
	view.Readable = view.Synced
	cp := &Writer{
		ctx: ctx, source: source, files: source.Files, limits: source.Limits, old: old, view: view, next: a.Next,
		reader:  commits.NewReader(source.Log, a.Open, source.BadRecord),
		cores:   make(map[keys.Key]*coreBuilder),
		tables:  slices.Clone(a.Index),
		packs:   make(map[uint64]packlog.Position),
		folders: make(map[string]bool),
		finder:  passages.Finder{Log: source.Log, Reader: source.Runs},
		search:  passages.NewSearch(source.Log, view),
		sparse:  source.Lost != nil,
	}
	for _, p := range a.Packs {
		cp.packs[p.Pack] = p
	}
	return cp
}

// Before returns the state that the checkpoint begins from, which must not be changed.
func (cp *Writer) Before() *derived.Applied { return cp.old.Applied }

// Run makes the checkpoint, which then counts. After an error Abort must be called. own is what this process has just
// committed; nil: nothing.
func (cp *Writer) Run(own *commits.Written) error {
	cp.own = own
	from := cp.old.Applied.Position
	if !from.Less(cp.view.Synced) {
		return nil
	}
	for _, dir := range []string{"index", "cores"} {
		if err := smallfile.MakeFolder(cp.files.FS, filepath.Join(cp.files.Dir, dir), 0o755); err != nil {
			return err
		}
	}
	if err := cp.read(from); err != nil {
		return err
	}
	a, err := cp.finish()
	if err != nil {
		return err
	}
	if err := cp.syncFolders(); err != nil {
		return err
	}
	if err := cp.Replace(a); err != nil {
		return err
	}
	cp.Sweep(a)
	return nil
}

func (cp *Writer) syncFolders() error {
	cp.folders[cp.files.Dir] = true // the entries of index and cores must not reach the disk after that of the file that names files in them
	cp.folders[filepath.Join(cp.files.Dir, "cores")] = true
	for folder := range cp.folders {
		if err := smallfile.SyncFolder(cp.files.FS, folder); err != nil {
			return err
		}
	}
	return nil
}

// Replace makes what Move has written count, durably.
func (cp *Writer) Replace(a *derived.Applied) error {
	cp.written = nil // from here on something may refer to them
	return a.Replace(cp.files.FS, cp.files.Dir)
}

// Abort removes files that were written and do not count.
func (cp *Writer) Abort() {
	for _, b := range cp.cores {
		b.abort()
	}
	for _, path := range cp.written {
		cp.files.Discard(path)
		_ = cp.files.FS.Remove(path) // else the next checkpoint does
	}
}

// apply takes in a whole append.
func (cp *Writer) apply(c *commits.Commit) error {
	b, err := cp.core(c.Key)
	if err != nil {
		return err
	}
	a := builderAppend{cp: cp, core: b}
	if err := c.Each(a.entry); err != nil {
		return err
	}
	if a.dropped {
		b.drop()
		return nil
	}
	b.dropped = false
	b.file.Known, b.file.Head = true, c.Head
	b.file.Seen = derived.Unsettled(b.file.Seen, c.Head)
	return cp.bound(a.blocks)
}

// bound writes what all cores hold once it becomes much, since there may be many.
func (cp *Writer) bound(blocks int) error {
	if cp.blocks += blocks; cp.blocks < cp.limits.AllBlocks {
		return nil
	}
	cp.blocks = 0
	for _, b := range cp.cores {
		if err := b.flushAll(); err != nil {
			return err
		}
	}
	return nil
}

// builderAppend is one append that is being taken into a core's derived files.
type builderAppend struct {
	cp      *Writer
	core    *coreBuilder
	runs    records.RunList
	blocks  int
	dropped bool
}

func (a *builderAppend) entry(e *records.Entry) error {
	switch e.Kind {
	case packlog.KindCore:
		a.core.file.Manifest = e.Manifest
	case packlog.KindRun:
		a.runs.Add(e)
		return a.cp.addRun(e)
	case packlog.KindSpan:
		a.runs.Forget(e.Span)
		for _, p := range e.Span.Parts {
			a.blocks += int(p.Count)
		}
		return a.core.span(e, &a.runs)
	case packlog.KindNodes:
		return a.core.learnAll(e.Nodes)
	case packlog.KindTruncate:
		if err := a.core.truncate(e.Truncate.Length); err != nil {
			return err
		}
		return a.core.learnAll(e.Truncate.Roots)
	case packlog.KindClear:
		return a.core.clear(e.Clear.First, e.Clear.End)
	case packlog.KindDrop:
		a.dropped = true
	case packlog.KindSeen:
		a.core.file.Seen = derived.AddSeen(a.core.file.Seen, e.Head, e.Settled)
	}
	return nil
}

// core returns the builder of a core.
func (cp *Writer) core(key keys.Key) (*coreBuilder, error) {
	if b := cp.cores[key]; b != nil {
		return b, nil
	}
	base, err := cp.old.Core(key)
	if err != nil {
		return nil, err
	}
	b := newCoreBuilder(cp, key, base)
	cp.cores[key] = b
	return b, nil
}

// number returns a number for a new file.
func (cp *Writer) number() uint64 {
	cp.next++
	return cp.next - 1
}

// create begins a table in a new file. filtered is roughly how many rows there will be, if look-ups of missing keys are
// frequent; 0: they are not.
func (cp *Writer) create(path string, schema table.Schema, filtered uint64) (*table.Writer, error) {
	cp.files.Discard(path)
	_ = cp.files.FS.Remove(path) // left by a checkpoint that died
	cp.written = append(cp.written, path)
	cp.folders[filepath.Dir(path)] = true
	return table.CreateFiltered(cp.files.FS, path, schema, filtered)
}

// finish writes what is left and returns what is to replace `applied`.
func (cp *Writer) finish() (*derived.Applied, error) {
	a := &derived.Applied{Position: cp.view.Synced, Open: cp.reader.Open()}
	if err := cp.finishIndex(); err != nil {
		return nil, err
	}
	numbers := make(map[keys.Key]uint64, len(cp.old.Applied.Cores)+len(cp.cores))
	for _, c := range cp.old.Applied.Cores {
		numbers[c.Key] = c.Number
	}
	for key, b := range cp.cores {
		number, err := b.finish()
		if err != nil {
			return nil, err
		}
		if numbers[key] = number; number == 0 {
			delete(numbers, key)
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(numbers), func(a, b keys.Key) int { return slices.Compare(a[:], b[:]) }) {
		a.Cores = append(a.Cores, derived.CoreRef{Key: key, Number: numbers[key]})
	}
	for _, pack := range slices.Sorted(maps.Keys(cp.packs)) {
		a.Packs = append(a.Packs, cp.packs[pack])
	}
	if err := cp.voidOpen(a); err != nil {
		return nil, err
	}
	a.Index, a.Next, a.Hidden = cp.tables, cp.next, hidden(cp.source.Log)
	return a, nil
}

// manyOpen is how many appends without a head are tolerated before it is checked whether any of them is still under
// way.
const manyOpen = 16

// voidOpen forgets appends whose process died: if none is under way now, none will continue.
func (cp *Writer) voidOpen(a *derived.Applied) error {
	if len(a.Open) <= manyOpen {
		return nil
	}
	idle, err := cp.source.Idle(cp.ctx)
	if idle {
		a.Open = nil
	}
	return err
}

// hidden returns the damaged places that the next process must know about, since nobody scans them any more.
func hidden(log *packlog.Log) []packlog.Position {
	var list []packlog.Position
	for _, d := range log.Hidden() {
		list = append(list, d.Position)
	}
	return list
}

// Sweep removes files that nothing refers to any more. A file that cannot be removed is left for the next time.
func (cp *Writer) Sweep(a *derived.Applied) {
	keep := make(map[string]bool)
	for _, t := range a.Index {
		keep[filepath.Base(cp.files.IndexPath(t.Number))] = true
	}
	sweepFolder(cp.files, filepath.Join(cp.files.Dir, "index"), keep)
	for _, b := range cp.cores {
		sweepFolder(cp.files, cp.files.CoreDir(b.file.Key), b.names())
	}
	cp.sweepTemporary(cp.files.Dir)
}

// SweepCore removes files from a core's folder that its file, which has that number, does not name.
func SweepCore(files *derived.Files, file *derived.CoreFile, number uint64) {
	sweepFolder(files, files.CoreDir(file.Key), coreNames(file, number))
}

func sweepFolder(files *derived.Files, dir string, keep map[string]bool) {
	names, err := files.FS.ReadDir(dir)
	if err != nil {
		return
	}
	for _, name := range names {
		if !keep[name] {
			files.Discard(filepath.Join(dir, name))
			_ = files.FS.Remove(filepath.Join(dir, name))
		}
	}
}

// sweepTemporary removes temporary files of `applied` left by a checkpoint that died; only checkpoints write such files
// there.
func (cp *Writer) sweepTemporary(dir string) {
	names, err := cp.files.FS.ReadDir(dir)
	if err != nil {
		return
	}
	for _, name := range names {
		if len(name) > len(smallfile.Temporary) && name[:len(smallfile.Temporary)] == smallfile.Temporary {
			_ = cp.files.FS.Remove(filepath.Join(dir, name))
		}
	}
}
