package replicate

import (
	"bytes"
	"context"
	"testing"
	"time"

	"hc/lib/merkle"
	"hc/lib/objects"
	"hc/lib/proof"
	"hc/lib/protomux"
)

// A peer that takes questions and does not answer holds up nobody for long, whichever way it is asked: what it owes is asked of others.
func TestSlowPeersArePassedOver(t *testing.T) {
	noLeaks(t)
	const delay = 2 * waitLimit
	late := func(l *liar, answer func() error) error {
		l.later(func(ctx context.Context) {
			if rest(ctx, delay) {
				_ = answer()
			}
		})
		return nil
	}
	onRequest := func(l *liar, ch *protomux.Channel, r merkle.Request) error {
		if r.Block == nil {
			return l.honest(ch, r, nil)
		}
		return late(l, func() error { return l.honest(ch, r, nil) })
	}
	slow := map[string]*liar{
		"one by one": {capable: true, onRequest: onRequest},
		"many at once": {capable: true, onRequest: onRequest, onObjects: func(l *liar, g *objectsServer, kind uint64, body []byte) error {
			if kind != objects.TypeAskBlocks {
				return answering(nil, nil)(l, g, kind, body)
			}
			body = bytes.Clone(body)
			return late(l, func() error { return answering(nil, nil)(l, g, kind, body) })
		}},
	}
	for name, bad := range slow {
		core := bulky(t)
		began := time.Now()
		got, err := read(t, newStore(t), core.key, proof.Claim{}, FetchOptions{Stall: delay}, core.lying(bad), core.serving(ServerOptions{}))
		if err != nil || !bytes.Equal(got, core.bytes()) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
		if took := time.Since(began); took > delay/2 {
			t.Errorf("%s: took %v", name, took)
		}
	}
}

// An answer that comes late does no harm, and the peer that has caught up is asked again; what nobody asked for is another thing.
func TestLateAnswers(t *testing.T) {
	f := newFetcher(mustDownload(t), FetchOptions{})
	s := f.add(t.Context(), "slow")
	s.objects = new(protomux.Channel)
	s.questions[5] = &asked{question: &question{spans: []objects.Span{{First: 0, Count: 3}}}, session: s}
	s.requests[7] = &asked{request: merkle.Request{ID: 7, Block: &merkle.BlockRequest{Index: 9}}, session: s}
	f.passOver(s)
	if !s.behind() || s.owed() != 0 || len(f.ordered.retry) != 4 {
		t.Errorf("passed over: behind %v, owes %d, %d blocks to be asked for again", s.behind(), s.owed(), len(f.ordered.retry))
	}
	if err := f.handleAnswer(t.Context(), s, &objectsAnswer{id: 5, none: true}); err != nil || s.dropped {
		t.Errorf("a late answer: %v, %v", err, s.reason)
	}
	if err := f.answered(t.Context(), s, &merkle.Proof{ID: 7}, nil); err != nil || s.dropped || s.behind() {
		t.Errorf("another late answer: %v, %v, behind %v", err, s.reason, s.behind())
	}
	if err := f.handleAnswer(t.Context(), s, &objectsAnswer{id: 5, none: true}); err != nil || !s.dropped {
		t.Errorf("an answer to nothing: %v, dropped %v", err, s.dropped)
	}
}
