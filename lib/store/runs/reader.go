package runs

import (
	"context"
	"fmt"
	"io"

	"hc/lib/hash"
	"hc/lib/lent"
	"hc/lib/merkle"
	"hc/lib/store/codec"
	"hc/lib/store/packlog"
	"hc/lib/store/records"
	"hc/lib/zstdframe"
)

// Bounds of what a store holds of the runs read most recently.
const (
	cachedRuns     = 4
	cachedRunBytes = 20 << 20 // bytes, decoded; one run may be 16 MiB
	cachedMetas    = 512      // more than one request of a reader needs: where its runs end, then the runs
	cachedMetaSize = 6 << 20  // bytes on disk
	lentRunBytes   = 6 << 20  // of memory that is reused for one run after another
	leastLentRun   = 48 << 10 // bytes of the smallest run that takes such memory: a smaller one would not fill it
)

// Reader reads runs and metas from the log, and holds the most recent ones. Safe for concurrent use.
type Reader struct {
	log   *packlog.Log
	runs  *lru[packlog.Position, *Decoded]
	metas *lru[packlog.Position, *records.Entry]
	pool  *lent.Pool
	plain func(context.Context, hash.Digest) (Place, error) // finds a block that is stored without a base
}

// NewReader returns a reader of a log. plain finds a block that is stored without a base.
func NewReader(log *packlog.Log, plain func(context.Context, hash.Digest) (Place, error)) *Reader {
	r := &Reader{
		log:   log,
		runs:  newLRU[packlog.Position](cachedRuns, cachedRunBytes, func(r *Decoded) int { return len(r.data) }),
		metas: newLRU[packlog.Position](cachedMetas, cachedMetaSize, func(e *records.Entry) int { return e.Size }),
		pool:  lent.NewPool(lentRunBytes),
		plain: plain,
	}
	r.runs.letGo = func(run *Decoded) { run.memory.Release() }
	return r
}

// Meta returns the record at a position, without its payload.
func (r *Reader) Meta(ctx context.Context, at packlog.Position, kind packlog.Kind) (*records.Entry, error) {
	e, err := r.metas.get(ctx, at, func(ctx context.Context) (*records.Entry, error) {
		record, err := r.log.ReadMeta(ctx, at)
		if err != nil {
			return nil, err
		}
		return records.Decode(record)
	})
	if err != nil {
		return nil, records.DamagedAt(at, err)
	}
	if e.Kind != kind {
		return nil, fmt.Errorf("%w: record at %v is of kind %d, expected %d", packlog.ErrDamaged, at, e.Kind, kind)
	}
	return e, nil
}

// Run returns the run at a position. Its memory is never reused.
func (r *Reader) Run(ctx context.Context, at packlog.Position) (run *Decoded, err error) {
	err = r.use(ctx, at, func(used *Decoded) {
		used.memory.Hold()
		run = used
	})
	return run, err
}

// use calls with for the run at a position, which remains valid until with returns.
func (r *Reader) use(ctx context.Context, at packlog.Position, with func(*Decoded)) error {
	return r.runs.use(ctx, at, func(ctx context.Context) (*Decoded, error) { return r.read(ctx, at) }, with)
}

func (r *Reader) read(ctx context.Context, at packlog.Position) (*Decoded, error) {
	record, err := r.log.ReadShort(ctx, at)
	if err != nil {
		return nil, records.DamagedAt(at, err)
	}
	if record.Kind != packlog.KindRun {
		return nil, fmt.Errorf("%w: record at %v is of kind %d, expected a run", packlog.ErrDamaged, at, record.Kind)
	}
	meta, err := records.DecodeRun(record.Meta)
	if err != nil {
		return nil, records.DamagedAt(at, err)
	}
	run := &Decoded{meta: meta}
	if err := r.fill(ctx, run, record); err != nil {
		return nil, fmt.Errorf("run at %v: %w", at, err)
	}
	var ok bool
	if run.ends, ok = meta.Split(run.data); !ok {
		return nil, fmt.Errorf("%w: run at %v: its blocks do not have the lengths that it says", packlog.ErrDamaged, at)
	}
	return run, nil
}

