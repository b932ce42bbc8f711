package replicate

import (
	"fmt"
	"slices"
	"sort"

	"hc/lib/hypercore"
	"hc/lib/objects"
)

// A run that is asked for as a whole is sent, and stored, as the server has it. If it is asked for in two parts, both are
// compressed again, there and here. So a reader of many blocks asks where runs end, and ends its questions there.

// leastRuns is how many bytes of blocks have to be wanted to ask where their runs end.
const leastRuns = 2 * mostQuestion

// runsAhead is how many bytes of blocks before the last known run end the next ones are asked for. Their answer comes after
// those to all earlier questions, and until then questions would end inside runs.
const runsAhead = 8 * mostQuestion

// runEnds is what a peer said about where its runs end. Only speed depends on it.
type runEnds struct {
	first, end uint64 // the blocks it is about
	ends       []uint64
	from, to   uint64 // the blocks that an answer under way is about
	asked      bool   // there is such an answer
	refused    bool
}

// knows reports whether the run that a block is in is known.
func (r *runEnds) knows(block uint64) bool { return r.first <= block && block < r.end }

// within returns the last run end after block start and up to end. It returns end if that would leave less than half.
func (r *runEnds) within(start, end uint64) uint64 {
	at := sort.Search(len(r.ends), func(i int) bool { return r.ends[i] > end }) - 1
	if at < 0 || r.ends[at] < start+(end-start+1)/2 {
		return end
	}
	return r.ends[at]
}

// askRuns asks a peer where the runs of count blocks end, if it answers that, and has not yet, or not far enough ahead.
func (f *fetcher) askRuns(s *session, block, count, length uint64) error {
	r := &s.runs
	if !s.tellsRuns || r.refused || r.asked {
		return nil
	}
	count = min(count, length-block)
	known, size := uint64(0), uint64(f.sizeOf(block, length))
	if r.knows(block) {
		known = r.end - block
	}
	if known*size > runsAhead || count <= known || (count-known)*size < leastRuns {
		return nil
	}
	if known == 0 {
		*r = runEnds{first: block, end: block}
	}
	r.forget(block)
	count = min(count-known, objects.MaxBlocks)
	r.asked, r.from, r.to = true, r.end, r.end+count
	_, fork := f.d.Length()
	a := &asked{question: &question{runs: true}, session: s}
	ask := objects.AskRuns{ID: s.newQuestion(a), Fork: fork, First: r.from, Count: count}
	return ignoreClosed(s.objects.Send(objects.TypeAskRuns, ask.Append(nil)))
}

// forget drops what is known about the blocks before the given one.
func (r *runEnds) forget(block uint64) {
	r.ends = slices.DeleteFunc(r.ends, func(end uint64) bool { return end <= block })
	r.first = block
}

// heardRuns takes in where runs end.
func (f *fetcher) heardRuns(s *session, a *asked, g *objectsAnswer) {
	r := &s.runs
	r.asked = false
	switch {
	case !a.question.runs || g.runs == nil && !g.none:
		f.takeBack(a)
		f.drop(s, fmt.Errorf("%w: its answer %d is about something else", ErrPeer, g.id))
	case g.none:
		r.refused = true
	default:
		at := r.from
		for _, count := range g.runs.Counts {
			if at += count; at > r.to { // not asked for; the next answer has it
				break
			}
			r.ends = append(r.ends, at)
		}
		r.end = min(r.to, max(at, r.from+1)) // the rest is asked for later
	}
}

// cutToRuns cuts a question after which more blocks are wanted so that it ends with a run, and returns the blocks cut off.
func (m *question) cutToRuns(r *runEnds) (rest []uint64) {
	last := &m.spans[len(m.spans)-1]
	end := r.within(last.First, m.end())
	for block := end; block < last.First+last.Count; block++ {
		rest = append(rest, block)
	}
	last.Count = end - last.First
	return rest
}

func (g *objectsServer) giveRuns(snapshot *hypercore.Snapshot, m objects.AskRuns) error {
	answer, err := g.runs(snapshot, m)
	if err != nil {
		return err
	}
	return g.channel.Send(objects.TypeRuns, answer.Append(nil))
}

func (g *objectsServer) runs(snapshot *hypercore.Snapshot, m objects.AskRuns) (answer objects.Runs, err error) {
	answer.ID = m.ID
	if err := g.check(snapshot.Head(), m.Fork, m.First+m.Count, nil); err != nil {
		return answer, err
	}
	for at, end := m.First, m.First+m.Count; at < end && len(answer.Counts) < objects.MaxRuns; {
		extent, err := snapshot.Extent(g.conn.ctx, at, end)
		if err != nil { // the runs before it are good
			break
		}
		answer.Counts = append(answer.Counts, extent.Count)
		at += extent.Count
	}
	return answer, nil
}
