package runs

import (
	"bytes"
	"context"
	"runtime"
	"sync"

	"hc/lib/checksum"
	"hc/lib/hash"
	"hc/lib/store/codec"
	"hc/lib/store/packlog"
	"hc/lib/store/records"
)

// How much a writer puts into a run.
const (
	MostBytes       = 256 << 10 // bytes of blocks, unless it is one larger block
	MostShortBlocks = 16 << 10  // blocks in a short run: reading one of them splits all
)

const (
	mostFlying = 6 << 20  // bytes of runs that are being compressed or wait for it, not counting the newest run, at most,
	eachFlying = 2        // and at most so many runs for each processor, and for two more
	batchBytes = 2 << 20  // bytes of records to write at once
	smallRun   = 16 << 10 // bytes of a run that is compressed before a worker could begin with it
	maxBehind  = 256      // deltas that may wait for the end of a run
)

// runJob is a run on its way into the log. done is closed when record is ready; nil: it is ready, or nobody works on it
// yet.
type runJob struct {
	meta   records.Run
	raw    []byte       // of the blocks, in memory of the run's own
	pieces [][]byte     // the blocks' bytes after raw, in the caller's memory
	sum    checksum.Sum // of both
	asIs   bool         // compressing them is not worth a try
	record packlog.Record
	lent   bool // the record's payload belongs to somebody else
	done   chan struct{}
}

// Writer packs blocks into runs, compresses them in parallel and writes them in order. Not for concurrent use.
type Writer struct {
	write   func(context.Context, ...packlog.Record) error
	short   bool
	effort  codec.Effort
	current *runJob   // takes blocks; nil: the next block begins one
	isLines bool      // each block of current but the last ends with its only LF
	ordinal uint32    // of the next run
	behind  []*runJob // finished deltas, to be written after current

	queue   []*runJob     // in order
	waiting int           // bytes in queue
	slots   chan struct{} // one for each processor; nil until it is needed
	workers sync.WaitGroup

	batch      []packlog.Record
	batchBytes int
	spent      [][]byte // payloads of batch whose memory may be reused
}

// inFlight returns how many bytes of runs may be compressed or wait for it, not counting the newest run.
func inFlight() int { return min(mostFlying, eachFlying*MostBytes*(runtime.GOMAXPROCS(0)+2)) }

// NewWriter returns a writer of the runs of one append, which write puts into the log. If short, it makes short runs.
func NewWriter(short bool, effort codec.Effort, write func(context.Context, ...packlog.Record) error) *Writer {
	return &Writer{write: write, short: short, effort: effort}
}

// buffers are for runs of small blocks.
var buffers sync.Pool // of *[]byte

func newBuffer() []byte {
	if b, ok := buffers.Get().(*[]byte); ok {
		return (*b)[:0]
	}
	return make([]byte, 0, MostBytes)
}

// Add puts a block into the current run and returns the run's ordinal and the block's number in it. data is copied. sum
// is the block's checksum, if known.
func (w *Writer) Add(ctx context.Context, leaf hash.Digest, data []byte, sum checksum.Sum) (run, at uint32, err error) {
	return w.addBlock(ctx, leaf, data, sum, false)
}

// Lend is Add for a block that stays where it is until Keep: only short ones are copied.
func (w *Writer) Lend(ctx context.Context, leaf hash.Digest, data []byte, sum checksum.Sum) (run, at uint32, err error) {
	return w.addBlock(ctx, leaf, data, sum, len(data) >= leastPiece)
}

func (w *Writer) addBlock(ctx context.Context, leaf hash.Digest, data []byte, sum checksum.Sum, stays bool) (run, at uint32, err error) {
	if w.current != nil && !w.fits(data) {
		if err := w.end(ctx); err != nil {
			return 0, 0, err
		}
	}
	if w.current == nil {
		w.begin()
	}
	job := w.current
	m := &job.meta
	if w.short {
		w.isLines = w.isLines && (m.Count == 0 || job.endsWithLF()) && isLine(data)
	} else {
		m.Leaves = append(m.Leaves, leaf)
	}
	m.Lengths = append(m.Lengths, uint32(len(data)))
	job.sum = job.sum.Then(sum, len(data))
	job.pieces = append(job.pieces, data)
	m.Count++
	m.Raw += len(data)
	if !stays {
		job.keep()
	}
	return m.Ordinal, uint32(m.Count - 1), nil
}

func (w *Writer) fits(data []byte) bool {
	m := &w.current.meta
	if w.short && m.Count >= MostShortBlocks || m.Count >= records.MaxRunBlocks {
		return false
	}
	return m.Raw+len(data) <= MostBytes
}

func (w *Writer) begin() {
	w.current = &runJob{sum: checksum.Of(nil), meta: records.Run{Short: w.short, Ordinal: w.ordinal}}
	w.isLines = true
	w.ordinal++
}

// AddDelta adds a run of one block of that size, as a delta to base, and returns its ordinal. lent: the frame belongs
// to somebody else.
func (w *Writer) AddDelta(ctx context.Context, leaf hash.Digest, size int, base hash.Digest, frame []byte, lent bool) (run uint32, err error) {
	job := &runJob{lent: lent, meta: records.Run{
		Codec: records.CodecDelta, Ordinal: w.ordinal, Count: 1, Raw: size, Base: base,
		Lengths: []uint32{uint32(size)}, Leaves: []hash.Digest{leaf},
	}}
	w.ordinal++
	job.record = packlog.Record{Kind: packlog.KindRun, Meta: job.meta.Encode(), Payload: frame}
	w.behind = append(w.behind, job)
	if w.current == nil || len(w.behind) >= maxBehind {
		err = w.end(ctx)
	}
	return job.meta.Ordinal, err
}

