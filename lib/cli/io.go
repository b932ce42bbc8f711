package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync/atomic"
	"syscall"

	"golang.org/x/term"
)

// IO is everything a tool may touch of the process around it. A test fills it with buffers; [Main] fills it with the
// process's own. The zero value of every field but In, Out and Err is useful: not a terminal, an empty environment.
//
// Run fills Name, Quiet, JSON and Log from the command line before the action is called; an action only reads them.
// Err, Log, Warnf and Notef may be used by many goroutines at once; In and Out by one each.
type IO struct {
	In  io.Reader // standard input; a read ends with an error when the context does
	Out io.Writer // data, and nothing else
	Err io.Writer // words: errors, warnings, progress, logs

	InTerminal, OutTerminal, ErrTerminal bool

	OutPipe bool // Out goes to another process, which may draw a progress line of its own
	Width   int  // columns of the terminal that Err writes to; 0: 80

	InFile  *os.File // what In reads from; nil in tests. Its bytes are read through In: this is to ask about it, or to send them on by offset
	outFile *os.File // what Out writes to; nil in tests
	outPipe bool     // which is a pipe

	exits  []Exits
	called string // by which words, where that is not the app's name: hc gc

	Env   func(name string) string // the environment; nil: empty
	Unset func(name string)        // removes a variable, so that children do not inherit it; nil: nothing

	terminal   func() (*os.File, error) // opens the one that a person sits at; nil: there is none
	secretText string                   // what $HC_SECRET_KEY had

	Name  string       // the tool's name, as in its error lines: hc-append, or hc gc
	Quiet bool         // --quiet
	JSON  bool         // --json
	Log   *slog.Logger // --verbose: text on Err; else discards. Never nil in an action
}

// Getenv returns an environment variable, empty if unset.
func (std *IO) Getenv(name string) string {
	if std.Env == nil {
		return ""
	}
	return std.Env(name)
}

// InSize returns how many bytes standard input has left, and false if that is not known because it is not a file.
func (std *IO) InSize() (int64, bool) {
	at, size, ok := Rest(std.InFile)
	return size - at, ok
}

// Rest returns where the next read of a regular file begins, and the file's size: the bytes between them are left. It returns zeros and
// false if f is not a regular file, or nil.
func Rest(f *os.File) (at, size int64, ok bool) {
	if f == nil {
		return 0, 0, false
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return 0, 0, false
	}
	at, err = f.Seek(0, io.SeekCurrent)
	if err != nil || at > info.Size() {
		return 0, 0, false
	}
	return at, info.Size(), true
}

// UntilReaderGone returns a context that also ends when standard output is a pipe whose reader went away. It is for tools
// that may wait for long before they have something to write, and would find out only then; not for tools whose work
// counts without its output. Run treats it as what it is, the end of a filter.
func (std *IO) UntilReaderGone(ctx context.Context) context.Context {
	if !std.OutPipe || std.outFile == nil {
		return ctx
	}
	ctx, cancel := context.WithCancelCause(ctx)
	descriptor := std.outFile.Fd()
	go func() { // waits in the kernel, and ends with the process
		if !readerGone(descriptor) {
			return
		}
		if out, ok := std.Out.(*output); ok {
			out.broken.Store(true)
		}
		cancel(errOutputGone)
		if in, ok := std.In.(io.Closer); ok {
			_ = in.Close() // ends a read that waits
		}
	}()
	return ctx
}

// system returns the process's own IO.
func system() *IO {
	std := &IO{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		InTerminal:  term.IsTerminal(int(os.Stdin.Fd())),
		OutTerminal: term.IsTerminal(int(os.Stdout.Fd())),
		ErrTerminal: term.IsTerminal(int(os.Stderr.Fd())),
		InFile:      os.Stdin,
		outFile:     os.Stdout,
		Env:         os.Getenv,
		Unset:       func(name string) { _ = os.Unsetenv(name) },
		terminal:    func() (*os.File, error) { return os.OpenFile("/dev/tty", os.O_RDWR, 0) },
	}
	if info, err := os.Stdout.Stat(); err == nil {
		std.OutPipe = info.Mode()&(os.ModeNamedPipe|os.ModeSocket) != 0
		if std.outPipe = info.Mode()&os.ModeNamedPipe != 0; std.outPipe {
			widen(os.Stdout)
		}
	}
	if std.ErrTerminal {
		std.Width, _, _ = term.GetSize(int(os.Stderr.Fd()))
	}
	return std
}

// errOutputGone is returned by a write to standard output whose reader went away.
var errOutputGone = errors.New("standard output was closed by its reader")

// output is standard output. It distinguishes its own broken pipe from any other, say a socket's.
type output struct {
	w      io.Writer
	file   *os.File // w, if it is one; nil in tests
	pipe   bool     // file is a pipe that may take bytes from other files
	broken atomic.Bool
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.w.Write(p)
	return n, o.noted(err)
}

// WritePieces writes pieces one after the other, without copying them.
func (o *output) WritePieces(pieces [][]byte) error {
	if o.file != nil {
		return o.noted(writePieces(o.file, pieces))
	}
	for _, piece := range pieces {
		if _, err := o.Write(piece); err != nil {
			return err
		}
	}
	return nil
}

// WriteFrom writes b, which was read from a file at that offset: a pipe may take it directly from the file.
func (o *output) WriteFrom(file io.ReaderAt, offset int64, b []byte) error {
	if from, ok := file.(syscall.Conn); ok && o.pipe {
		taken := splice(o.file, from, offset, len(b))
		o.pipe = taken > 0 // else the file system cannot do that: do not ask again
		b = b[taken:]
	}
	if len(b) == 0 {
		return nil
	}
	return o.WritePieces([][]byte{b})
}

// noted returns the error of a write, and notes whether the reader went away.
func (o *output) noted(err error) error {
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe) {
		o.broken.Store(true)
		err = fmt.Errorf("%w: %w", errOutputGone, err)
	}
	return err
}

func isBadDescriptor(err error) bool { return errors.Is(err, syscall.EBADF) }
