package worktree

import (
	"context"
	"errors"
	"fmt"

	"hc/lib/hyperdrive"
	"hc/lib/merkle"
	"hc/lib/proof"
)

// A file that nobody gives as it was signed is left out, and named: the others are not to suffer by it.

const (
	mostFaulty    = 1 << 20 // bytes of names of such files that an update leaves out before it gives up; for each all peers are connected to again
	retryTogether = 256     // files that are asked for at once behind such a one: the next one may be near
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

// refusal is why a file is left out whose content could not be had.
func refusal(name string, err error) error {
	var content *contentError
	if errors.As(err, &content) {
		err = content.error
	}
	return fmt.Errorf("%q: %w", name[1:], err)
}

// notGiven reports whether no peer gave what was to be had, but that the next may: one who sends a wrong block is sent away.
func notGiven(err error) bool {
	return errors.Is(err, merkle.ErrUnverified) || errors.Is(err, proof.ErrBlockMissing) || errors.Is(err, proof.ErrPartial)
}

// A getting gets the content of files, which it asks for ahead. left are those that it did not come to.
type getting func(ctx context.Context, items []hyperdrive.Item) (left []hyperdrive.Item, err error)

// getAll gets files. As they are asked for ahead, the one that could not be had is not the one that was being got: it is looked
// for one by one.
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

// passFaulty gets files one by one until some could not be had, and the next one could; rest are those behind it. why is what was
// wrong with one of them.
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

// leaveOut goes on behind a file that nobody gives, unless there were too many.
func (u *update) leaveOut(name string, why error) error {
	if u.faulty+len(name) > mostFaulty {
		return fmt.Errorf("%d files were left out, and no more are tried, ask other peers: %w", u.done.Refused, why)
	}
	u.faulty += len(name)
	u.refuse(name, refusal(name, why))
	return nil
}

// afterDoubt goes over to peers that are asked anew where those whom the plan was made with did not tell what is in a file: they
// give nothing more.
func (u *update) afterDoubt(ctx context.Context) error {
	if u.unsure == nil {
		return nil
	}
	return u.afresh(ctx, u.unsure)
}

// afresh goes over to peers that are asked anew. If that cannot be, why stays what is wrong.
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
