package packlog

import "context"

// survey is what counts after a crash.
type survey struct {
	synced Position              // the highest position known to be synced
	torn   Position              // the first invalid place at or after it, or the log's end
	whole  map[AppendID]struct{} // appends whose commit record lies between the two
	damage []*DamageError        // before synced
	tear   *DamageError          // the damage that makes torn the end, if any does
}

type commitAt struct {
	at     Position
	append AppendID
}

// surveyor collects what a walk sees.
type surveyor struct {
	chain   *chain
	doubted *extent // its name may not be synced, so no position in it counts as synced
	synced  Position
	end     Position
	commits []commitAt
	damage  []*DamageError
}

func (s *surveyor) name(p Position) {
	if s.doubted != nil && p.Pack == s.doubted.info.sequence {
		return
	}
	if s.chain.counts(p) && s.synced.Less(p) {
		s.synced = p
		s.commits = dropBefore(s.commits, p)
	}
}

// trust ends the doubt: a process that writes more to a new pack has synced its name.
func (s *surveyor) trust() {
	if e := s.doubted; e != nil {
		s.doubted = nil
		s.name(e.start())
		s.name(e.info.synced)
	}
}

func dropBefore(commits []commitAt, p Position) []commitAt {
	n := 0
	for n < len(commits) && commits[n].at.Less(p) {
		n++
	}
	return commits[n:]
}

func (s *surveyor) see(it item) error {
	at, size := it.record.Position, it.header.size()
	if it.damage != nil {
		at, size = it.damage.Position, it.damage.Length
		s.damage = append(s.damage, it.damage)
	}
	if it.damage == nil || it.payload {
		if e := s.doubted; e != nil && at.Pack == e.info.sequence && at.Offset >= e.info.synced.Offset {
			s.trust()
		}
		s.name(it.header.synced)
	}
	if it.damage == nil && it.header.commit {
		s.commits = append(s.commits, commitAt{at, it.record.Append})
	}
	at.Offset += size
	s.end = at
	return nil
}

// result is called after everything has been seen: until then synced may rise.
func (s *surveyor) result() *survey {
	r := &survey{synced: s.synced, torn: later(s.end, s.synced), whole: map[AppendID]struct{}{}}
	for _, d := range s.damage {
		end := d.Position
		end.Offset += d.Length
		if d.Position.Less(s.synced) {
			r.damage = append(r.damage, d)
			if !s.synced.Less(end) {
				continue
			}
		}
		r.torn, r.tear = later(d.Position, s.synced), d
		break
	}
	for _, c := range s.commits {
		if !c.at.Less(r.synced) && c.at.Less(r.torn) {
			r.whole[c.append] = struct{}{}
		}
	}
	return r
}

// surveyLog finds what counts. mark is nil if its checksum is wrong. If synced, the folder has just been synced;
// otherwise the last pack may go with a power loss, unless something says that its name was synced.
func (l *Log) surveyLog(ctx context.Context, c *chain, mark *Mark, synced bool) (*survey, error) {
	s := &surveyor{chain: c}
	applied := l.applied()
	if n := len(c.extents); n > 0 && !synced {
		if last := &c.extents[n-1]; last.bad == nil && applied.Pack < last.info.sequence && (mark == nil || mark.End.Pack < last.info.sequence) {
			s.doubted = last
		}
	}
	if mark != nil {
		s.name(mark.Synced)
	}
	s.name(applied)
	for _, e := range c.extents {
		if e.bad == nil {
			s.name(e.start()) // a pack is synced before it gets its name
			s.name(e.info.synced)
		}
	}
	if err := l.walk(ctx, c, s.synced, Position{}, true, s.see); err != nil {
		return nil, err
	}
	return s.result(), nil
}
