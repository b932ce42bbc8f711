package cli

import (
	"os"
	"strings"

	"hc/lib/keys"
)

// KeyList returns the keys that the words name: each is a KEY, or a file with a KEY a line, in which # begins a comment.
// Without words there are no keys; words that name none are an error wrapping ErrUsage.
func KeyList(words []string) (list []keys.Key, err error) {
	for _, word := range words {
		more, err := keysOf(word)
		if err != nil {
			return nil, err
		}
		list = append(list, more...)
	}
	return list, nil
}

func keysOf(word string) (list []keys.Key, err error) {
	ref, err := keys.ParseRef(word)
	if err == nil && !ref.Pinned {
		return []keys.Key{ref.Key}, nil
	}
	text, readErr := os.ReadFile(word)
	if readErr != nil {
		return nil, Usagef("%q is neither a KEY nor a file with one on each line: %v", word, readErr)
	}
	for i, line := range strings.Split(string(text), "\n") {
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		ref, err := keys.ParseRef(line)
		if err != nil || ref.Pinned {
			return nil, Usagef("%s:%d: %q is not a KEY", word, i+1, line)
		}
		list = append(list, ref.Key)
	}
	if len(list) == 0 {
		return nil, Usagef("there is no KEY in %s", word)
	}
	return list, nil
}
