package replicate

import (
	"fmt"
	"slices"
	"sort"

	"hc/lib/hypercore"
	"hc/lib/objects"
)

// A run that is asked for as a whole is sent, and stored, as the server has it; of one that is asked for in two parts both are
// compressed anew, there and here. So a reader of many blocks asks where runs end, and ends his questions there.

// leastRuns is how many bytes of blocks have to be wanted for it to be asked where their runs end.
const leastRuns = 2 * mostQuestion

// runsAhead is from how many bytes of blocks before the end of what is known on it is asked for what comes behind: the answer waits for those
// to the questions before it, and whatever is asked for until then ends anywhere.
const runsAhead = 8 * mostQuestion

// runEnds is what a peer said of where its runs end: nothing but the speed of what follows hangs on that.
type runEnds struct {
	first, end uint64 // the blocks it is about
	ends       []uint64
	from, to   uint64 // the blocks that an answer under way is about
	asked      bool   // there is one
	refused    bool
}

// knows reports whether it was said of a block.
func (r *runEnds) knows(block uint64) bool { return r.first <= block && block < r.end }

// within returns the last end of a run behind block start, at or before end; end if none is known that leaves half of it.
func (r *runEnds) within(start, end uint64) uint64 {
	at := sort.Search(len(r.ends), func(i int) bool { return r.ends[i] > end }) - 1
	if at < 0 || r.ends[at] < start+(end-start+1)/2 {
		return end
	}
	return r.ends[at]
}

// askRuns asks a peer where the runs of so many blocks end, if he tells that and has not done so, or what he told goes not much farther.
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

// forget forgets what was said of the blocks before one.
func (r *runEnds) forget(block uint64) {
	r.ends = slices.DeleteFunc(r.ends, func(end uint64) bool { return end <= block })
	r.first = block
}

// heardRuns takes in where runs end.
func (f *fetcher) heardRuns(s *session, a *asked, g *gift) {
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
			if at += count; at > r.to { // of what is behind nobody asked, and the next answer tells of it
				break
			}
			r.ends = append(r.ends, at)
		}
		r.end = min(r.to, max(at, r.from+1)) // of those behind it he is asked when they come
	}
}

// cutToRuns lets a question end where a run does, where more blocks are wanted behind it, and returns the rest.
func (m *question) cutToRuns(r *runEnds) (rest []uint64) {
	last := &m.spans[len(m.spans)-1]
	end := r.within(last.First, m.end())
	for block := end; block < last.First+last.Count; block++ {
		rest = append(rest, block)
	}
	last.Count = end - last.First
	return rest
}

func (g *giver) giveRuns(snapshot *hypercore.Snapshot, m objects.AskRuns) error {
	answer, err := g.runs(snapshot, m)
	if err != nil {
		return err
	}
	return g.channel.Send(objects.TypeRuns, answer.Append(nil))
}

func (g *giver) runs(snapshot *hypercore.Snapshot, m objects.AskRuns) (answer objects.Runs, err error) {
	answer.ID = m.ID
	if err := g.check(snapshot.Head(), m.Fork, m.First+m.Count, nil); err != nil {
		return answer, err
	}
	for at, end := m.First, m.First+m.Count; at < end && len(answer.Counts) < objects.MaxRuns; {
		extent, err := snapshot.Extent(g.conn.ctx, at, end)
		if err != nil { // what comes before it is good
			break
		}
		answer.Counts = append(answer.Counts, extent.Count)
		at += extent.Count
	}
	return answer, nil
}
