package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"hc/lib/hash"
	"hc/lib/lent"
	"hc/lib/merkle"
	"hc/lib/store/codec"
	"hc/lib/store/packlog"
	"hc/lib/store/records"
	"hc/lib/zstdframe"
)

// Bounds of what a store holds of the runs that were read last.
const (
	cachedRuns     = 4
	cachedRunBytes = 20 << 20 // bytes, decoded; one run may be 16 MiB
	cachedMetas    = 512      // more than what one question of a reader is about: where their runs end, then the runs
	cachedMetaSize = 6 << 20  // bytes on disk
	lentRunBytes   = 6 << 20  // of memory that is used for one run after the other
	leastLentRun   = 48 << 10 // bytes of a run that such memory is taken for: less would not fill it
)

// decodedRun is a run with its blocks. Immutable, as long as its memory is held.
type decodedRun struct {
	meta   *records.Run
	data   []byte
	memory *lent.Memory // in which data lies, held for as long as the reader holds the run; nil: the collector's
	ends   []uint32
	pack   io.ReaderAt // in which data stands as it is, at that offset; nil if it is stored otherwise
	offset int64

	once   sync.Once
	leaves []hash.Digest
}

func (r *decodedRun) start(i uint32) uint32 {
	if i == 0 {
		return 0
	}
	return r.ends[i-1]
}

func (r *decodedRun) block(i uint32) []byte { return r.data[r.start(i):r.ends[i]:r.ends[i]] }

