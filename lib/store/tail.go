package store

import (
	"context"
	"slices"
	"sort"
	"sync"

	"hc/lib/hash"
	"hc/lib/keys"
	"hc/lib/merkle"
	"hc/lib/store/blockmap"
	"hc/lib/store/commits"
	"hc/lib/store/derived"
	"hc/lib/store/packlog"
	"hc/lib/store/records"
	"hc/lib/store/treetable"
)

const (
	maxTailIndex = 160 << 10 // leaf hashes of the tail that are held; for more the log is searched
	maxComputed  = 32 << 10  // tree nodes of a core's tail that are held once they are computed
)

// state is the store at one position: the derived files, and in memory the tail of the log after them. It only grows;
// after a recovery or a checkpoint a new one begins.
type state struct {
	derived *derived.Tables
	log     *packlog.Log
	closer  uint64 // of the log's view

	mu      sync.RWMutex
	replay  *commits.Reader
	view    packlog.View       // the newest one that it was extended to; written with Store.mu held, too
	scanned packlog.Position   // the position up to which the tail was read
	commits []packlog.Position // heads in the tail; a commit's seq is its number in it, plus 1
	cores   map[keys.Key]*coreTail
	index   map[hash.Digest]place
	skipped []packlog.Position // runs whose leaf hashes did not fit into index
	blocks  uint64             // in the tail

	finding  sync.Mutex
	passages map[records.Passage]whereabouts // guarded by finding
}

// coreTail is a core as the tail has it, on top of the derived files. Guarded by the state's mu.
type coreTail struct {
	key      keys.Key
	base     *derived.Core // nil: nothing
	limit    uint64        // blocks of base from this one on do not count
	dropped  bool
	manifest []byte
	heads    []headAt // ascending; the base's first
	rows     blockmap.Rows
	nodes    treetable.Set
	seen     []Head

	since    uint64    // seq of the commit that began this one, by cutting history back
	previous *coreTail // as it was before

	computing sync.Mutex
	computed  map[uint64]merkle.Node // inner nodes of append spans; guarded by computing
}

type headAt struct {
	seq  uint64
	head Head
}

func newState(log *packlog.Log, d *derived.Tables, closer uint64, damaged func(error)) *state {
	return &state{
		derived: d,
		log:     log,
		closer:  closer,
		replay:  commits.NewReader(log, d.Applied.Open, damaged),
		scanned: d.Applied.Position,
		cores:   make(map[keys.Key]*coreTail),
		index:   make(map[hash.Digest]place),
	}
}

// extend reads the log on from the end of the tail. After an error the state must not be used any more.
func (st *state) extend(ctx context.Context, view packlog.View) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	err := st.replay.Run(ctx, view, st.scanned, func(c *commits.Commit) error { return st.apply(ctx, c) })
	if err != nil {
		return err
	}
	st.scanned, st.view = view.Readable, view
	return nil
}

// durable returns the seq of the last commit before synced.
func (st *state) durable(synced packlog.Position) uint64 {
	return uint64(sort.Search(len(st.commits), func(i int) bool { return !st.commits[i].Less(synced) }))
}

// core returns a core, nil if it is not there. mu must be held for writing.
func (st *state) core(key keys.Key) (*coreTail, error) {
	if c := st.cores[key]; c != nil {
		return c, nil
	}
	base, err := st.derived.Core(key)
	if err != nil || base == nil {
		return nil, err
	}
	c := newCoreTail(key)
	c.base, c.manifest, c.seen = base, base.File.Manifest, slices.Clone(base.File.Seen)
	if base.File.Known {
		c.heads = []headAt{{0, base.File.Head}}
	}
	st.cores[key] = c
	return c, nil
}

func newCoreTail(key keys.Key) *coreTail {
	return &coreTail{key: key, limit: blockmap.NoLimit, nodes: treetable.NewSet(), computed: make(map[uint64]merkle.Node)}
}

// at returns the core as it was at a commit, nil if it was not there.
func (c *coreTail) at(seq uint64) *coreTail {
	for c != nil && c.since > seq {
		c = c.previous
	}
	if c == nil || c.dropped {
		return nil
	}
	return c
}

// asOf returns the core and its head as they were at a commit; ErrNotFound if it was not there, or had no head.
func (c *coreTail) asOf(seq uint64) (*coreTail, Head, error) {
	then := c.at(seq)
	if then == nil {
		return nil, Head{}, ErrNotFound
	}
	head, ok := then.headAt(seq)
	if !ok {
		return nil, Head{}, ErrNotFound
	}
	return then, head, nil
}

// headAt returns the head at a commit; ok is false if there was none yet.
func (c *coreTail) headAt(seq uint64) (Head, bool) {
	i := sort.Search(len(c.heads), func(i int) bool { return c.heads[i].seq > seq })
	if i == 0 {
		return Head{}, false
	}
	return c.heads[i-1].head, true
}

// apply takes a whole append into the tail. mu is held.
func (st *state) apply(ctx context.Context, c *commits.Commit) error {
	st.commits = append(st.commits, c.At)
	seq := uint64(len(st.commits))
	core, err := st.core(c.Key)
	if err != nil {
		return err
	}
	if core == nil || core.dropped {
		previous := core
		core = newCoreTail(c.Key)
		core.since, core.previous = seq, previous
		st.cores[c.Key] = core
	}
	a := tailAppend{ctx: ctx, state: st, core: core, seq: seq}
	if err := c.Each(a.entry); err != nil {
		return err
	}
	if a.dropped {
		st.cores[c.Key] = &coreTail{key: c.Key, dropped: true, since: seq, previous: a.core}
		return nil
	}
	a.core.heads = append(a.core.heads, headAt{seq, c.Head})
	a.core.seen = derived.Unsettled(a.core.seen, c.Head)
	return nil
}

