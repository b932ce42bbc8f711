package packlog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// commitQueue holds the commits of this process that wait for the append lock. The goroutine that gets it makes all of
// them, with one sync.
type commitQueue struct {
	mu      sync.Mutex
	waiting []*commitRequest
}

type commitRequest struct {
	append    *Append
	records   []Record // a last batch
	head      func() (Record, error)
	durable   bool
	positions []Position // of records and head
	err       error
	done      chan struct{} // closed when positions and err are set
}

func (q *commitQueue) push(r *commitRequest) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, r)
}

// withdraw reports whether the request was still waiting.
func (q *commitQueue) withdraw(r *commitRequest) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.waiting, r)
	if i >= 0 {
		q.waiting = slices.Delete(q.waiting, i, i+1)
	}
	return i >= 0
}

// take returns all waiting requests if r is one of them.
func (q *commitQueue) take(r *commitRequest) []*commitRequest {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !slices.Contains(q.waiting, r) {
		return nil
	}
	all := q.waiting
	q.waiting = nil
	return all
}

// Commit writes the append's last record, with the commit flag, and returns where it is. The record comes from head,
// which is called under the append lock and after any recovery: it is the place to sign. head must not call the Log,
// and may be called by another goroutine that commits at the same time. What it made must not leave the process before
// Commit has returned without an error.
//
// A durable commit costs one fdatasync, shared with others that wait at the same time, and survives power loss. One
// that is not durable is readable at once and survives the process. After an error the append is wholly there or not at
// all: begin again and look; ErrUnsynced says that it may be there. ErrOvertaken says that somebody recovered since
// Begin.
func (a *Append) Commit(ctx context.Context, head func() (Record, error), durable bool) (Position, error) {
	positions, err := a.WriteCommit(ctx, nil, head, durable)
	if err != nil {
		return Position{}, err
	}
	return positions[0], nil
}

// WriteCommit is Write and Commit in one step, which is faster for small appends. It returns where the records and the
// head are.
func (a *Append) WriteCommit(ctx context.Context, records []Record, head func() (Record, error), durable bool) ([]Position, error) {
	if err := a.check(records); err != nil {
		return nil, err
	}
	l := a.log
	r := &commitRequest{append: a, records: records, head: head, durable: durable, done: make(chan struct{})}
	l.commits.push(r)
	err := l.lockAppendOr(ctx, r.done)
	if err != nil {
		if l.commits.withdraw(r) {
			return nil, err
		}
	} else {
		l.commitWaiting(context.WithoutCancel(ctx), r)
	}
	<-r.done
	return r.positions, r.err
}

// commitWaiting makes the waiting commits and releases the append lock, even if a head function panics.
func (l *Log) commitWaiting(ctx context.Context, r *commitRequest) {
	defer l.unlockAppend()
	if all := l.commits.take(r); all != nil {
		l.commitAll(ctx, all)
	}
}

var (
	errElsewhere = errors.New("another goroutine has made the commit")
	errPanic     = errors.New("another commit of this process panicked")
)

// commitAll makes commits under the append lock and tells each request how it went.
func (l *Log) commitAll(ctx context.Context, all []*commitRequest) {
	err := errPanic
	defer func() {
		for _, r := range all {
			if r.err == nil && err != nil {
				r.positions, r.err = nil, err
			}
			close(r.done)
		}
	}()
	if err = l.tidy(ctx); err == nil {
		err = l.takeBack(ctx, only(all), l.commitTidied(ctx, all))
	}
}

// only returns the append that commits, nil if there are several.
func only(all []*commitRequest) *Append {
	if len(all) != 1 {
		return nil
	}
	return all[0].append
}

func (l *Log) commitTidied(ctx context.Context, all []*commitRequest) error {
	if a := only(all); a != nil {
		l.claim(a.id)
	}
	start := l.tail.position()
	b, heads, durable := l.newBatch(), false, false
	for _, r := range all {
		if r.err = l.addCommit(ctx, b, r); errors.Is(r.err, errBatch) {
			return r.err
		}
		heads = heads || r.err == nil
		durable = durable || r.err == nil && r.durable
	}
	if b.w.at == start {
		return nil
	}
	if err := b.flush(); err != nil {
		return err
	}
	m := l.marked
	m.End = l.tail.position()
	if heads {
		m.Readable = m.End
	}
	if !durable {
		if err := l.tail.cutAhead(); err != nil {
			return err
		}
		return l.raise(m)
	}
	l.writeAhead(start)
	if err := l.syncTail(ctx); err != nil {
		return fmt.Errorf("%w: %w", ErrUnsynced, err)
	}
	m.Synced = m.End
	return l.raise(m)
}

// errBatch is wrapped by errors that affect all commits of a batch.
var errBatch = errors.New("writing the log")

// addCommit writes a request's records, asks for its head and writes that. Without a head the records are void.
func (l *Log) addCommit(ctx context.Context, b *batch, r *commitRequest) error {
	if r.append.closer != l.tail.info.closer {
		return ErrOvertaken
	}
	positions, err := b.addAll(ctx, r.append.id, r.records)
	if err != nil {
		return fmt.Errorf("%w: %w", errBatch, err)
	}
	if err := b.makeRoom(ctx, min(headRoom, l.packSize/8)); err != nil {
		return fmt.Errorf("%w: %w", errBatch, err)
	}
	if r.durable {
		b.w.setToWork(flushSize) // head may make some syncs of its own
	}
	record, err := r.head()
	if err != nil {
		return err
	}
	if err := checkRecord(&record); err != nil {
		return err
	}
	record.Append, record.Commit = r.append.id, true
	r.append.done = true
	at, err := b.add(ctx, &record)
	if err != nil {
		return fmt.Errorf("%w: %w", errBatch, err)
	}
	r.positions = append(positions, at)
	return nil
}
