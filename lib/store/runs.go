package store

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"hc/lib/hash"
	"hc/lib/merkle"
	"hc/lib/store/packlog"
)

// Bounds of what a store holds of the runs that were read last.
const (
	cachedRuns     = 4
	cachedRunBytes = 20 << 20 // bytes, decoded; one run may be 16 MiB
	cachedMetas    = 512      // more than what one question of a reader is about: where their runs end, then the runs
	cachedMetaSize = 6 << 20  // bytes on disk
)

// decodedRun is a run with its blocks. Immutable.
type decodedRun struct {
	meta *runMeta
	data []byte
	ends []uint32

	once   sync.Once
	leaves []hash.Digest
}

func (r *decodedRun) block(i uint32) []byte {
	start := uint32(0)
	if i > 0 {
		start = r.ends[i-1]
	}
	return r.data[start:r.ends[i]:r.ends[i]]
}

// hash computes the leaf hashes, where the run does not tell them.
func (r *decodedRun) hash() {
	r.once.Do(func() {
		if r.leaves = r.meta.leaves; r.leaves == nil {
			r.leaves = leavesOf(r.data, r.ends)
		}
	})
}

// leaf returns the tree node of block number i of the run, as a given block of a core.
func (r *decodedRun) leaf(i uint32, block uint64) merkle.Node {
	r.hash()
	return merkle.LeafNodeHash(block, uint64(len(r.block(i))), r.leaves[i])
}

// runReader reads runs and metas from the log, and holds the last ones. Safe for concurrent use.
type runReader struct {
	log   *packlog.Log
	runs  *lru[packlog.Position, *decodedRun]
	metas *lru[packlog.Position, *entry]
	plain func(context.Context, hash.Digest) (place, error) // where a block is stored without a base
}

func newRunReader(log *packlog.Log, plain func(context.Context, hash.Digest) (place, error)) *runReader {
	return &runReader{
		log:   log,
		runs:  newLRU[packlog.Position](cachedRuns, cachedRunBytes, func(r *decodedRun) int { return len(r.data) }),
		metas: newLRU[packlog.Position](cachedMetas, cachedMetaSize, func(e *entry) int { return e.size }),
		plain: plain,
	}
}

// meta returns the record at a position, without its payload.
func (r *runReader) meta(ctx context.Context, at packlog.Position, kind packlog.Kind) (*entry, error) {
	e, err := r.metas.get(at, func() (*entry, error) {
		record, err := r.log.ReadMeta(ctx, at)
		if err != nil {
			return nil, err
		}
		return understand(record)
	})
	if err != nil {
		return nil, damagedAt(at, err)
	}
	if e.kind != kind {
		return nil, fmt.Errorf("%w: record at %v is of kind %d, expected %d", ErrDamaged, at, e.kind, kind)
	}
	return e, nil
}

// damagedAt makes a malformed record an ErrDamaged.
func damagedAt(at packlog.Position, err error) error {
	if errors.Is(err, errMeta) {
		return fmt.Errorf("%w: record at %v: %w", ErrDamaged, at, err)
	}
	return fmt.Errorf("reading the record at %v: %w", at, err)
}

// run returns the run at a position.
func (r *runReader) run(ctx context.Context, at packlog.Position) (*decodedRun, error) {
	return r.runs.get(at, func() (*decodedRun, error) { return r.read(ctx, at) })
}

func (r *runReader) read(ctx context.Context, at packlog.Position) (*decodedRun, error) {
	record, err := r.log.ReadRecord(ctx, at)
	if err != nil {
		return nil, damagedAt(at, err)
	}
	if record.Kind != packlog.KindRun {
		return nil, fmt.Errorf("%w: record at %v is of kind %d, expected a run", ErrDamaged, at, record.Kind)
	}
	meta, err := decodeRun(record.Meta)
	if err != nil {
		return nil, damagedAt(at, err)
	}
	var base []byte
	if meta.codec == codecDelta {
		if base, err = r.base(ctx, meta.base); err != nil {
			return nil, fmt.Errorf("reading the base of the run at %v: %w", at, err)
		}
	}
	data, err := decompress(meta, record.Payload, base)
	if err != nil {
		return nil, fmt.Errorf("run at %v: %w", at, err)
	}
	ends, ok := meta.split(data)
	if !ok {
		return nil, fmt.Errorf("%w: run at %v: its blocks are not of the lengths that it says", ErrDamaged, at)
	}
	return &decodedRun{meta: meta, data: data, ends: ends}, nil
}

// base returns the bytes of a block that is stored without a base: so reading it reads no other one.
func (r *runReader) base(ctx context.Context, leaf hash.Digest) ([]byte, error) {
	at, err := r.plain(ctx, leaf)
	if err != nil {
		return nil, err
	}
	return r.block(ctx, at)
}

// block returns a block, which must not be changed.
func (r *runReader) block(ctx context.Context, at place) ([]byte, error) {
	run, err := r.run(ctx, at.run)
	if err != nil {
		return nil, err
	}
	if int(at.at) >= len(run.ends) {
		return nil, fmt.Errorf("%w: run at %v has no block %d", ErrDamaged, at.run, at.at)
	}
	block := run.block(at.at)
	if len(block) < len(run.data)/keepsRun { // whoever holds it must not hold all of the run, too
		block = append(make([]byte, 0, len(block)), block...)
	}
	return block, nil
}

// keepsRun is how many times as much memory as its own size a block that somebody holds may take up.
const keepsRun = 8

// leaf returns the tree node of a placed block.
func (r *runReader) leaf(ctx context.Context, at place, block uint64) (merkle.Node, error) {
	e, err := r.meta(ctx, at.run, packlog.KindRun)
	if err != nil {
		return merkle.Node{}, err
	}
	if int(at.at) >= e.run.count {
		return merkle.Node{}, fmt.Errorf("%w: run at %v has no block %d", ErrDamaged, at.run, at.at)
	}
	if !e.run.short {
		return merkle.LeafNodeHash(block, uint64(e.run.lengths[at.at]), e.run.leaves[at.at]), nil
	}
	run, err := r.run(ctx, at.run)
	if err != nil {
		return merkle.Node{}, err
	}
	return run.leaf(at.at, block), nil
}
