package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"hc/lib/store/checkpoint"
	"hc/lib/store/commits"
	"hc/lib/store/packlog"
)

// lockTry is how long to try for an optional lock. It is tried at least once, even if a busy machine takes longer to
// get there.
const lockTry = 20 * time.Millisecond

// CheckpointError returns the error of the last checkpoint after a commit of this Store, nil if it succeeded. The log
// has everything that was committed whether or not checkpoints succeed; without them opening takes longer and longer.
func (s *Store) CheckpointError() error {
	s.reports.Lock()
	defer s.reports.Unlock()
	return s.checkpoint
}

// longTail reports whether the log after the applied position is long, counting what a transaction adds to it.
func (s *Store) longTail(tx *Tx) bool {
	t := s.options.tuning
	st := tx.view.state
	st.mu.RLock()
	defer st.mu.RUnlock()
	return st.blocks+tx.blocks >= t.blocks || st.replay.Bytes()+tx.bytes >= t.bytes
}

// checkpointAfter makes a checkpoint after a commit of so many blocks, which wrote these records: the tail has become
// long. The commit has succeeded, so only CheckpointError reports a failure.
func (s *Store) checkpointAfter(ctx context.Context, blocks uint64, wrote *commits.Written) {
	if blocks >= uint64(s.options.tuning.bufferRows) {
		// The transaction's memory is idle, in pieces too small for a checkpoint's rows: together they would be the
		// peak.
		debug.FreeOSMemory()
	}
	err := s.makeCheckpoint(ctx, true, wrote)
	s.reports.Lock()
	defer s.reports.Unlock()
	s.checkpoint = err
}

// MendMark mends the mark of the store in dir if it is not valid. It is for a caller that is about to open the store
// read-only: without a mark the newest heads of logs that are signed there are not reported.
func MendMark(ctx context.Context, dir string) error {
	s, err := Open(ctx, dir, Options{tuning: tuning{never: true}})
	if err != nil {
		return err
	}
	return errors.Join(s.log.MendMark(ctx), s.Close())
}

// catchUp mends a mark that is not valid, since only what is known to be synced of a signer's own log is reported. It
// makes a checkpoint if an earlier process left much to read: a tail is held in memory.
func (s *Store) catchUp(ctx context.Context) error {
	if s.options.ReadOnly || s.options.tuning.never {
		return nil
	}
	if err := s.log.MendMark(ctx); err != nil {
		return err
	}
	view, err := s.log.View(ctx)
	if err != nil {
		return err
	}
	a, err := s.files.ReadApplied(s.log.Current)
	if err != nil {
		return err
	}
	behind := view.Synced.Offset
	switch {
	case view.Synced.Pack == a.Position.Pack:
		behind -= min(behind, a.Position.Offset)
	case view.Synced.Pack > a.Position.Pack+1:
		behind = 1 << 40
	}
	if behind < 2*uint64(s.options.tuning.bytes) {
		return nil
	}
	return s.makeCheckpoint(ctx, true, nil)
}

// Checkpoint brings the derived files up to what is synced, so that opening has less to read. Commits do it by themselves
// when there is much to do.
func (s *Store) Checkpoint(ctx context.Context) error {
	if s.options.ReadOnly {
		return fmt.Errorf("making a checkpoint: %w", ErrReadOnly)
	}
	return s.makeCheckpoint(ctx, false, nil)
}

// makeCheckpoint, with try, does nothing if another process is making one. own is what this process has just committed;
// nil: nothing.
func (s *Store) makeCheckpoint(ctx context.Context, try bool, own *commits.Written) error {
	lock, err := s.lockCheckpoint(ctx, try)
	if lock == nil {
		return err
	}
	defer lock.Unlock()
	return s.checkpointLocked(ctx, own)
}

// checkpointLocked makes a checkpoint; its lock is held.
func (s *Store) checkpointLocked(ctx context.Context, own *commits.Written) error {
	cp, err := s.newCheckpoint(ctx)
	if err != nil {
		return fmt.Errorf("making a checkpoint: %w", err)
	}
	if err := cp.Run(own); err != nil {
		cp.Abort()
		return fmt.Errorf("making a checkpoint: %w", err)
	}
	s.mu.Lock()
	s.state, s.distrust = nil, false
	s.mu.Unlock()
	return nil
}

// newCheckpoint returns a checkpoint of what is not in derived files yet.
func (s *Store) newCheckpoint(ctx context.Context) (*checkpoint.Writer, error) {
	view, err := s.log.View(ctx)
	if err != nil {
		return nil, err
	}
	a, old, err := s.openApplied()
	if err != nil {
		return nil, err
	}
	if a.Next == 0 { // none, or damaged: begin at a number that no earlier file has
		a.Next = 1 + rand.Uint64N(1<<48)
	}
	return checkpoint.New(ctx, s.checkpointSource(), old, view), nil
}

func (s *Store) checkpointSource() checkpoint.Source {
	return checkpoint.Source{
		Log: s.log, Runs: s.reader, Files: s.files, Limits: s.options.tuning.limits(), Idle: s.idle, BadRecord: s.damaged, BadRun: s.damaged,
	}
}

// idle reports whether no append is under way: nobody holds the lock that every append holds.
func (s *Store) idle(ctx context.Context) (bool, error) {
	if s.options.ReadOnly {
		return false, nil
	}
	lock, err := s.tryLock(ctx, packlog.LockUse)
	if lock == nil {
		return false, err
	}
	return true, lock.Unlock()
}

func (s *Store) lockCheckpoint(ctx context.Context, try bool) (*packlog.Lock, error) {
	if !try {
		return s.log.Lock(ctx, packlog.LockCheckpoint, false)
	}
	return s.tryLock(ctx, packlog.LockCheckpoint)
}

// tryLock returns nil if another process holds the lock.
func (s *Store) tryLock(ctx context.Context, name string) (*packlog.Lock, error) {
	lock, err := s.log.TryLock(ctx, lockTry, name)
	if ctx.Err() == nil && errors.Is(err, ErrLocked) {
		return nil, nil
	}
	return lock, err
}
