package worktree

import (
	"context"
	"errors"
	"fmt"

	"hc/lib/hyperdrive"
	"hc/lib/merkle"
	"hc/lib/proof"
)

// A file that no peer gives as it was signed is left out, and named: the others must not suffer for it.

const (
	mostFaulty    = 1 << 20 // bytes of names of such files that an update leaves out before it gives up; each costs new connections to all peers
	retryTogether = 256     // files to ask for at once after such a file: the next one may be near
)

// contentError is an error of Source.Content.
type contentError struct{ error }

func (e *contentError) Unwrap() error { return e.error }

func contentErr(err error) error {
	if err == nil {
		return nil
	}
	return &contentError{err}
}

// refusal returns why a file is left out whose content could not be read.
func refusal(name string, err error) error {
	var content *contentError
	if errors.As(err, &content) {
		err = content.error
	}
	return fmt.Errorf("%q: %w", name[1:], err)
}

// notGiven reports whether an error means that no peer gave the content, though another connection may: a peer that sends a
// wrong block is dropped.
func notGiven(err error) bool {
	return errors.Is(err, merkle.ErrUnverified) || errors.Is(err, proof.ErrBlockMissing) || errors.Is(err, proof.ErrPartial)
}

// A getting gets the content of files, which it asks for ahead. left are those that it did not get to.
type getting func(ctx context.Context, items []hyperdrive.Item) (left []hyperdrive.Item, err error)

// getAll gets files. As they are asked for ahead, the one that failed need not be the one being read: it is searched for one by
// one.
func (u *update) getAll(ctx context.Context, items []hyperdrive.Item, get getting) error {
	left, err := get(ctx, items)
	if err == nil || !notGiven(err) || ctx.Err() != nil {
		return err
	}
	rest, err := u.passFaulty(ctx, left, get, err)
	for err == nil && len(rest) > 0 {
		n := min(len(rest), retryTogether)
		err = u.getAll(ctx, rest[:n], get)
		rest = rest[n:]
	}
	return err
}

// passFaulty gets files one by one until some have failed, and the next one has not; rest are those after it. why is the error
// of one of them.
func (u *update) passFaulty(ctx context.Context, items []hyperdrive.Item, get getting, why error) (rest []hyperdrive.Item, err error) {
	if err := u.afresh(ctx, why); err != nil {
		return nil, err
	}
	passed := false
	for i, item := range items {
		_, err := get(ctx, items[i:i+1])
		switch {
		case err == nil && passed:
			return items[i+1:], nil
		case err == nil:
			continue
		case !notGiven(err) || ctx.Err() != nil:
			return nil, err
		}
		if err := u.leaveOut(item.Name, err); err != nil {
			return nil, err
		}
		passed = true
		if err := u.afresh(ctx, err); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// leaveOut leaves out a file that nobody gives, unless there were too many.
func (u *update) leaveOut(name string, why error) error {
	if u.faulty+len(name) > mostFaulty {
		return fmt.Errorf("%d files were left out, and no more are tried: ask other peers: %w", u.done.Refused, why)
	}
	u.faulty += len(name)
	u.refuse(name, refusal(name, why))
	return nil
}

// afterDoubt makes new connections to peers if those that the plan was made with did not give the content of a file: they give
// nothing more.
func (u *update) afterDoubt(ctx context.Context) error {
	if u.unsure == nil {
		return nil
	}
	return u.afresh(ctx, u.unsure)
}

// afresh makes new connections to peers, after the error why. If there is no use in that, it returns why.
func (u *update) afresh(ctx context.Context, why error) error {
	fresh, err := u.to.Afresh(ctx)
	if err != nil {
		return fmt.Errorf("%w; and asked again: %w", why, err)
	}
	if fresh == nil {
		return why
	}
	u.to = fresh
	return nil
}
