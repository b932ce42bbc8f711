package cli

import (
	"errors"
	"io"
	"unicode/utf8"
)

// RefuseTerminal returns a usage error if standard output is a terminal and force is false. It is for tools that write
// bytes which are not text.
func RefuseTerminal(std *IO, force bool) error {
	if !std.OutTerminal || force {
		return nil
	}
	return Usagef("not writing binary data to a terminal: send it to a file or a pipe")
}

// RefuseTyped returns a usage error if standard input is a terminal. It is for tools that read bytes which nobody types; from
// is a pipe that brings them.
func RefuseTyped(std *IO, from string) error {
	if !std.InTerminal {
		return nil
	}
	return Usagef("standard input is a terminal: give it a file, or pipe into it (%s)", from)
}

// DataOut returns the writer for data that is often text: standard output, which lets only text through if it is a terminal,
// unless force is set.
func DataOut(std *IO, force bool) io.Writer {
	if !std.OutTerminal || force {
		return std.Out
	}
	return &textOnly{out: std.Out}
}

// textOnly lets text through to a terminal, and refuses what could play tricks with it.
type textOnly struct {
	out  io.Writer
	rest []byte // the beginning of a character, from the end of the previous write
}

var errNotText = errors.New("not writing anything but text to a terminal")

func (t *textOnly) Write(p []byte) (int, error) {
	text := p
	if len(t.rest) > 0 {
		text = append(t.rest, p...)
	}
	left := text
	for len(left) > 0 {
		r, n := utf8.DecodeRune(left)
		if r == utf8.RuneError && n == 1 && !utf8.FullRune(left) {
			break
		}
		if r == utf8.RuneError && n == 1 || r < ' ' && r != '\n' && r != '\t' && r != '\r' || 0x7f <= r && r < 0xa0 {
			return 0, Hint(Exitf(ErrUsage, "%w", errNotText), "send it to a file or a pipe, or use --force")
		}
		left = left[n:]
	}
	if _, err := t.out.Write(text[:len(text)-len(left)]); err != nil {
		return 0, err
	}
	t.rest = append([]byte(nil), left...)
	return len(p), nil
}
