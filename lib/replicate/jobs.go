package replicate

import (
	"slices"

	"hc/lib/merkle"
	"hc/lib/replicate/messages"
)

// Limits on what one peer may ask for. Stock usually keeps 48 requests under way, but asks for all blocks of a large file of
// a drive at once; we keep 256.
const (
	maxQueued      = 8192    // requests that wait for their turn, over all cores; beyond that nothing more is read
	maxQueuedBytes = 2 << 20 // bytes that they take; likewise
	perJob         = 192     // bytes that each takes, without the spans and nodes it names
)

// job is something that a peer asked for.
type job struct {
	reader  *reader
	request merkle.Request
	want    *messages.Want // instead of a request
	do      func() error   // instead of both
	bytes   int            // bytes that it takes beyond perJob
}

// cancellable reports whether the peer can withdraw it.
func (j *job) cancellable() bool { return j.reader != nil && j.want == nil && j.do == nil }

// requestID identifies a request of a peer.
type requestID struct {
	reader *reader
	id     uint64
}

// jobs is a queue of jobs. The zero value is empty.
type jobs struct {
	list  []*job // nil: it was withdrawn
	gone  int    // how many are nil
	bytes int
	first int               // number of the first job in list, counted since the queue was last empty or rebuilt
	at    map[requestID]int // number of a request, counted likewise; of several with one id, that of the last
}

func (q *jobs) len() int { return len(q.list) - q.gone }

// full reports whether there is no room for one more. There is always room for a single job, however large.
func (q *jobs) full() bool {
	return q.len() >= maxQueued || q.len() > 0 && q.bytes >= maxQueuedBytes
}

func (q *jobs) add(j job) {
	if j.cancellable() {
		if q.at == nil {
			q.at = map[requestID]int{}
		}
		q.at[requestID{j.reader, j.request.ID}] = q.first + len(q.list)
	}
	q.list = append(q.list, &j)
	q.bytes += perJob + j.bytes
}

// next removes and returns the first job, nil if there is none.
func (q *jobs) next() *job {
	for len(q.list) > 0 {
		j := q.list[0]
		at := q.first
		q.list[0] = nil
		q.list = q.list[1:]
		q.first++
		if j == nil {
			q.gone--
			continue
		}
		q.count(j, at)
		return j
	}
	*q = jobs{}
	return nil
}

// count removes a job that had number at from the counts.
func (q *jobs) count(j *job, at int) {
	q.bytes -= perJob + j.bytes
	if id := (requestID{j.reader, j.request.ID}); j.cancellable() && q.at[id] == at {
		delete(q.at, id)
	}
}

// cancel removes a request. It looks at no other, so that cancelling costs as little as asking.
func (q *jobs) cancel(r *reader, id uint64) {
	at, ok := q.at[requestID{r, id}]
	if !ok {
		return
	}
	j := q.list[at-q.first]
	q.list[at-q.first] = nil
	q.gone++
	q.count(j, at)
	if q.gone > len(q.list)/2 {
		q.keep(func(*job) bool { return true })
	}
}

// forget removes everything that a reader asked for.
func (q *jobs) forget(r *reader) {
	q.keep(func(j *job) bool { return j.reader != r })
}

// keep rebuilds the queue from the jobs that stay.
func (q *jobs) keep(stays func(*job) bool) {
	kept := slices.DeleteFunc(q.list, func(j *job) bool { return j == nil || !stays(j) })
	*q = jobs{}
	for _, j := range kept {
		q.add(*j)
	}
}
