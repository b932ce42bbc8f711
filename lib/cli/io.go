package cli

import (
	"io"
	"log/slog"
	"os"

	"golang.org/x/term"
)

// IO is everything a tool may touch of the process around it. A test fills it with buffers; [Main] fills it with the
// process's own. The zero value of every field but In, Out and Err is useful: not a terminal, an empty environment.
//
// Run fills Name, Quiet, JSON and Log from the command line before the action is called; an action only reads them.
// In, Out and Err are for one goroutine at a time each, but that writes to Err, Log and Warnf may be mixed freely.
type IO struct {
	In  io.Reader // standard input
	Out io.Writer // data, and nothing else
	Err io.Writer // words: errors, warnings, progress, logs

	InTerminal, OutTerminal, ErrTerminal bool

	OutPipe bool // Out goes to another process, which may draw a progress line of its own
	Width   int  // columns of the terminal behind Err; 0: 80

	InFile *os.File // standard input where it is a file or a device; nil in tests. For Stat; read from In.

	Env   func(name string) string // the environment; nil: empty
	Unset func(name string)        // removes a variable, so that children do not inherit it; nil: nothing

	Name  string       // the tool's name, as in its error lines
	Quiet bool         // --quiet
	JSON  bool         // --json
	Log   *slog.Logger // --verbose: text on Err; else discards. Never nil in an action

	signalled func() os.Signal // what ended the context, if a signal did; nil: none
}

// Getenv returns an environment variable, empty if unset.
func (std *IO) Getenv(name string) string {
	if std.Env == nil {
		return ""
	}
	return std.Env(name)
}

// system returns the process's own IO.
func system() *IO {
	std := &IO{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		InTerminal:  term.IsTerminal(int(os.Stdin.Fd())),
		OutTerminal: term.IsTerminal(int(os.Stdout.Fd())),
		ErrTerminal: term.IsTerminal(int(os.Stderr.Fd())),
		InFile:      os.Stdin,
		Env:         os.Getenv,
		Unset:       func(name string) { _ = os.Unsetenv(name) },
	}
	if info, err := os.Stdout.Stat(); err == nil {
		std.OutPipe = info.Mode()&(os.ModeNamedPipe|os.ModeSocket) != 0
	}
	if std.ErrTerminal {
		std.Width, _, _ = term.GetSize(int(os.Stderr.Fd()))
	}
	return std
}