// isLine reports whether a block is a line, with or without an LF at the end.
func isLine(data []byte) bool {
	i := bytes.IndexByte(data, '\n')
	return i == len(data)-1 && i >= 0 || i < 0 && len(data) > 0
}

// end hands the current run to the workers, and writes runs that are ready.
func (w *Writer) end(ctx context.Context) error {
	job := w.current
	if job == nil {
		w.takeBehind()
		return w.drain(ctx, 0)
	}
	w.current = nil
	defer w.takeBehind()
	job.meta.Lines = w.short && w.isLines
	w.queue = append(w.queue, job)
	size := job.meta.Raw
	w.waiting += size
	if job.asIs = codec.PiecesLookRandom(job.raw, job.pieces, job.meta.Raw); job.asIs {
		job.finish(w.effort)
		return w.drain(ctx, size)
	}
	job.keep()
	if size <= smallRun && len(w.queue) == 1 {
		job.finish(w.effort)
		return nil
	}
	if w.slots == nil {
		w.slots = make(chan struct{}, runtime.GOMAXPROCS(0))
	}
	job.done = make(chan struct{})
	select {
	case w.slots <- struct{}{}:
	case <-ctx.Done():
		close(job.done)
		return ctx.Err()
	}
	w.workers.Go(func() {
		job.finish(w.effort)
		<-w.slots
		close(job.done)
	})
	return w.drain(ctx, size)
}

// drain writes runs that are ready, and waits while too many bytes, not counting the newest run's size, are not.
func (w *Writer) drain(ctx context.Context, size int) error {
	for w.waiting > inFlight()+size || len(w.queue) > 0 && w.queue[0].ready() {
		if err := w.writeFirst(ctx); err != nil {
			return err
		}
	}
	return nil
}

// takeBehind puts the deltas into the queue, after the run that was open when they came.
func (w *Writer) takeBehind() {
	for _, job := range w.behind {
		w.queue = append(w.queue, job)
		w.waiting += job.meta.Raw
	}
	w.behind = w.behind[:0]
}

func (j *runJob) ready() bool {
	if j.done == nil {
		return true
	}
	select {
	case <-j.done:
		return true
	default:
		return false
	}
}

// finish makes the record.
func (j *runJob) finish(effort codec.Effort) {
	if !j.tryToCompress(effort) {
		j.record = packlog.Record{Kind: packlog.KindRun, Payload: j.raw, Pieces: j.pieces, Sum: j.sum}
	}
	j.raw, j.pieces = nil, nil
	j.record.Meta = j.meta.Encode()
}

// tryToCompress makes the record of a run that is worth compressing. All bytes of such a run are its own.
func (j *runJob) tryToCompress(effort codec.Effort) bool {
	if j.asIs {
		return false
	}
	var dst []byte
	if len(j.raw) <= MostBytes {
		dst = newBuffer()
	}
	frame := codec.CompressAnyway(dst, j.raw, effort)
	if frame == nil {
		recycle(dst)
		return false
	}
	j.meta.Codec = records.CodecZstd
	j.record = packlog.Record{Kind: packlog.KindRun, Payload: frame}
	if len(frame) < cap(frame)/4 { // a batch holds many of them
		j.record.Payload = bytes.Clone(frame)
		recycle(frame)
	}
	recycle(j.raw)
	return true
}

func recycle(b []byte) {
	if cap(b) >= MostBytes && cap(b) <= 2*MostBytes {
		buffers.Put(&b)
	}
}

// writeFirst waits for the first run of the queue and puts it into the batch.
func (w *Writer) writeFirst(ctx context.Context) error {
	job := w.queue[0]
	if job.done != nil {
		select {
		case <-job.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	w.queue[0] = nil
	w.queue = w.queue[1:]
	w.waiting -= job.meta.Raw
	w.batch = append(w.batch, job.record)
	if !job.lent {
		w.spent = append(w.spent, job.record.Payload)
	}
	w.batchBytes += job.record.Length() + len(job.record.Meta)
	if w.batchBytes < batchBytes {
		return nil
	}
	return w.writeBatch(ctx)
}

// writeBatch writes the records that are ready.
func (w *Writer) writeBatch(ctx context.Context) error {
	if len(w.batch) == 0 {
		return nil
	}
	return w.writeWith(ctx, w.write)
}

func (w *Writer) writeWith(ctx context.Context, write func(context.Context, ...packlog.Record) error) error {
	err := write(ctx, w.batch...)
	for _, payload := range w.spent {
		recycle(payload)
	}
	clear(w.spent)
	clear(w.batch)
	w.spent, w.batch, w.batchBytes = w.spent[:0], w.batch[:0], 0
	return err
}

// Flush puts all runs, then more records, into the batch, which is written when it is large.
func (w *Writer) Flush(ctx context.Context, more ...packlog.Record) error {
	if err := w.end(ctx); err != nil {
		return err
	}
	for len(w.queue) > 0 {
		if err := w.writeFirst(ctx); err != nil {
			return err
		}
	}
	for _, r := range more {
		w.batch = append(w.batch, r)
		w.batchBytes += r.Length() + len(r.Meta)
	}
	if w.batchBytes < batchBytes {
		return nil
	}
	return w.writeBatch(ctx)
}

// Finish passes everything that is not written yet to write, even if that is nothing.
func (w *Writer) Finish(ctx context.Context, write func(context.Context, ...packlog.Record) error) error {
	if err := w.Flush(ctx); err != nil {
		return err
	}
	return w.writeWith(ctx, write)
}

// Wait waits for the workers, for a transaction that ends early.
func (w *Writer) Wait() { w.workers.Wait() }
