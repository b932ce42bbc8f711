package keys

import (
	"fmt"
	"strconv"
	"strings"

	"hc/lib/compact"
	"hc/lib/hash"
)

// Ref names a core, and may pin a version of it.
type Ref struct {
	Key      Key
	Pinned   bool   // Fork and Length are set
	Fork     uint64 // at most 2^53-1
	Length   uint64 // blocks, at most 2^53-1
	TreeHash *hash.Digest
}

// ParseRef reads KEY, FORK.LENGTH.KEY (as stock's links pin a version) or FORK.LENGTH.KEY.TREEHASH, optionally
// preceded by hc:// or pear://. The tree hash has the forms of a key, numbers are decimal without leading zeros. The
// error wraps [ErrKey].
func ParseRef(s string) (Ref, error) {
	bare, err := trimLink(s)
	if err != nil {
		return Ref{}, err
	}
	fields := strings.SplitN(bare, ".", 5)
	if len(fields) == 1 {
		k, err := ParseKey(s)
		return Ref{Key: k}, err
	}
	fail := func(err error) (Ref, error) {
		return Ref{}, fmt.Errorf("%w: %q: %w", ErrKey, abbreviate(s), err)
	}
	if len(fields) != 3 && len(fields) != 4 {
		return fail(fmt.Errorf("expected KEY or FORK.LENGTH.KEY or FORK.LENGTH.KEY.TREEHASH"))
	}
	r := Ref{Pinned: true}
	if r.Fork, err = parseNumber(fields[0]); err != nil {
		return fail(fmt.Errorf("fork: %w", err))
	}
	if r.Length, err = parseNumber(fields[1]); err != nil {
		return fail(fmt.Errorf("length: %w", err))
	}
	k, err := parse32(fields[2])
	if err != nil {
		return fail(err)
	}
	r.Key = Key(k)
	if len(fields) == 4 {
		h, err := parse32(fields[3])
		if err != nil {
			return fail(fmt.Errorf("tree hash: %w", err))
		}
		d := hash.Digest(h)
		r.TreeHash = &d
	}
	return r, nil
}

// parseNumber reads a decimal number in its only spelling.
func parseNumber(s string) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n > compact.MaxUint || strconv.FormatUint(n, 10) != s {
		return 0, fmt.Errorf("%q is not a number from 0 to %d", abbreviate(s), uint64(compact.MaxUint))
	}
	return n, nil
}

// String returns the ref in the form that [ParseRef] reads, with hashes in hex.
func (r Ref) String() string {
	if !r.Pinned {
		return r.Key.String()
	}
	s := fmt.Sprintf("%d.%d.%s", r.Fork, r.Length, r.Key)
	if r.TreeHash != nil {
		s += "." + r.TreeHash.String()
	}
	return s
}
