package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"hc/lib/hash"
	"hc/lib/keys"
	"hc/lib/store/checkpoint"
	"hc/lib/store/derived"
	"hc/lib/store/packlog"
	"hc/lib/store/records"
	"hc/lib/store/runs"
)

const (
	checkpointAfter = 64 << 10  // blocks in the tail
	checkpointBytes = 256 << 20 // of log after the applied position
	maxDamage       = 64        // reports that are kept
)

// Options say how a store is opened. The zero value opens an existing one for reading and writing.
type Options struct {
	Create   bool          // make the folder if it is not there
	Late     bool          // with Create: not before something is stored, so that a program that fails earlier leaves no folder
	ReadOnly bool          // never write; works on a read-only disk
	LockWait time.Duration // how long to wait for a lock; 0: a default of 10 s, negative: not at all

	fs       packlog.FS // nil: the real one
	packSize uint64     // bytes; 0: the log's
	tuning   tuning
}

// tuning is sizes that tests make small. Zero fields take the defaults.
type tuning struct {
	blocks     uint64 // checkpointAfter
	bytes      int    // checkpointBytes
	bufferRows int    // this and the next ones: of a checkpoint
	treeRows   int
	allBlocks  int
	fanOut     int
	upper      int
	spanBlocks uint64 // of a span record
	spanRuns   int    // of a span record
	never      bool   // no checkpoints but those asked for
	roundBytes uint64 // of a gc
	leaveOut   string // a step of a gc to leave out, for a test that must then fail
}

func (t tuning) withDefaults() tuning {
	if t.blocks == 0 {
		t.blocks = checkpointAfter
	}
	if t.bytes == 0 {
		t.bytes = checkpointBytes
	}
	l := t.limits().WithDefaults()
	t.bufferRows, t.treeRows, t.allBlocks, t.fanOut, t.upper = l.BufferRows, l.TreeRows, l.AllBlocks, l.FanOut, l.Upper
	if t.spanBlocks == 0 {
		t.spanBlocks = records.MaxSpanBlocks
	}
	if t.spanRuns == 0 {
		t.spanRuns = spanRuns
	}
	if t.roundBytes == 0 {
		t.roundBytes = roundBytes
	}
	return t
}

func (t tuning) limits() checkpoint.Limits {
	return checkpoint.Limits{BufferRows: t.bufferRows, TreeRows: t.treeRows, AllBlocks: t.allBlocks, FanOut: t.fanOut, Upper: t.upper}
}

// Store is an open store. Its methods are safe for concurrent use, by many goroutines and many processes.
type Store struct {
	dir     string
	options Options
	fs      packlog.FS
	log     *packlog.Log
	files   *derived.Files
	reader  *runs.Reader

	mu       sync.Mutex
	state    *state // nil: to be made again
	distrust bool   // the derived files are not as they should be: do without them

	reports    sync.Mutex
	damage     []error // guarded by reports
	checkpoint error   // the error of the last checkpoint after a commit; guarded by reports
}

// Open opens the store in folder dir.
func Open(ctx context.Context, dir string, options Options) (*Store, error) {
	s := &Store{dir: dir, options: options, fs: options.fs}
	s.options.tuning = options.tuning.withDefaults()
	if s.fs == nil {
		s.fs = packlog.OS()
	}
	s.files = derived.NewFiles(s.fs, dir)
	log, err := packlog.Open(ctx, dir, packlog.Options{
		FS:       s.fs,
		Create:   options.Create,
		Late:     options.Late,
		ReadOnly: options.ReadOnly,
		LockWait: options.LockWait,
		PackSize: options.packSize,
		Applied:  s.appliedPosition,
	})
	if err != nil {
		return nil, err // says which store
	}
	s.log = log
	s.reader = runs.NewReader(log, func(ctx context.Context, leaf hash.Digest) (place, error) {
		st, _, err := s.current(ctx)
		if err != nil {
			return place{}, err
		}
		return st.locatePlain(ctx, s, leaf)
	})
	if err := s.catchUp(ctx); err != nil {
		s.checkpoint = err // the log is all there; reading it takes longer
	}
	return s, nil
}

// appliedPosition returns, for a recovery, the position up to which the derived files say that the log is synced.
func (s *Store) appliedPosition() packlog.Position {
	a, err := derived.LoadApplied(s.fs, s.dir)
	if err != nil {
		return packlog.Position{}
	}
	return a.Position
}

// Close closes all files. No View or Tx may be in use any more.
func (s *Store) Close() error {
	s.mu.Lock()
	s.state = nil
	s.mu.Unlock()
	return errors.Join(s.log.Close(), s.files.Close())
}

// Dir returns the store's folder, as it was given to Open.
func (s *Store) Dir() string { return s.dir }

// Damage returns the damage found so far: records that were skipped, whose blocks are not held.
func (s *Store) Damage() []error {
	s.reports.Lock()
	damage := slices.Clone(s.damage)
	s.reports.Unlock()
	for _, d := range s.log.Damage() {
		damage = append(damage, d)
	}
	return damage
}

func (s *Store) damaged(err error) {
	s.reports.Lock()
	defer s.reports.Unlock()
	if len(s.damage) < maxDamage {
		s.damage = append(s.damage, fmt.Errorf("%w: %w", ErrDamaged, err))
	}
}

// Has reports whether the store holds the block with that leaf hash, in any core. Blocks of short transactions are not found.
func (s *Store) Has(ctx context.Context, leaf hash.Digest) (bool, error) {
	ok := false
	err := s.retry(ctx, func() (*state, error) {
		st, _, err := s.current(ctx)
		if err == nil {
			_, ok, err = st.lookUp(ctx, s.log, leaf)
		}
		return st, err
	})
	if err != nil {
		return false, fmt.Errorf("looking up leaf hash %v: %w", leaf, err)
	}
	return ok, nil
}

// Cores lists the keys of all cores of the store, ascending.
func (s *Store) Cores(ctx context.Context) ([]keys.Key, error) {
	var list []keys.Key
	err := s.retry(ctx, func() (*state, error) {
		st, _, err := s.current(ctx)
		if err == nil {
			list = st.keys()
		}
		return st, err
	})
	if err != nil {
		return nil, fmt.Errorf("listing cores: %w", err)
	}
	return list, nil
}

func (st *state) keys() []keys.Key {
	st.mu.RLock()
	defer st.mu.RUnlock()
	var list []keys.Key
	for _, c := range st.derived.Applied.Cores {
		if st.cores[c.Key] == nil {
			list = append(list, c.Key)
		}
	}
	for key, c := range st.cores {
		if !c.dropped && len(c.heads) > 0 {
			list = append(list, key)
		}
	}
	slices.SortFunc(list, func(a, b keys.Key) int { return slices.Compare(a[:], b[:]) })
	return list
}

// SeenHeads lists signed heads of the core that conflict with the stored one, oldest first; none if all is well.
func (s *Store) SeenHeads(ctx context.Context, key keys.Key) ([]Head, error) {
	v, err := s.View(ctx, key, false)
	if err != nil {
		return nil, err
	}
	v.state.mu.RLock()
	defer v.state.mu.RUnlock()
	return slices.Clone(v.core.seen), nil
}

// Watch returns a channel that signals, coalesced, whenever any process has committed something. It is closed when ctx
// ends.
func (s *Store) Watch(ctx context.Context) (<-chan struct{}, error) { return s.log.Watch(ctx) }

// NetworkFS reports whether the store is on a network file system, where locks and syncs cannot be relied on. It goes
// by what the system says, so false is no promise.
func (s *Store) NetworkFS() bool { return networkFS(s.dir) }
