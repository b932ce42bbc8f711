package stream

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxPath is the largest size in bytes of a path, or of a link's target.
const MaxPath = 4096

// A Kind is the kind of a folder frame.
type Kind uint8

// The folder frames.
const (
	KindTree    Kind = iota + 1 // the stream is the whole folder
	KindFile                    // a file; its content follows
	KindKeep                    // a path that is unchanged
	KindLink                    // a symbolic link
	KindDelete                  // a path that is removed
	KindSame                    // a hard link to a file that came before
	KindChanges                 // the stream is the difference from a version: paths that it does not name stay
	KindPurge                   // names that cannot be paths are removed
)

// kindWords are the words that begin the frames.
var kindWords = [...]string{
	KindTree: "tree", KindFile: "file", KindKeep: "keep", KindLink: "link", KindDelete: "delete", KindSame: "same",
	KindChanges: "changes", KindPurge: "purge",
}

// String returns the frame's word.
func (k Kind) String() string {
	if int(k) < len(kindWords) && kindWords[k] != "" {
		return kindWords[k]
	}
	return "kind " + strconv.Itoa(int(k))
}

// kindOf returns the kind of the frame that begins with word, 0 if it is not a folder frame.
func kindOf(word []byte) Kind {
	for k := KindTree; k <= KindPurge; k++ {
		if string(word) == kindWords[k] {
			return k
		}
	}
	return 0
}

// An Item is one folder frame. Path is relative and separated by /, as CheckPath requires.
type Item struct {
	Kind    Kind
	Path    string      // of all kinds but tree, changes and purge
	Mode    fs.FileMode // of a file: permission bits
	ModTime int64       // of a file: nanoseconds since 1970-01-01 00:00 UTC
	Target  string      // of a link: its target; of a same: the earlier path
	Since   *Since      // of changes, and of a tree that builds on an earlier import
}

// Since is the head of the core of names that an import builds on.
type Since struct {
	Fork, Length uint64
	TreeHash     [32]byte
}

// String returns FORK.LENGTH.TREEHASH.
func (s Since) String() string {
	return fmt.Sprintf("%d.%d.%x", s.Fork, s.Length, s.TreeHash)
}

// CheckPath returns an error unless a stream may name path: 1 to MaxPath bytes of UTF-8 without NUL, relative, with
// no part that is empty, ".", ".." or, as HiddenPath reports, a store's folder.
func CheckPath(path string) error {
	switch {
	case path == "":
		return errors.New("an empty path")
	case len(path) > MaxPath:
		return fmt.Errorf("path %s has %d bytes: the limit is %d", show([]byte(path)), len(path), MaxPath)
	case !utf8.ValidString(path):
		return fmt.Errorf("path %s is not UTF-8", show([]byte(path)))
	case strings.IndexByte(path, 0) >= 0:
		return fmt.Errorf("path %s holds a NUL", show([]byte(path)))
	}
	for part := range strings.SplitSeq(path, "/") {
		if part == "" || part == "." || part == ".." {
			return fmt.Errorf("path %s has a part %q", show([]byte(path)), part)
		}
	}
	if HiddenPath(path) {
		return fmt.Errorf("path %s leads into a folder named .hc, which is a store and holds secret keys", show([]byte(path)))
	}
	return nil
}

// CheckTarget returns an error unless a stream may carry target as a link's: 1 to MaxPath bytes of UTF-8 without NUL.
func CheckTarget(target string) error {
	switch {
	case target == "":
		return errors.New("a link without a target")
	case len(target) > MaxPath:
		return fmt.Errorf("target of %d bytes: the limit is %d", len(target), MaxPath)
	case !utf8.ValidString(target):
		return fmt.Errorf("target %s is not UTF-8", show([]byte(target)))
	case strings.IndexByte(target, 0) >= 0:
		return fmt.Errorf("target %s holds a NUL", show([]byte(target)))
	}
	return nil
}

