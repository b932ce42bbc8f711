package replicate

import (
	"errors"
	"slices"

	"hc/lib/peer"
)

// losses are the peers that are gone, each with the last reason, in the order of these.
type losses struct {
	peers   []string
	reasons []error
}

func (l *losses) add(peer string, reason error) {
	if at := slices.Index(l.peers, peer); at >= 0 {
		l.peers, l.reasons = slices.Delete(l.peers, at, at+1), slices.Delete(l.reasons, at, at+1)
	}
	l.peers, l.reasons = append(l.peers, peer), append(l.reasons, reason)
}

// reason returns the error to report when no peer is left. Something that did not verify goes before anything else.
func (l *losses) reason() error {
	if len(l.reasons) == 0 {
		return ErrLost
	}
	if at := slices.IndexFunc(l.reasons, verification); at >= 0 {
		return l.reasons[at]
	}
	if slices.ContainsFunc(l.reasons, func(err error) bool { return !errors.Is(err, peer.ErrUnreachable) }) {
		return l.reasons[len(l.reasons)-1]
	}
	return errors.Join(l.reasons...)
}

// peersGone tells why no peer is left.
type peersGone struct{ error }

func (e *peersGone) Unwrap() error { return e.error }

// lost decides what follows when no peer is left: the fetch has failed, unless everything wanted is here.
func (f *fetcher) lost() (over bool, err error) {
	reason := &peersGone{f.losses.reason()}
	if f.options.Live || !f.complete() {
		return true, reason
	}
	f.d.Settle()
	f.d.Finish(reason) // reported only if the reader looks for more than it asked for
	return true, nil
}
