package store

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"hc/lib/keys"
	"hc/lib/lent"
	"hc/lib/store/codec"
	"hc/lib/store/derived"
	"hc/lib/store/packlog"
	"hc/lib/store/records"
	"hc/lib/store/runs"
	"hc/lib/zstdframe"
)

// maxHeadless is how many appends without a head are followed.
const maxHeadless = 1 << 16

// checkLog reads all packs, and the mark.
func (c *Checker) checkLog(ctx context.Context) error {
	fault, err := c.store.log.CheckMark(ctx)
	if err != nil {
		return err
	}
	if fault != nil {
		c.marred = true
		next := "the next write to the store mends it, or hc fsck --repair does"
		if fault.Offset > 0 { // after it, where no writer looks
			next = "hc fsck --repair cuts them off"
		}
		c.found(Finding{Harm: HarmDerived, File: fault.File, Offset: fault.Offset, Length: fault.Length, What: fault.Reason.Error(), Next: next})
	}
	if !c.store.log.HasLocks() {
		c.marred = true
		c.found(Finding{Harm: HarmDerived, File: "locks", What: "the folder of the lock files is missing, so nobody can write", Next: "hc fsck --repair makes it"})
	}
	if fault, err = c.store.log.CheckReach(ctx); err != nil {
		return err
	}
	if fault != nil {
		c.unknown = append(c.unknown, fault)
	}
	k := logCheck{checker: c, ctx: ctx}
	k.start()
	err = c.store.log.Check(ctx, c.view, k.fault, k.record)
	return errors.Join(err, k.wait())
}

// logCheck reads the log once, payloads included; several workers decode and hash runs.
type logCheck struct {
	checker *Checker
	ctx     context.Context
	index   *derived.Tables // where bases are; set by checkDeltas
	jobs    chan runCheck
	pool    *lent.Pool // memory for payloads, and for what they decode to
	workers sync.WaitGroup

	mu  sync.Mutex // guards the fields below, and the checker while workers run
	err error      // the first one of a worker
}

// runCheck is one run to be read.
type runCheck struct {
	record  packlog.Record // its payload is the worker's
	meta    *records.Run
	memory  *lent.Memory // which the payload is in, held; nil: the garbage collector's
	payload []byte
	size    int // bytes of the record's meta and payload
}

func (k *logCheck) start() {
	n := runtime.GOMAXPROCS(0)
	k.jobs = make(chan runCheck)             // no queue: a worker's run may take 32 MiB
	k.pool = lent.NewPool(2 * n * mostSpent) // a payload and what it decodes to, for each worker
	for range n {
		k.workers.Go(func() {
			for job := range k.jobs {
				k.run(job)
			}
		})
	}
}

func (k *logCheck) wait() error {
	close(k.jobs)
	k.workers.Wait()
	return k.err
}

// record checks one record that passed its checksums.
func (k *logCheck) record(r *packlog.Record) error {
	if r.Kind == packlog.KindSeal {
		return nil
	}
	e, err := records.Decode(*r)
	if err != nil {
		k.malformed(r, err)
		return nil
	}
	k.follow(r, e)
	if e.Kind != packlog.KindRun {
		k.mu.Lock()
		k.checker.progress(len(r.Meta)+r.PayloadLen, 0)
		k.mu.Unlock()
		return k.failed()
	}
	if e.Run.Codec == records.CodecDelta { // see checkDeltas
		k.mu.Lock()
		k.checker.deltas = true
		k.mu.Unlock()
		return k.failed()
	}
	return k.check(r, e)
}

// mostSpent is how many bytes of memory are kept for the next run: runs of several small blocks need less, one large
// block is rare.
const mostSpent = 2*runs.MostBytes + zstdframe.Slack

// room returns room for so many bytes, with the memory that it belongs to.
func (k *logCheck) room(bytes int) ([]byte, *lent.Memory) {
	if bytes > mostSpent {
		return make([]byte, 0, bytes), nil
	}
	memory := k.pool.Take(bytes)
	return memory.Bytes()[:0], memory
}

// check hands a run to a worker.
func (k *logCheck) check(r *packlog.Record, e *records.Entry) error {
	job := runCheck{record: *r, meta: e.Run, size: len(r.Meta) + r.PayloadLen}
	room, memory := k.room(len(r.Payload))
	job.payload, job.memory = append(room, r.Payload...), memory
	job.record.Meta, job.record.Payload = nil, nil
	select {
	case k.jobs <- job:
		return k.failed()
	case <-k.ctx.Done():
		return k.ctx.Err()
	}
}

