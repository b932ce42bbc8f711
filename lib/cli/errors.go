package cli

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"unicode"

	"hc/lib/store"
)

// ErrUsage marks a command line that makes no sense. Make one with [Usagef].
var ErrUsage = errors.New("usage")

// Kinds of errors that an action finds by itself, for [Exitf]; what a package below finds has the package's own error.
var (
	ErrPartial    = errors.New("partial")
	ErrUnverified = errors.New("unverified")
	ErrNotFound   = errors.New("not found")
	ErrConflict   = errors.New("conflict")
	ErrKey        = errors.New("key or permission")
)

// Usagef returns an error that wraps ErrUsage and reads as the format says.
func Usagef(format string, args ...any) error { return Exitf(ErrUsage, format, args...) }

// Exitf returns an error that reads as the format says (with %w wrapping its cause) and is, for errors.Is, also kind:
// so it gets kind's exit code, unless its cause has a row further up in the table.
func Exitf(kind error, format string, args ...any) error {
	return &kindError{kind: kind, err: fmt.Errorf(format, args...)}
}

type kindError struct{ kind, err error }

func (e *kindError) Error() string   { return e.err.Error() }
func (e *kindError) Unwrap() []error { return []error{e.kind, e.err} }

// Hint adds what to do next to an error: a few words without a full stop, printed after the error on the same line
// (`hc-append: core "table" has 12 blocks, expected 10: fetch it and append again`). The text of the error itself does
// not change. An error of another package gives a hint by a method Hint() string. The outermost hint is the one that
// is printed. A nil error stays nil.
func Hint(err error, next string) error {
	if err == nil {
		return nil
	}
	return &hintError{err: err, next: next}
}

type hintError struct {
	err  error
	next string
}

func (e *hintError) Error() string { return e.err.Error() }
func (e *hintError) Unwrap() error { return e.err }
func (e *hintError) Hint() string  { return e.next }

func hintOf(err error) string {
	var h interface {
		error
		Hint() string
	}
	if errors.As(err, &h) {
		return h.Hint()
	}
	if errors.Is(err, store.ErrNoStore) {
		return "name another with -C"
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return "make room, then run it again"
	}
	return ""
}

// oneLine makes text fit on one line and harmless to a terminal: an error may quote what a stranger sent.
func oneLine(s string) string {
	s = strings.TrimSpace(strings.ToValidUTF8(s, "\uFFFD"))
	if strings.IndexFunc(s, isControl) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\n':
			b.WriteString("; ")
		case r == '\t':
			b.WriteByte(' ')
		case isControl(r):
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// isControl reports what may move a cursor or reorder text: control characters and the bidirectional overrides.
func isControl(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }
