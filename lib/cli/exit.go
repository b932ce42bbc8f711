package cli

import (
	"errors"
	"fmt"
	"io/fs"
)

// The exit codes of all tools.
const (
	ExitDone         = 0
	ExitFailed       = 1
	ExitUsage        = 2
	ExitPartial      = 3
	ExitUnverified   = 4
	ExitNotFound     = 5
	ExitNetwork      = 6
	ExitConflict     = 7
	ExitKey          = 8
	exitSignal       = 128 // and the signal's number
	exitBrokenOutput = exitSignal + 13
)

// ErrUsage marks a command line that makes no sense. Make one with [Usagef].
var ErrUsage = errors.New("usage")

// The rest of the table's errors that no package below has a word for: an action wraps them with [Exitf].
var (
	ErrPartial  = errors.New("partial")
	ErrNotFound = errors.New("not found")
	ErrConflict = errors.New("conflict")
	ErrKey      = errors.New("key or permission")
)

// exits maps errors to exit codes; the first row that matches decides. What is both a failed verification and lost
// network is a failed verification, as only that accuses somebody. Network stands before partial: a download that lost
// its peers is partial, too, and the peers are the cause.
var exits = []struct {
	is   error
	code int
}{
	{ErrUsage, ExitUsage},
	{ErrConflict, ExitConflict},
	{ErrKey, ExitKey},
	{fs.ErrPermission, ExitKey},
	{ErrNotFound, ExitNotFound},
	{ErrPartial, ExitPartial},
}

// ExitCode returns the exit code for an action's error.
func ExitCode(err error) int {
	if err == nil {
		return ExitDone
	}
	for _, row := range exits {
		if errors.Is(err, row.is) {
			return row.code
		}
	}
	return ExitFailed
}

// Usagef returns an error that wraps ErrUsage and reads as the format says.
func Usagef(format string, args ...any) error { return Exitf(ErrUsage, format, args...) }

// Exitf returns an error that reads as the format says (with %w wrapping its cause) and is, for errors.Is, also kind:
// so it gets kind's exit code unless its cause has a row further up.
func Exitf(kind error, format string, args ...any) error {
	return &kindError{kind: kind, err: fmt.Errorf(format, args...)}
}

type kindError struct{ kind, err error }

func (e *kindError) Error() string   { return e.err.Error() }
func (e *kindError) Unwrap() []error { return []error{e.kind, e.err} }

// Hint adds what to do next to an error: a few words without a full stop, printed behind the error on the same line
// (`hc-append: core "table" has 12 blocks, expected 10: fetch it and append again`). The text of the error itself does
// not change. An error of another package gives a hint by a method Hint() string. A nil error stays nil.
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
