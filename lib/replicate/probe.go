package replicate

import (
	"context"
	"fmt"

	"hc/lib/merkle"
)

// refuted deals with a proof that did not verify: either the peer lies, or the key signed two histories. To tell, the
// peer is asked for its head from nothing, and for nothing else until then.
func (f *fetcher) refuted(s *session, err error) error {
	length, fork := f.d.Length()
	if length == 0 || s.dropped || s.refutal != nil || s.remote.Length == 0 || s.remote.Fork != fork {
		f.drop(s, err)
		return nil
	}
	if s.probe != nil { // its answer will tell
		s.refutal = err
		return nil
	}
	s.refutal = err
	return f.probe(s)
}

// probe asks for the peer's head from nothing, to see whether the key signed a history that differs from ours: the head
// with the roots of the shorter of both lengths.
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
	if err := f.d.KeepSeen(ctx, head); err != nil {
		return err
	}
	return fmt.Errorf("%s: %w", s.name, f.d.Seen(head))
}
