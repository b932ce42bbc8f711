package worktree

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"hc/lib/drive"
	"hc/lib/hypercore"
	"hc/lib/keys"
	"hc/lib/store"
)

// Tree is a working copy.
type Tree struct {
	Root string // the folder
	in   *store.Store
	key  keys.Key
	at   keys.Ref   // not pinned: nothing is checked out yet
	to   []keys.Ref // versions of interrupted updates, and last that of the update under way
	was  []keys.Ref // versions that files left out may still be of
	state
}

// ErrLocal says that files in the folder were edited that an update would replace.
var ErrLocal = errors.New("local edits")

// Of returns the working copy that a store is in; ErrNone if it is in none.
func Of(in *store.Store) (*Tree, error) {
	t := &Tree{in: in}
	var err error
	if t.state, err = readState(in.Dir()); err != nil {
		return nil, err
	}
	if t.key, t.at, t.to, t.was, err = t.parse(in.Dir()); err != nil {
		return nil, err
	}
	t.Root = rootOf(in)
	return t, nil
}

// rootOf returns the folder that a store is in.
func rootOf(in *store.Store) string {
	if whole, err := filepath.Abs(in.Dir()); err == nil {
		return filepath.Dir(whole)
	}
	return filepath.Dir(filepath.Clean(in.Dir()))
}

// Create makes the folder that a store is in the working copy of a drive; parts lists the wanted parts, if not all are wanted.
func Create(in *store.Store, key keys.Key, parts []string) (*Tree, error) {
	if filepath.Base(in.Dir()) != storeName {
		return nil, fmt.Errorf("the store of a working copy is the folder %s in it, not %q", storeName, in.Dir())
	}
	if _, err := readState(in.Dir()); !errors.Is(err, ErrNone) {
		return nil, fmt.Errorf("%w: %q is a working copy already", drive.ErrConflict, filepath.Dir(in.Dir()))
	}
	s := state{Format: format, Drive: key.String(), Parts: parts}
	if err := s.write(in.Dir()); err != nil {
		return nil, err
	}
	return Of(in)
}

// Key returns the drive's key.
func (t *Tree) Key() keys.Key { return t.key }

// At returns the version that is checked out; it is not pinned if there is none.
func (t *Tree) At() keys.Ref { return t.at }

// Interrupted reports whether an update was begun and did not end.
func (t *Tree) Interrupted() bool { return len(t.to) > 0 }

// IsPinned reports whether a particular version was asked for, and not the newest.
func (t *Tree) IsPinned() bool { return t.Pinned }

// Pin says whether the next update is to a particular version, and not to the newest.
func (t *Tree) Pin(pinned bool) { t.Pinned = pinned }

// Store returns the store.
func (t *Tree) Store() *store.Store { return t.in }

// Publishes reports whether the drive is written here: its secret key is in the store.
func (t *Tree) Publishes() bool { return hypercore.Owned(t.in, t.key) }

// Version opens the version that is checked out.
func (t *Tree) Version(ctx context.Context) (*drive.Drive, error) { return drive.Open(ctx, t.in, t.at) }

// Newest opens the newest version that the store has.
func (t *Tree) Newest(ctx context.Context) (*drive.Drive, error) {
	return drive.Open(ctx, t.in, keys.Ref{Key: t.key})
}

// Wants reports whether a name of the drive is among the parts that are wanted here.
func (t *Tree) Wants(name string) bool {
	return len(t.Parts) == 0 || slices.ContainsFunc(t.Parts, func(part string) bool {
		return strings.HasPrefix(name, "/"+part) && (len(name) == 1+len(part) || name[1+len(part)] == '/')
	})
}

// begin notes that the files are being brought to a version. Until that has ended, they may also be those of versions of
// updates that were begun before and did not end.
func (t *Tree) begin(to keys.Ref) error {
	next := slices.DeleteFunc(slices.Clone(t.to), func(ref keys.Ref) bool { return ref.String() == to.String() })
	next = append(next, to)
	if len(next) > mostTo { // files of the oldest one only will be taken for edits
		next = next[len(next)-mostTo:]
	}
	return t.note(t.state, t.at, next, t.was)
}

// ended notes that the files are those of a version, except for names that were left out, which may be of earlier versions.
func (t *Tree) ended(at keys.Ref, left []string) error {
	next := t.state
	next.leave(left)
	var was []keys.Ref
	if len(left) > 0 {
		was = t.earlier(at)
	}
	return t.note(next, at, nil, was)
}

// earlier returns the latest versions, except for one, that files may be of. Those of another fork can no longer be opened.
func (t *Tree) earlier(but keys.Ref) (versions []keys.Ref) {
	for _, ref := range slices.Concat(t.was, []keys.Ref{t.at}, t.to) {
		known := slices.ContainsFunc(append(versions, but), func(other keys.Ref) bool { return other.String() == ref.String() })
		if ref.Pinned && ref.Fork == but.Fork && !known {
			versions = append(versions, ref)
		}
	}
	return versions[max(0, len(versions)-mostTo):]
}

// note saves which versions the files are of.
func (t *Tree) note(next state, at keys.Ref, to, was []keys.Ref) error {
	next.At, next.To, next.Was = "", nil, nil
	if at.Pinned {
		next.At = at.String()
	}
	for _, ref := range to {
		next.To = append(next.To, ref.String())
	}
	for _, ref := range was {
		next.Was = append(next.Was, ref.String())
	}
	if err := next.write(t.in.Dir()); err != nil {
		return err
	}
	t.state, t.at, t.to, t.was = next, at, to, was
	return nil
}

// statDir returns the folder of the stat caches of imports.
func (t *Tree) statDir() string { return filepath.Join(t.in.Dir(), "stat") }