// fill reads the bytes of a run, given its record.
func (r *Reader) fill(ctx context.Context, run *Decoded, record packlog.Record) error {
	if record.Payload != nil {
		return r.decode(ctx, run, record.Payload, nil)
	}
	memory, room := r.room(record.Stored.Room())
	payload, err := r.log.AppendPayload(ctx, record.Stored, room)
	if err != nil {
		return records.DamagedAt(record.Position, err)
	}
	if run.meta.Codec == records.CodecRaw {
		run.pack, run.offset = r.log.File(ctx, record.Stored)
	}
	return r.decode(ctx, run, payload, memory)
}

// decode sets the bytes of a run. It takes over memory, which the payload is in.
func (r *Reader) decode(ctx context.Context, run *Decoded, payload []byte, memory *lent.Memory) (err error) {
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

// room returns room for so many bytes, and the memory that it belongs to.
func (r *Reader) room(bytes int) (*lent.Memory, []byte) {
	if bytes < leastLentRun {
		return nil, make([]byte, 0, bytes)
	}
	memory := r.pool.Take(bytes)
	return memory, memory.Bytes()[:0]
}

// base returns a block that is stored without a base, so that reading it does not need another one.
func (r *Reader) base(ctx context.Context, leaf hash.Digest) (LentBlock, error) {
	at, err := r.plain(ctx, leaf)
	if err != nil {
		return LentBlock{}, err
	}
	return r.Lend(ctx, at)
}

// A LentBlock is a block that stays where it is until its memory is released. It must not be changed.
type LentBlock struct {
	Data   []byte
	Memory *lent.Memory // that of a whole run, however small the block is; or nil
	Pack   io.ReaderAt  // the file that has the block as it is, at Offset; nil if it is stored otherwise. The store may close it at any time
	Offset int64

	run int // bytes that it keeps from being collected
}

// keepsRun is how many times its own size in memory a kept block may take up.
const keepsRun = 8

// Keep returns the bytes of a block for a caller that does not say when it is done with them.
func (b LentBlock) Keep() []byte {
	if len(b.Data) >= b.run/keepsRun {
		return b.Data
	}
	defer b.Memory.Release()
	return append(make([]byte, 0, len(b.Data)), b.Data...)
}

// Lend returns a block, with its memory held.
func (r *Reader) Lend(ctx context.Context, at Place) (block LentBlock, err error) {
	ok := false
	err = r.use(ctx, at.Run, func(run *Decoded) {
		if ok = int(at.At) < len(run.ends); ok {
			run.memory.Hold()
			block = LentBlock{Data: run.block(at.At), Memory: run.memory, run: len(run.data)}
			if run.pack != nil {
				block.Pack, block.Offset = run.pack, run.offset+int64(run.start(at.At))
			}
		}
	})
	if err == nil && !ok {
		err = fmt.Errorf("%w: run at %v has no block %d", packlog.ErrDamaged, at.Run, at.At)
	}
	return block, err
}

// Block returns a block, which must not be changed.
func (r *Reader) Block(ctx context.Context, at Place) ([]byte, error) {
	block, err := r.Lend(ctx, at)
	if err != nil {
		return nil, err
	}
	return block.Keep(), nil
}

// Leaf returns the tree node of a placed block.
func (r *Reader) Leaf(ctx context.Context, at Place, block uint64) (merkle.Node, error) {
	e, err := r.Meta(ctx, at.Run, packlog.KindRun)
	if err != nil {
		return merkle.Node{}, err
	}
	if int(at.At) >= e.Run.Count {
		return merkle.Node{}, fmt.Errorf("%w: run at %v has no block %d", packlog.ErrDamaged, at.Run, at.At)
	}
	if !e.Run.Short {
		return merkle.LeafNodeHash(block, uint64(e.Run.Lengths[at.At]), e.Run.Leaves[at.At]), nil
	}
	var n merkle.Node
	err = r.use(ctx, at.Run, func(run *Decoded) { n = run.Leaf(at.At, block) })
	return n, err
}
