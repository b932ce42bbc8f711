package hyperdrive

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"hc/lib/hidden"
)

// prefix precedes every name in the bee: the sub-database "files".
const prefix = "files\x00"

// Limits of a name that can become a file's.
const (
	maxPart = 255      // bytes between two slashes: what disks take
	maxName = 1 + 4096 // bytes: a path of hc-stream, and the slash before it
)

// Key returns the bee's key of a name such as "/dir/file".
func Key(name string) []byte { return append([]byte(prefix), name...) }

// NameOf returns the name in a bee's key, which may be a hostile one: see [CheckName]. ErrName if the key is not a
// file's.
func NameOf(key []byte) (string, error) {
	name, ok := bytes.CutPrefix(key, []byte(prefix))
	if !ok {
		return "", fmt.Errorf("%w: key %q is not one of the files", ErrName, abbreviate(string(key)))
	}
	return string(name), nil
}

// CheckName returns an error wrapping [ErrName], which quotes the name, if the name must not be written to a disk. A
// name must be UTF-8 without NUL, not too long, and a "/" followed by parts with "/" in between. No part may be
// empty, ".", "..", or a store's folder. Limits of particular disks (backslashes, letter case) are left to the code
// that writes there.
func CheckName(name string) error {
	if why := misnamed(name); why != "" {
		return fmt.Errorf("%w: %q: %s", ErrName, abbreviate(name), why)
	}
	return nil
}

func misnamed(name string) string {
	switch {
	case !strings.HasPrefix(name, "/"):
		return "it does not begin with a slash"
	case len(name) > maxName:
		return fmt.Sprintf("it has %d bytes, the limit is %d", len(name), maxName)
	case !utf8.ValidString(name):
		return "it is not UTF-8"
	case strings.ContainsRune(name, 0):
		return "it has a NUL byte"
	case hidden.Path(name):
		return "a part of it is a store's folder"
	}
	for part := range strings.SplitSeq(name[1:], "/") {
		switch {
		case part == "":
			return "a part of it is empty"
		case part == "." || part == "..":
			return fmt.Sprintf("a part of it is %q", part)
		case len(part) > maxPart:
			return fmt.Sprintf("a part of it has %d bytes, the limit is %d", len(part), maxPart)
		}
	}
	return ""
}

// CleanName returns the name that a user's input means, by stock's rules: it begins with a slash, has no empty parts
// and no ".", and ".." removes a part. Unlike stock it does not split at backslashes, so names with one can be given.
// The empty path, "." and "/" are "/". ErrName if the path leads out of the drive.
func CleanName(path string) (string, error) {
	var parts []string
	for part := range strings.SplitSeq(path, "/") {
		switch {
		case part == "" || part == ".":
		case part != "..":
			parts = append(parts, part)
		case len(parts) == 0:
			return "", fmt.Errorf("%w: %q leads out of the drive", ErrName, abbreviate(path))
		default:
			parts = parts[:len(parts)-1]
		}
	}
	return "/" + strings.Join(parts, "/"), nil
}

// abbreviate shortens text that a message quotes.
func abbreviate(s string) string {
	const most = 200
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
