package replicate

import (
	"slices"

	"hc/lib/merkle"
	"hc/lib/replicate/messages"
)

// Limits of what one peer may ask for. Stock keeps 48 requests under way as a rule, but asks for all blocks of a large file of
// a drive at once; we keep 256.
const (
	maxQueued      = 8192    // requests that wait for their turn, over all cores; what comes behind them is not read yet
	maxQueuedBytes = 2 << 20 // that they take; likewise
	perJob         = 192     // bytes, beside what one names
)

// job is something that a peer asked for.
type job struct {
	reader  *reader
	request merkle.Request
	want    *messages.Want // instead of a request
	do      func() error   // instead of both
	bytes   int            // that it takes beyond perJob
}

// cancellable reports whether the peer can take it back.
func (j *job) cancellable() bool { return j.reader != nil && j.want == nil && j.do == nil }

// requestID is what a peer calls a request.
type requestID struct {
	reader *reader
	id     uint64
}

// jobs are those that wait, in order. The zero value has none.
type jobs struct {
	list  []*job // nil: it was taken back
	gone  int    // that are nil
	bytes int
	first int               // where the list begins, counted from when it was made
	at    map[requestID]int // where a request is, counted likewise; of several of one name the last
}

func (q *jobs) len() int { return len(q.list) - q.gone }

// full reports whether there is no room for one more. However much one takes, there is room for it alone.
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

// next takes the first one out; nil if there is none.
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

// count takes a job off that was at a place.
func (q *jobs) count(j *job, at int) {
	q.bytes -= perJob + j.bytes
	if id := (requestID{j.reader, j.request.ID}); j.cancellable() && q.at[id] == at {
		delete(q.at, id)
	}
}

// cancel takes a request out. It looks at no other: whoever cancels costs as little as who asks.
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

// forget takes out all that a reader asked for.
func (q *jobs) forget(r *reader) {
	q.keep(func(j *job) bool { return j.reader != r })
}

// keep makes the list anew, of those that are to stay.
func (q *jobs) keep(stays func(*job) bool) {
	kept := slices.DeleteFunc(q.list, func(j *job) bool { return j == nil || !stays(j) })
	*q = jobs{}
	for _, j := range kept {
		q.add(*j)
	}
}