// hash computes the leaf hashes, where the run does not tell them.
func (r *decodedRun) hash() {
	r.once.Do(func() {
		if r.leaves = r.meta.Leaves; r.leaves == nil {
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
	metas *lru[packlog.Position, *records.Entry]
	pool  *lent.Pool
	plain func(context.Context, hash.Digest) (place, error) // where a block is stored without a base
}

func newRunReader(log *packlog.Log, plain func(context.Context, hash.Digest) (place, error)) *runReader {
	r := &runReader{
		log:   log,
		runs:  newLRU[packlog.Position](cachedRuns, cachedRunBytes, func(r *decodedRun) int { return len(r.data) }),
		metas: newLRU[packlog.Position](cachedMetas, cachedMetaSize, func(e *records.Entry) int { return e.Size }),
		pool:  lent.NewPool(lentRunBytes),
		plain: plain,
	}
	r.runs.letGo = func(run *decodedRun) { run.memory.Release() }
	return r
}

// meta returns the record at a position, without its payload.
func (r *runReader) meta(ctx context.Context, at packlog.Position, kind packlog.Kind) (*records.Entry, error) {
	e, err := r.metas.get(ctx, at, func(ctx context.Context) (*records.Entry, error) {
		record, err := r.log.ReadMeta(ctx, at)
		if err != nil {
			return nil, err
		}
		return records.Decode(record)
	})
	if err != nil {
		return nil, damagedAt(at, err)
	}
	if e.Kind != kind {
		return nil, fmt.Errorf("%w: record at %v is of kind %d, expected %d", ErrDamaged, at, e.Kind, kind)
	}
	return e, nil
}

// damagedAt makes a malformed record an ErrDamaged.
func damagedAt(at packlog.Position, err error) error {
	if errors.Is(err, records.ErrMalformed) {
		return fmt.Errorf("%w: record at %v: %w", ErrDamaged, at, err)
	}
	return fmt.Errorf("reading the record at %v: %w", at, err)
}

// run returns the run at a position, whose memory is never used again.
func (r *runReader) run(ctx context.Context, at packlog.Position) (run *decodedRun, err error) {
	err = r.use(ctx, at, func(used *decodedRun) {
		used.memory.Hold()
		run = used
	})
	return run, err
}

// use calls with for the run at a position, which is there until that returns.
func (r *runReader) use(ctx context.Context, at packlog.Position, with func(*decodedRun)) error {
	return r.runs.use(ctx, at, func(ctx context.Context) (*decodedRun, error) { return r.read(ctx, at) }, with)
}

func (r *runReader) read(ctx context.Context, at packlog.Position) (*decodedRun, error) {
	record, err := r.log.ReadShort(ctx, at)
	if err != nil {
		return nil, damagedAt(at, err)
	}
	if record.Kind != packlog.KindRun {
		return nil, fmt.Errorf("%w: record at %v is of kind %d, expected a run", ErrDamaged, at, record.Kind)
	}
	meta, err := records.DecodeRun(record.Meta)
	if err != nil {
		return nil, damagedAt(at, err)
	}
	run := &decodedRun{meta: meta}
	if err := r.fill(ctx, run, record); err != nil {
		return nil, fmt.Errorf("run at %v: %w", at, err)
	}
	var ok bool
	if run.ends, ok = meta.Split(run.data); !ok {
		return nil, fmt.Errorf("%w: run at %v: its blocks are not of the lengths that it says", ErrDamaged, at)
	}
	return run, nil
}

// fill reads the bytes of a run, of which the record is there.
func (r *runReader) fill(ctx context.Context, run *decodedRun, record packlog.Record) error {
	if record.Payload != nil {
		return r.decode(ctx, run, record.Payload, nil)
	}
	memory, room := r.room(record.Stored.Room())
	payload, err := r.log.AppendPayload(ctx, record.Stored, room)
	if err != nil {
		return damagedAt(record.Position, err)
	}
	if run.meta.Codec == records.CodecRaw {
		run.pack, run.offset = r.log.File(ctx, record.Stored)
	}
	return r.decode(ctx, run, payload, memory)
}

// decode sets the bytes of a run, whose payload lies in memory, which is given to it.
func (r *runReader) decode(ctx context.Context, run *decodedRun, payload []byte, memory *lent.Memory) (err error) {
	if run.meta.Codec == records.CodecRaw {
		run.memory = memory
		run.data, err = codec.Decompress(nil, run.meta, payload, nil)
		return err
	}
	defer memory.Release()
	var base LentBlock
	if run.meta.Codec == records.CodecDelta {
		if base, err = r.base(ctx, run.meta.Base); err != nil {
			return fmt.Errorf("reading its base: %w", err)
		}
		defer base.Memory.Release()
	}
	var room []byte
	run.memory, room = r.room(zstdframe.Room(run.meta.Raw))
	run.data, err = codec.Decompress(room, run.meta, payload, base.Data)
	return err
}

// room returns room for so many bytes, and the memory that it is of.
func (r *runReader) room(bytes int) (*lent.Memory, []byte) {
	if bytes < leastLentRun {
		return nil, make([]byte, 0, bytes)
	}
	memory := r.pool.Take(bytes)
	return memory, memory.Bytes()[:0]
}

// base returns a block that is stored without a base: so reading it reads no other one.
func (r *runReader) base(ctx context.Context, leaf hash.Digest) (LentBlock, error) {
	at, err := r.plain(ctx, leaf)
	if err != nil {
		return LentBlock{}, err
	}
	return r.lend(ctx, at)
}

// A LentBlock is a block that stays where it is until its memory is released, and is not to be changed.
type LentBlock struct {
	Data   []byte
	Memory *lent.Memory // that of a whole run, however small the block is; or nil
	Pack   io.ReaderAt  // the file in which it stands as it is, at Offset; nil where it is stored otherwise. The store may close it at any time
	Offset int64

	run int // bytes that it keeps from the collector
}

// keepsRun is how many times as much memory as its own size a block that somebody keeps may take up.
const keepsRun = 8

// keep returns the bytes of a block for who does not say when he is done with them.
func (b LentBlock) keep() []byte {
	if len(b.Data) >= b.run/keepsRun {
		return b.Data
	}
	defer b.Memory.Release()
	return append(make([]byte, 0, len(b.Data)), b.Data...)
}

// lend returns a block, with a hold of its memory.
func (r *runReader) lend(ctx context.Context, at place) (block LentBlock, err error) {
	ok := false
	err = r.use(ctx, at.run, func(run *decodedRun) {
		if ok = int(at.at) < len(run.ends); ok {
			run.memory.Hold()
			block = LentBlock{Data: run.block(at.at), Memory: run.memory, run: len(run.data)}
			if run.pack != nil {
				block.Pack, block.Offset = run.pack, run.offset+int64(run.start(at.at))
			}
		}
	})
	if err == nil && !ok {
		err = fmt.Errorf("%w: run at %v has no block %d", ErrDamaged, at.run, at.at)
	}
	return block, err
}

// block returns a block, which must not be changed.
func (r *runReader) block(ctx context.Context, at place) ([]byte, error) {
	block, err := r.lend(ctx, at)
	if err != nil {
		return nil, err
	}
	return block.keep(), nil
}

// leaf returns the tree node of a placed block.
func (r *runReader) leaf(ctx context.Context, at place, block uint64) (merkle.Node, error) {
	e, err := r.meta(ctx, at.run, packlog.KindRun)
	if err != nil {
		return merkle.Node{}, err
	}
	if int(at.at) >= e.Run.Count {
		return merkle.Node{}, fmt.Errorf("%w: run at %v has no block %d", ErrDamaged, at.run, at.at)
	}
	if !e.Run.Short {
		return merkle.LeafNodeHash(block, uint64(e.Run.Lengths[at.at]), e.Run.Leaves[at.at]), nil
	}
	var n merkle.Node
	err = r.use(ctx, at.run, func(run *decodedRun) { n = run.leaf(at.at, block) })
	return n, err
}

// leavesOf returns the leaf hashes of a run whose bytes are data, with the blocks' ends.
func leavesOf(data []byte, ends []uint32) []hash.Digest {
	blocks := make([][]byte, len(ends))
	at := uint32(0)
	for i, end := range ends {
		blocks[i], at = data[at:end], end
	}
	leaves := make([]hash.Digest, len(blocks))
	hash.Leaves(leaves, blocks)
	return leaves
}
