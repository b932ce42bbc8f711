package replicate

import (
	"context"
	"fmt"
	"time"

	"hc/lib/merkle"
)

// refuted handles a proof that did not verify: either the peer lies, or the key signed two histories. To tell which, the
// peer is asked for its head from nothing, and for nothing else until it answers.
func (f *fetcher) refuted(s *session, err error) error {
	length, fork := f.d.Length()
	if length == 0 || s.dropped || s.refutal != nil || s.remote.Length == 0 || s.remote.Fork != fork {
		f.drop(s, err)
		return nil
	}
	if s.probe != nil { // its answer will tell which
		s.refutal = err
		return nil
	}
	s.refutal = err
	return f.probe(s)
}

// compareEvery is the least time between two comparisons of a peer's head with ours.
const compareEvery = time.Second

// compareHeads asks peers that say they have no more than is here for their heads. If the key signed two histories, one
// peer may give the whole of one, and otherwise nothing would show that another peer has the other.
func (f *fetcher) compareHeads() error {
	for _, s := range f.sessions {
		if !f.uncompared(s) || time.Since(s.comparedAt) < compareEvery {
			continue
		}
		if err := f.probe(s); err != nil {
			return err
		}
		if s.probe != nil {
			s.compared, s.comparedAt = s.remote.Length, time.Now()
		}
	}
	return nil
}

// uncompared reports whether a peer's head has to be compared: another peer, or this store itself if it writes the core, may
// have another history.
func (f *fetcher) uncompared(s *session) bool {
	length, _ := f.d.Length()
	several := f.met > 1 || f.d.Owned()
	return several && s.offers() && !s.declined && f.sameFork(s) && 0 < s.remote.Length && s.remote.Length <= length && s.remote.Length != s.compared
}

func (f *fetcher) sameFork(s *session) bool {
	_, fork := f.d.Length()
	return s.remote.Fork == fork
}

// awaitsHead reports whether to wait for a peer's head. If the head is only to be compared with ours, and the core is not
// written here, the wait is bounded.
func (f *fetcher) awaitsHead(s *session) bool {
	if s.probe == nil {
		return s.compared == 0 && f.uncompared(s)
	}
	return s.refutal != nil || !f.sameFork(s) || f.d.Owned() || time.Since(s.probe.at) < patience
}

// probe asks for the peer's head from nothing, to see whether the key signed a history that differs from ours. At our fork
// it asks for the roots of the shorter of both lengths.
func (f *fetcher) probe(s *session) error {
	if s.dropped || s.probe != nil || !s.room() {
		return nil
	}
	length, fork := f.d.Length()
	upgrade := &merkle.UpgradeRequest{Length: s.remote.Length}
	if s.remote.Fork == fork {
		upgrade.Length = min(upgrade.Length, length)
	}
	return s.send(&asked{probe: true, request: merkle.Request{
		Fork:     s.remote.Fork,
		Upgrade:  upgrade,
		Manifest: f.d.NeedsManifest() && s.remote.HasManifest,
	}})
}

// probed looks at a head that was proved from nothing.
func (f *fetcher) probed(ctx context.Context, s *session, p *merkle.Proof) error {
	head, conflict, err := f.d.Conflict(ctx, p)
	switch {
	case err != nil && !verification(err):
		return err
	case err != nil:
		f.drop(s, err)
		return nil
	case !conflict:
		if s.refutal != nil {
			f.drop(s, s.refutal)
		}
		return nil
	}
	if err := f.d.KeepSeen(ctx, head); err != nil && ctx.Err() == nil { // cancelled: the conflict is still reported
		return err
	}
	return fmt.Errorf("%s: %w", s.name, f.d.Seen(head))
}
