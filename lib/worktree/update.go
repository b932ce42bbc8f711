package worktree

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"hc/lib/drive"
	"hc/lib/keys"
)

// UpdateOptions say how files of another version come into the folder.
type UpdateOptions struct {
	Force     bool                                   // replace files that were edited here
	KeepEdits bool                                   // leave out files that were edited here, and continue
	Refused   func(name string, why error)           // called for each file that is left out; may be nil
	Wrote     func(name string)                      // called for each file and link that was written; may be nil
	Progress  func(name string, bytes, total uint64) // called with bytes that were written, and the total to write; may be nil
}

// Updated is the result of an update.
type Updated struct {
	Written, Removed, Refused uint64 // files and links
	Same                      uint64 // files and links that were here already
	Bytes                     uint64 // of the files that were written
}

// maxNamed is how many edited files an error names.
const maxNamed = 10

// LocalError lists files that were edited here, and would be replaced.
type LocalError struct{ Names []string }

func (e *LocalError) Error() string {
	named := e.Names[:min(len(e.Names), maxNamed)]
	quoted := make([]string, len(named))
	for i, name := range named {
		quoted[i] = fmt.Sprintf("%q", strings.TrimPrefix(name, "/"))
	}
	text := strings.Join(quoted, ", ")
	if more := len(e.Names) - len(named); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Sprintf("%v would be replaced, and nothing was changed: %s", ErrLocal, text)
}

// Is makes it ErrLocal, and a conflict.
func (e *LocalError) Is(target error) bool { return target == ErrLocal || target == drive.ErrConflict }

// Update makes the files in the folder those of a version, which ref names. If a file that it would replace or remove was edited
// here, it changes nothing, and the error is a *LocalError. An interrupted update continues where it was.
func (t *Tree) Update(ctx context.Context, ref keys.Ref, to Source, options UpdateOptions) (done Updated, err error) {
	u, err := t.newUpdate(ctx, to, options)
	if err != nil {
		return done, err
	}
	defer u.close()
	if err := u.plan(ctx); err != nil {
		return done, err
	}
	if len(u.edited) > 0 && !options.Force {
		slices.Sort(u.edited) // those that the last update left out come in another order
		return done, &LocalError{Names: u.edited}
	}
	if err := u.afterDoubt(ctx); err != nil {
		return u.done, err
	}
	if len(u.steps) > 0 {
		if err := u.begin(ctx, ref); err != nil {
			return done, err
		}
	}
	if err := u.run(ctx); err != nil {
		return u.done, err
	}
	if err := u.to.Kept(ctx); err != nil { // a version is noted only if its names are in the store
		return u.done, err
	}
	if err := t.published(); err != nil { // before the note: if killed between the two, the user has to check out the newest version
		return u.done, err
	}
	return u.done, t.ended(ref, u.left)
}

func (u *update) begin(ctx context.Context, ref keys.Ref) error {
	if err := u.to.Kept(ctx); err != nil {
		return err
	}
	return u.tree.begin(ref)
}

// before opens the versions that an unedited file may be of: the one that is checked out, and those of interrupted updates.
func (t *Tree) before(ctx context.Context, from Source) (versions []Source, err error) {
	refs := t.to
	if t.at.Pinned {
		refs = append([]keys.Ref{t.at}, refs...)
	}
	return versionsOf(ctx, from, refs)
}

func versionsOf(ctx context.Context, from Source, refs []keys.Ref) (versions []Source, err error) {
	for _, ref := range refs {
		older, err := from.Before(ctx, ref.Length)
		if err != nil {
			return nil, err
		}
		versions = append(versions, older)
	}
	return versions, nil
}