func (k *logCheck) failed() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.err
}

// malformed reports a record that breaks a rule of records/FORMAT.md: its checksums hold, so it was written like that.
func (k *logCheck) malformed(r *packlog.Record, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := k.checker
	c.malformed[err.Error()] = true
	c.found(Finding{Harm: HarmData, File: c.store.log.FileOf(r.Position), Offset: r.Position.Offset,
		What: fmt.Sprintf("a record (%v) that no reader accepts: %v", r.Kind, err), Next: "report it, with the version of hc that wrote it"})
}

// follow notes which appends have records but no head.
func (k *logCheck) follow(r *packlog.Record, e *records.Entry) {
	k.mu.Lock()
	defer k.mu.Unlock()
	open := k.checker.headless
	if r.Commit {
		delete(open, r.Append)
		return
	}
	a := open[r.Append]
	if a == nil {
		if len(open) >= maxHeadless {
			return
		}
		a = &lostAppend{at: r.Position}
		open[r.Append] = a
	}
	if e.Kind == packlog.KindRun {
		return
	}
	if e.Kind == packlog.KindSpan {
		last := e.Span.Parts[len(e.Span.Parts)-1].End()
		if a.first == a.end {
			a.first = e.Span.First
		}
		a.first, a.end = min(a.first, e.Span.First), max(a.end, last)
	}
	a.key, a.known = e.Key, true
}

// run decodes a run and compares its blocks with their leaf hashes.
func (k *logCheck) run(job runCheck) {
	err := k.decode(job)
	job.memory.Release()
	k.mu.Lock()
	defer k.mu.Unlock()
	c := k.checker
	switch {
	case err == nil:
		c.progress(job.size, job.meta.Count)
	case errors.Is(err, ErrDamaged) || errors.Is(err, ErrBlockMissing):
		at := job.record.Position
		c.badRuns[at] = &badRun{meta: job.meta, fault: &packlog.Fault{
			File: c.store.log.FileOf(at), Offset: at.Offset, Length: uint64(job.record.PayloadLen), Position: at,
			Kind: packlog.KindRun, Reason: fmt.Errorf("its checksum is right, but its blocks are not the ones that it names: %w", err),
		}}
	case k.err == nil:
		k.err = err
	}
}

func (k *logCheck) decode(job runCheck) error {
	var base, room []byte
	if job.meta.Codec == records.CodecDelta {
		var err error
		if base, err = k.base(job.meta.Base); err != nil {
			return fmt.Errorf("its base: %w", err)
		}
	}
	if job.meta.Codec != records.CodecRaw {
		var memory *lent.Memory
		room, memory = k.room(zstdframe.Room(job.meta.Raw))
		defer memory.Release()
	}
	data, err := codec.Decompress(room, job.meta, job.payload, base)
	if err != nil {
		return err
	}
	return compareLeaves(job.meta, data)
}

// compareLeaves compares the blocks of a run with their leaf hashes.
func compareLeaves(m *records.Run, data []byte) error {
	ends, ok := m.Split(data)
	if !ok {
		return fmt.Errorf("%w: its blocks do not have the lengths that it says", ErrDamaged)
	}
	if m.Short {
		return nil // it has none; the tree decides, see coreCheck
	}
	for i, leaf := range runs.LeavesOf(data, ends) {
		if leaf != m.Leaves[i] {
			return fmt.Errorf("%w: block %d of the run does not have its leaf hash", ErrDamaged, i)
		}
	}
	return nil
}

// fault takes in a damaged place. What it costs is known once the cores have been checked; see judge.
func (k *logCheck) fault(f *packlog.Fault) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := k.checker
	switch {
	case f.Spare:
		c.marred = true
		c.found(Finding{Harm: HarmDerived, File: f.File, Offset: f.Offset, Length: f.Length,
			What: f.Reason.Error(), Next: "hc fsck --repair writes it again"})
	case f.Record != nil && f.Kind == packlog.KindRun:
		bad := &badRun{fault: f}
		bad.meta, _ = records.DecodeRun(f.Record.Meta)
		c.badRuns[f.Position] = bad
	default:
		c.unknown = append(c.unknown, f)
	}
	return k.err
}

// lostHeads returns appends without a head, by core: they were given up, or their heads are damaged.
func (c *Checker) lostHeads() map[keys.Key]*lostAppend {
	lost := make(map[keys.Key]*lostAppend)
	for _, a := range c.headless {
		if a.known && (lost[a.key] == nil || lost[a.key].end < a.end) {
			lost[a.key] = a
		}
	}
	return lost
}
