package replicate

import (
	"testing"

	"hc/lib/merkle"
	"hc/lib/replicate/messages"
)

// A peer that does not tell its head to be compared breaks no promise, however often it is asked.
func TestRefusedComparisons(t *testing.T) {
	f := newFetcher(mustDownload(t), FetchOptions{})
	s := f.add(t.Context(), "peer")
	for range 2 * maxBroken / headBroken {
		s.requests[7] = &asked{probe: true, request: merkle.Request{ID: 7, Upgrade: &merkle.UpgradeRequest{Length: 3}}}
		if err := f.refused(t.Context(), s, messages.NoData{Request: 7}); err != nil {
			t.Fatal(err)
		}
	}
	if s.dropped || s.broken > 0 || !s.declined {
		t.Errorf("dropped %v, %d promises broken, declined %v", s.dropped, s.broken, s.declined)
	}
}
