package proof

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// quotePath writes a path like git does: unchanged if it is printable ASCII without quotes and backslashes, else
// between quotes with C's escapes. A path that contains ` at ` is quoted, too, since a length follows a path in that
// form.
func quotePath(path string) string {
	plain := path != "" && !strings.Contains(path, " at ")
	for i := 0; plain && i < len(path); i++ {
		plain = 0x20 <= path[i] && path[i] < 0x7f && path[i] != '"' && path[i] != '\\'
	}
	if plain {
		return path
	}
	var b strings.Builder
	b.WriteByte('"')
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c == '\a' || c == '\b' || c == '\t' || c == '\n' || c == '\v' || c == '\f' || c == '\r':
			b.WriteByte('\\')
			b.WriteByte("abtnvfr"[c-'\a'])
		case c < 0x20 || c >= 0x7f:
			fmt.Fprintf(&b, `\%03o`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// unquotePath undoes quotePath; the spelling of the path is checked by writing it again.
func unquotePath(s string) (string, error) {
	if !strings.HasPrefix(s, `"`) {
		return s, nil
	}
	if len(s) < 2 || !strings.HasSuffix(s, `"`) {
		return "", fmt.Errorf("path %s: no closing quote", shorten(s))
	}
	var b []byte
	for in := s[1 : len(s)-1]; in != ""; {
		if in[0] != '\\' {
			b, in = append(b, in[0]), in[1:]
			continue
		}
		c, left, err := unescape(in[1:])
		if err != nil {
			return "", fmt.Errorf("path %s: %w", shorten(s), err)
		}
		b, in = append(b, c), left
	}
	return string(b), nil
}

func unescape(s string) (c byte, left string, err error) {
	if s == "" {
		return 0, "", fmt.Errorf("ends inside an escape")
	}
	if i := strings.IndexByte("abtnvfr", s[0]); i >= 0 {
		return '\a' + byte(i), s[1:], nil
	}
	if s[0] == '"' || s[0] == '\\' {
		return s[0], s[1:], nil
	}
	if len(s) >= 3 {
		if n, err := strconv.ParseUint(s[:3], 8, 8); err == nil {
			return byte(n), s[3:], nil
		}
	}
	return 0, "", fmt.Errorf("unknown escape")
}

// checkPath refuses a path that cannot be one in a drive, whose names begin with a slash.
func checkPath(path string, folder bool) error {
	if folder && path == "/" {
		return nil
	}
	if !utf8.ValidString(path) || strings.ContainsRune(path, 0) {
		return fmt.Errorf("path %q is not a name", path)
	}
	parts := strings.Split(path, "/")
	if parts[0] != "" || len(parts) == 1 {
		return fmt.Errorf("path %q does not begin with /", path)
	}
	for _, part := range parts[1:] {
		if part == "" || part == "." || part == ".." {
			return fmt.Errorf("path %q has a part that is %q", path, part)
		}
	}
	return nil
}