// tailAppend is one append that is being taken into the tail.
type tailAppend struct {
	ctx     context.Context
	state   *state
	core    *coreTail
	seq     uint64
	runs    records.RunList
	dropped bool
}

func (a *tailAppend) entry(e *records.Entry) error {
	switch e.Kind {
	case packlog.KindCore:
		a.core.manifest = e.Manifest
	case packlog.KindRun:
		a.runs.Add(e)
		return a.state.addRun(a.ctx, e)
	case packlog.KindSpan:
		return a.span(e)
	case packlog.KindNodes:
		return a.learn(e.Nodes)
	case packlog.KindTruncate:
		a.core = a.core.truncated(e.Truncate.Length, a.seq)
		a.state.cores[a.core.key] = a.core
		return a.learn(e.Truncate.Roots)
	case packlog.KindClear:
		a.core = a.core.cleared(e.Clear.First, e.Clear.End, a.seq)
		a.state.cores[a.core.key] = a.core
	case packlog.KindDrop:
		a.dropped = true
	case packlog.KindSeen:
		a.core.seen = derived.AddSeen(a.core.seen, e.Head, e.Settled)
	}
	return nil
}

func (a *tailAppend) learn(nodes []merkle.Node) error {
	for _, n := range nodes {
		if err := a.core.learn(a.ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// addRun takes a run's leaf hashes into the index.
func (st *state) addRun(ctx context.Context, e *records.Entry) error {
	if e.Run.Short {
		return nil
	}
	if len(st.index)+len(e.Run.Leaves) > maxTailIndex {
		st.skipped = append(st.skipped, e.At)
		return nil
	}
	for i, leaf := range e.Run.Leaves {
		if e.Run.Codec == records.CodecDelta {
			known, err := st.hasPlace(ctx, leaf)
			if err != nil {
				return err
			}
			if known {
				continue
			}
		}
		st.index[leaf] = place{Run: e.At, At: uint32(i)}
	}
	return nil
}

// hasPlace reports whether a block is in the index already, so that a delta does not hide a possible base. mu is held.
func (st *state) hasPlace(ctx context.Context, leaf hash.Digest) (known bool, err error) {
	if _, known = st.index[leaf]; known {
		return true, nil
	}
	return st.derived.Index.HasPlace(ctx, leaf, st.log.Current)
}

// span adds blocks, and the nodes that follow from them.
func (a *tailAppend) span(e *records.Entry) error {
	a.runs.Forget(e.Span)
	rows := make([]blockmap.Row, 0, len(e.Span.Parts))
	for _, p := range e.Span.Parts {
		r := blockmap.Row{First: p.First, Count: p.Count, Seq: a.seq, Lazy: e.Span.Append}
		switch {
		case p.Passage != nil:
			r.Kind, r.Place = blockmap.InPassage, place{Run: e.At}
		case p.ByLeaf != nil:
			r.Kind, r.Place = blockmap.ByLeaf, place{Run: e.At}
		default:
			run := a.runs.Find(p.Run)
			if run == nil || uint64(p.At)+p.Count > uint64(run.Run.Count) {
				continue // the run was damaged: its blocks are not held
			}
			r.Kind, r.Place = blockmap.Placed, place{Run: run.At, At: p.At}
			r.Lazy = r.Lazy || run.Run.Short
		}
		rows = append(rows, r)
		a.state.blocks += p.Count
	}
	a.core.rows.Add(rows)
	if err := a.learn(e.Span.Roots); err != nil {
		return err
	}
	if e.Span.Append {
		return nil
	}
	return treetable.InSubtrees(func(leaves []merkle.Node) error { return a.core.learnSubtree(a.ctx, leaves) },
		func(leaf func(merkle.Node) error) error { return a.runs.Leaves(e.Span, leaf) })
}

// node returns a node that is held, but none that would have to be computed.
func (c *coreTail) node(ctx context.Context, index uint64) (merkle.Node, bool, error) {
	if n, ok := c.nodes.Get(index); ok {
		return n, true, nil
	}
	if c.base == nil || merkle.LastBlock(index) >= c.limit {
		return merkle.Node{}, false, nil
	}
	return c.base.Node(ctx, index)
}

// learn takes in a node, with all nodes above it that follow from it and those that are here.
func (c *coreTail) learn(ctx context.Context, n merkle.Node) error {
	return c.learnSubtree(ctx, []merkle.Node{n})
}

// learnSubtree is learn for the leaves of a subtree.
func (c *coreTail) learnSubtree(ctx context.Context, leaves []merkle.Node) error {
	return treetable.Climb(leaves, func(index uint64) (merkle.Node, bool, error) { return c.node(ctx, index) }, &c.nodes)
}

// truncated returns the core with only its first length blocks. c remains as it is, for its views.
func (c *coreTail) truncated(length, seq uint64) *coreTail {
	t := c.copied(seq)
	t.limit = min(t.limit, length)
	t.rows.Cut(length)
	t.nodes.Cut(length)
	return t
}

// cleared returns the core without blocks first … end-1.
func (c *coreTail) cleared(first, end, seq uint64) *coreTail {
	t := c.copied(seq)
	if n := len(c.heads); n > 0 {
		t.rows.Add(blockmap.ClearedRows(first, min(end, c.heads[n-1].head.Length), seq))
	}
	return t
}

func (c *coreTail) copied(seq uint64) *coreTail {
	t := newCoreTail(c.key)
	t.base, t.limit, t.manifest = c.base, c.limit, c.manifest
	t.heads, t.seen = slices.Clone(c.heads), slices.Clone(c.seen)
	t.rows, t.nodes = slices.Clone(c.rows), c.nodes.Clone()
	t.since, t.previous = seq, c
	return t
}
