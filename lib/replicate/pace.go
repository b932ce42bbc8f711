package replicate

import "time"

// If round trips are long, more has to be under way than fits into the window, or peers wait for questions most of the time.
// Bytes under way take no memory here: the gate bounds what is taken in, and other limits what is unread or unsaved. So the
// bytes that may be under way follow what arrives within a round trip. For short round trips they are one window.

const (
	farTrip   = 5 * time.Millisecond // shortest round trip of a peer that is far away; the disk may take as long
	mostWider = 4                    // windows that may be under way
)

// pace measures how much arrives.
type pace struct {
	since time.Time
	came  int // expected bytes of the answers that have come since
	wide  int // bytes that may be under way
}

// timed notes how long an answer took. The shortest time stands for the round trip.
func (s *session) timed(a *asked) {
	if took := time.Since(a.at); s.trip == 0 || took < s.trip {
		s.trip = max(took, 1)
	}
}

// underWayMost returns how many bytes may be under way: twice as many as came within the last round trip. Without a store,
// blocks stay in memory until they are read, so it is no more than the window.
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