// appendItem appends the frame of an item, without a file's blocks.
func appendItem(b []byte, it Item) []byte {
	b = append(b, it.Kind.String()...)
	switch it.Kind {
	case KindTree, KindChanges, KindPurge:
		if it.Since != nil {
			b = append(append(b, " since "...), it.Since.String()...)
		}
		return append(b, '\n')
	case KindFile:
		b = fmt.Appendf(b, " %04o %d", uint32(it.Mode), it.ModTime)
	case KindLink:
		b = fmt.Appendf(b, " %d", len(it.Target))
	}
	b = append(appendQuoted(append(b, ' '), it.Path), '\n')
	switch it.Kind {
	case KindLink:
		b = append(append(b, it.Target...), '\n')
	case KindSame:
		b = append(appendQuoted(b, it.Target), '\n')
	}
	return b
}

// parseItem reads the header of a folder frame: rest is the text after its word and a space, if more says that there
// was one. For a link it returns the length of the target, which is on the next line.
func parseItem(kind Kind, rest []byte, more bool) (it Item, target int, err error) {
	it.Kind = kind
	switch {
	case kind == KindTree && more, kind == KindChanges:
		it.Since, err = parseSince(rest)
		return it, 0, err
	case kind == KindPurge && more:
		return it, 0, errors.New("nothing may follow purge")
	case kind == KindTree, kind == KindPurge:
		return it, 0, nil
	case !more:
		return it, 0, errors.New("a path is missing")
	}
	switch kind {
	case KindFile:
		var mode, mtime []byte
		mode, rest, _ = cutWord(rest)
		mtime, rest, _ = cutWord(rest)
		if it.Mode, err = parseMode(mode); err != nil {
			return it, 0, err
		}
		if it.ModTime, err = parseTime(mtime); err != nil {
			return it, 0, err
		}
	case KindLink:
		var length []byte
		length, rest, _ = cutWord(rest)
		n, err := parseNumber(length, MaxPath)
		if err != nil {
			return it, 0, fmt.Errorf("length of the target: %w", err)
		}
		target = int(n)
	}
	it.Path, err = unquote(rest)
	return it, target, err
}

// parseSince reads the text after the words tree and changes.
func parseSince(rest []byte) (*Since, error) {
	word, head, _ := cutWord(rest)
	fields := bytes.Split(head, []byte("."))
	if string(word) != "since" || len(fields) != 3 {
		return nil, fmt.Errorf("%s is not since FORK.LENGTH.TREEHASH", show(rest))
	}
	var s Since
	var err error
	if s.Fork, err = parseNumber(fields[0], math.MaxUint64); err != nil {
		return nil, fmt.Errorf("fork: %w", err)
	}
	if s.Length, err = parseNumber(fields[1], math.MaxUint64); err != nil {
		return nil, fmt.Errorf("length: %w", err)
	}
	if len(fields[2]) != hex.EncodedLen(len(s.TreeHash)) || bytes.ContainsAny(fields[2], "ABCDEF") {
		return nil, fmt.Errorf("tree hash %s is not 64 lower case hex digits", show(fields[2]))
	}
	if _, err := hex.Decode(s.TreeHash[:], fields[2]); err != nil {
		return nil, fmt.Errorf("tree hash: %w", err)
	}
	return &s, nil
}

// parseMode reads permission bits: four octal digits.
func parseMode(word []byte) (fs.FileMode, error) {
	n, err := strconv.ParseUint(string(word), 8, 32)
	if err != nil || len(word) != 4 || n > uint64(fs.ModePerm) || word[0] != '0' {
		return 0, fmt.Errorf("mode %s is not four octal digits from 0000 to 0777", show(word))
	}
	return fs.FileMode(n), nil
}

// parseTime reads nanoseconds since 1970.
func parseTime(word []byte) (int64, error) {
	digits, negative := bytes.CutPrefix(word, []byte("-"))
	limit := uint64(math.MaxInt64)
	if negative {
		limit++
	}
	n, err := parseNumber(digits, limit)
	if err != nil {
		return 0, fmt.Errorf("mtime: %w", err)
	}
	if negative && n == 0 {
		return 0, errors.New("mtime: 0 has no sign")
	}
	if negative {
		return -int64(n), nil
	}
	return int64(n), nil
}
