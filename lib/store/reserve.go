package store

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"hc/lib/hash"
	"hc/lib/keys"
	"hc/lib/store/smallfile"
)

const (
	grantsFolder = "grants"
	grantMagic   = "hc-grant 1"
)

// Taken says why a head cannot be reserved: another one is published, or reserved, in its place.
type Taken struct {
	By        keys.Head
	Published bool // else it is only reserved
}

func (t *Taken) Error() string {
	what := "is reserved for"
	if t.Published {
		what = "has"
	}
	return fmt.Sprintf("the core %s fork %d with %d blocks and tree hash %s", what, t.By.Fork, t.By.Length, t.By.TreeHash)
}

// Is makes a Taken an ErrConflict.
func (t *Taken) Is(target error) bool { return target == ErrConflict }

// Reserve promises, durably, that no head of the core other than next will be reserved at its fork and from its length
// on, until next is committed here or a higher fork is reserved. base is the head that next continues, which must be
// the one stored here; the zero Head if there is none. Reserve returns a *Taken, which is an ErrConflict, if it cannot
// promise that. It grants the same reservation as often as it is asked for. The caller must have made sure that the
// signer may sign.
func (s *Store) Reserve(ctx context.Context, key keys.Key, base, next keys.Head) error {
	if err := s.reserve(ctx, key, base, next); err != nil {
		return fmt.Errorf("reserving %d blocks of core %v: %w", next.Length, key, err)
	}
	return nil
}

func (s *Store) reserve(ctx context.Context, key keys.Key, base, next keys.Head) error {
	if s.options.ReadOnly {
		return ErrReadOnly
	}
	lock, err := s.log.Lock(ctx, coreLock(key), false)
	if err != nil {
		return err
	}
	defer lock.Unlock()
	stored, err := s.published(ctx, key)
	if err != nil {
		return err
	}
	if stored == next {
		return nil
	}
	if stored != base || !follows(next, stored) {
		return &Taken{By: stored, Published: true}
	}
	granted, err := s.granted(key)
	if err != nil {
		return err
	}
	switch {
	case granted == next:
		return nil
	case follows(granted, stored) && next.Fork <= granted.Fork:
		return &Taken{By: granted}
	}
	return s.keep(ctx, grantsFolder, key.String(), encodeGrant(next), 0o755, 0o644)
}

// follows reports whether a head may come after another one.
func follows(next, before keys.Head) bool {
	return next.Fork > before.Fork || next.Fork == before.Fork && next.Length > before.Length
}

// published returns the stored head, if a power cut cannot take it back; the zero Head if there is none.
func (s *Store) published(ctx context.Context, key keys.Key) (keys.Head, error) {
	view, err := s.View(ctx, key, true)
	if errors.Is(err, ErrNotFound) {
		return keys.Head{}, nil
	}
	if err != nil {
		return keys.Head{}, err
	}
	head := view.Head()
	if head.Length == 0 {
		return keys.Head{Fork: head.Fork}, nil
	}
	return keys.Head{Fork: head.Fork, Length: head.Length, TreeHash: head.TreeHash}, nil
}

// granted returns the last reservation; the zero Head if there is none.
func (s *Store) granted(key keys.Key) (keys.Head, error) {
	path := filepath.Join(s.dir, grantsFolder, key.String())
	raw, err := smallfile.Read(s.fs, path, 1024)
	if errors.Is(err, fs.ErrNotExist) {
		return keys.Head{}, nil
	}
	if err != nil {
		return keys.Head{}, err
	}
	head, err := decodeGrant(raw)
	if err != nil {
		return head, fmt.Errorf("%s: %w", path, err)
	}
	return head, nil
}

func encodeGrant(h keys.Head) []byte {
	return sealedLine(fmt.Sprintf("%s %d %d %s", grantMagic, h.Fork, h.Length, h.TreeHash))
}

func decodeGrant(raw []byte) (h keys.Head, err error) {
	text, _ := strings.CutSuffix(string(raw), "\n")
	words := strings.Split(text, " ")
	if len(words) != 6 || words[0]+" "+words[1] != grantMagic || len(words[4]) != 2*hash.Size {
		return h, fmt.Errorf("%w: it is not a line of %s, fork, length, tree hash and checksum", ErrDamaged, grantMagic)
	}
	fork, forkErr := strconv.ParseUint(words[2], 10, 64)
	length, lengthErr := strconv.ParseUint(words[3], 10, 64)
	if _, err := hex.Decode(h.TreeHash[:], []byte(words[4])); err != nil || forkErr != nil || lengthErr != nil {
		return keys.Head{}, fmt.Errorf("%w: %w", ErrDamaged, errors.Join(err, forkErr, lengthErr))
	}
	h.Fork, h.Length = fork, length
	if string(encodeGrant(h)) != string(raw) {
		return keys.Head{}, fmt.Errorf("%w: its checksum does not match", ErrDamaged)
	}
	return h, nil
}
