package hypercore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"hc/lib/keys"
	"hc/lib/store"
)

// Find returns the core that word names: a key in any of its spellings, else a local name in the store, which is nil
// if there is none. The error wraps both keys.ErrKey and store.ErrName if word can be neither, and if it is a key with
// a slip in it; it wraps store.ErrNotFound if word is a name that nobody has given.
func Find(ctx context.Context, from *store.Store, word string) (keys.Ref, error) {
	ref, notKey := keys.ParseRef(word)
	if notKey == nil {
		return ref, nil
	}
	if err := store.CheckName(word); err != nil {
		return keys.Ref{}, wordError{fmt.Sprintf("%q is neither a key (64 hex or 52 z-base-32 characters) nor a name (letters, digits, . _ -)", shortened(word))}
	}
	if from != nil {
		key, err := from.Resolve(word)
		if !errors.Is(err, store.ErrNotFound) {
			return keys.Ref{Key: key}, err
		}
	}
	switch {
	case hasSlip(word):
		return keys.Ref{}, wordError{notKey.Error()}
	case from == nil:
		return keys.Ref{}, hinted{worded{store.ErrNotFound, fmt.Sprintf("%q is not a key, and there is no store here to look up a name in", word)}, "-C DIR names one"}
	}
	return keys.Ref{}, hinted{worded{store.ErrNotFound, fmt.Sprintf("no log here is called %q", word)}, "hc logs lists them"}
}

// wordError is about a word that can name no core. It is keys.ErrKey and store.ErrName.
type wordError struct{ words string }

func (e wordError) Error() string        { return e.words }
func (e wordError) Is(target error) bool { return target == keys.ErrKey || target == store.ErrName }

// hinted is an error that says what to do next.
type hinted struct {
	worded
	next string
}

func (e hinted) Hint() string { return e.next }

// shortened returns a word as long as a message should quote it.
func shortened(word string) string {
	const most = 100
	if len(word) <= most {
		return word
	}
	return word[:most] + "…"
}

// hasSlip reports whether a word that could be a name looks like a key, alone or behind a version, that lacks
// characters, or has too many or wrong ones.
func hasSlip(word string) bool {
	fields := strings.Split(word, ".")
	key := fields[0]
	switch {
	case len(fields) == 3 || len(fields) == 4:
		key = fields[2]
	case len(fields) != 1:
		return false
	}
	long := len(key) >= 62 && len(key) <= 66 || len(key) >= 51 && len(key) <= 53
	return long && strings.Trim(key, "0123456789abcdefghijklmnopqrstuvwxyzABCDEF") == ""
}
