package stream

import (
	"fmt"
	"strings"
)

// letters are the escapes that are a letter, escapable the bytes that they stand for, as in git.
const (
	letters   = `abtnvfr"\`
	escapable = "\a\b\t\n\v\f\r\"\\"
)

// QuotePath returns path as a stream spells it, which is git's default spelling: unchanged if it is all printable
// ASCII without " and \, else between double quotes, with each other byte as an escape.
func QuotePath(path string) string { return string(appendQuoted(nil, path)) }

// plain reports whether c stands for itself.
func plain(c byte) bool { return c >= ' ' && c <= '~' && c != '"' && c != '\\' }

// appendQuoted appends QuotePath's spelling.
func appendQuoted(b []byte, path string) []byte {
	quoted := false
	for i := range len(path) {
		quoted = quoted || !plain(path[i])
	}
	if !quoted {
		return append(b, path...)
	}
	b = append(b, '"')
	for i := range len(path) {
		c := path[i]
		switch at := strings.IndexByte(escapable, c); {
		case plain(c):
			b = append(b, c)
		case at >= 0:
			b = append(b, '\\', letters[at])
		default:
			b = append(b, '\\', '0'+c>>6, '0'+c>>3&7, '0'+c&7)
		}
	}
	return append(b, '"')
}

// unquote reads QuotePath's spelling, and accepts no other.
func unquote(spelt []byte) (string, error) {
	path := string(spelt)
	if len(spelt) > 0 && spelt[0] == '"' {
		path = string(unescape(spelt[1:]))
	}
	if path == "" {
		return "", fmt.Errorf("%s is not a path", show(spelt))
	}
	if right := QuotePath(path); right != string(spelt) {
		return "", fmt.Errorf("path %s is not spelt as git spells it", show(spelt))
	}
	return path, nil
}

// unescape returns the bytes of a quoted path up to its closing quote. It accepts other spellings, too: a caller that
// compares the result's spelling with the input finds them.
func unescape(in []byte) []byte {
	out := make([]byte, 0, len(in))
	for i := 0; i < len(in) && in[i] != '"'; i++ {
		if in[i] != '\\' || i+1 == len(in) {
			out = append(out, in[i])
			continue
		}
		i++
		if at := strings.IndexByte(letters, in[i]); at >= 0 {
			out = append(out, escapable[at])
			continue
		}
		if i+2 >= len(in) {
			break
		}
		out = append(out, (in[i]-'0')<<6|(in[i+1]-'0')<<3|(in[i+2]-'0'))
		i += 2
	}
	return out
}
