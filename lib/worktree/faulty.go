package worktree

import (
	"context"
	"errors"
	"fmt"

	"hc/lib/folder"
	"hc/lib/hyperdrive"
	"hc/lib/merkle"
	"hc/lib/proof"
)

// A file that nobody gives as it was signed is left out, and named: the others are not to suffer by it.

// mostFaulty is how many such files an update leaves out before it gives up; for each all peers are connected to again.
const mostFaulty = 64

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

// writeAll writes files. As they are asked for ahead, the one that could not be had is not the one that was being written: it is
// looked for one by one.
func (u *update) writeAll(ctx context.Context, export *folder.Export, writes []hyperdrive.Item) error {
	for {
		left, err := u.soon(ctx, writes)
		if err == nil {
			left, err = u.write(ctx, export, left)
		}
		if err == nil || !notGiven(err) || ctx.Err() != nil {
			return err
		}
		if writes, err = u.passFaulty(ctx, export, left, err); err != nil {
			return err
		}
	}
}

// passFaulty writes files one by one until some could not be had, and the next one could; rest are those behind it. why is what was
// wrong with one of them.
func (u *update) passFaulty(ctx context.Context, export *folder.Export, writes []hyperdrive.Item, why error) (rest []hyperdrive.Item, err error) {
	if err := u.afresh(ctx, why); err != nil {
		return nil, err
	}
	passed := false
	for i, item := range writes {
		_, err := u.write(ctx, export, writes[i:i+1])
		switch {
		case err == nil && passed:
			return writes[i+1:], nil
		case err == nil:
			continue
		case !notGiven(err) || ctx.Err() != nil:
			return nil, err
		case u.faulty >= mostFaulty:
			return nil, fmt.Errorf("%d files were left out, and no more are tried, ask other peers: %w", u.faulty, err)
		}
		passed = true
		u.faulty++
		u.refuse(item.Name, refusal(item.Name, err))
		if err := u.afresh(ctx, err); err != nil {
			return nil, err
		}
	}
	return nil, nil
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
