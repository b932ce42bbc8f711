package replicate

import "time"

// Over a long way more has to be under way than has room in the window, or peers wait for questions most of the time. What is on its
// way takes no memory here: that is bounded by what is taken in, see gate, and by what may be unread or unsaved. So the window goes by
// what comes within a round trip, and is what it was where that is short.

const (
	farTrip   = 5 * time.Millisecond // of a round trip, from which on a peer is far away; the disk may take as long
	mostWider = 4                    // times the window
)

// pace is how much comes.
type pace struct {
	since time.Time
	came  int // bytes that were expected of what has come since
	wide  int // bytes that may be under way
}

// timed notes how long an answer took: the shortest time is that of the way.
func (s *session) timed(a *asked) {
	if took := time.Since(a.at); s.trip == 0 || took < s.trip {
		s.trip = max(took, 1)
	}
}

// underWayMost returns how many bytes may be under way: twice as many as came within the last round trip. Without a store what comes has to
// stay in memory until it is read, so that is no more than the window.
func (f *fetcher) underWayMost() int {
	trip := time.Duration(0)
	for _, s := range f.sessions {
		trip = max(trip, s.trip)
	}
	if trip < farTrip || !f.d.Stores() {
		return f.options.Window
	}
	p := &f.pace
	now := time.Now()
	if passed := now.Sub(p.since); passed >= trip {
		p.wide = int(2 * float64(p.came) * float64(trip) / float64(passed))
		p.since, p.came = now, 0
	}
	return min(max(p.wide, f.options.Window), mostWider*f.options.Window)
}
