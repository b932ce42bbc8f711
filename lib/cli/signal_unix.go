//go:build unix

package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// grace is how long a tool may take to end after a signal. It may be blocked in a write that nobody reads.
const grace = 10 * time.Second

// untilSignal returns a context that ends with the first SIGINT, SIGTERM or SIGHUP; its cause is a *signalError. The
// next one ends the process.
//
// SIGINT is handled even if it was ignored at the start, as for a job that a script starts with &: so a script can stop its
// hc-serve with any of them, once or twice. SIGHUP is not, for nohup.
//
// SIGPIPE is caught and dropped, so that a write to a closed standard output fails instead of killing: there may be a
// store to close and a child to wait for. Run then exits with the same code, and as silently.
func untilSignal(parent context.Context) context.Context {
	ctx, cancel := context.WithCancelCause(parent)
	end := []os.Signal{syscall.SIGINT, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		end = append(end, syscall.SIGHUP)
	}
	wasIgnored := signal.Ignored(syscall.SIGINT)
	came := make(chan os.Signal, 1)
	signal.Notify(came, end...)
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	next := func() *signalError { return &signalError{signal: (<-came).(syscall.Signal)} }
	go func() {
		s := next()
		if !wasIgnored { // else it would be again
			signal.Reset(end...)
		}
		cancel(s)
		time.AfterFunc(grace, func() { os.Exit(exitSignal + s.number()) })
		os.Exit(exitSignal + next().number())
	}()
	return ctx
}

// signalError is the cause of a context that a signal ended.
type signalError struct{ signal syscall.Signal }

func (e *signalError) number() int { return int(e.signal) }

func (e *signalError) Error() string {
	if e.signal == syscall.SIGINT {
		return "interrupted"
	}
	return "ended by " + unix.SignalName(e.signal)
}

// Is makes a signal a cancellation.
func (e *signalError) Is(target error) bool { return target == context.Canceled }

// interruptible returns a reader of f whose Read returns the context's cause when that ends, even while it waits for a pipe
// or a terminal. Close ends it in the same way, and leaves f open. One goroutine may read.
func interruptible(ctx context.Context, f *os.File) io.ReadCloser {
	r := &interruptibleReader{f: f}
	// Any event on f lets the read decide: also POLLNVAL, which is what macOS says of some terminals.
	r.watch(f)
	r.ctx, r.cancel = context.WithCancelCause(ctx)
	info, err := f.Stat()
	if err != nil || info.Mode().IsRegular() {
		return r
	}
	woken, wake, err := os.Pipe()
	if err != nil {
		return r // a read ends when something comes
	}
	context.AfterFunc(r.ctx, func() { _ = wake.Close() })
	r.woken = woken
	r.watch(woken)
	return r
}

// watch makes poll look at a file. It asks for the descriptor once: the runtime looks at its flags each time.
func (r *interruptibleReader) watch(f *os.File) {
	r.watched = append(r.watched, unix.PollFd{Fd: int32(f.Fd()), Events: unix.POLLIN})
}

type interruptibleReader struct {
	f       *os.File
	ctx     context.Context
	cancel  context.CancelCauseFunc
	woken   *os.File      // readable (at its end) once ctx is done; nil: a read of f never waits long
	watched []unix.PollFd // f, and woken if there is one
}

func (r *interruptibleReader) Close() error {
	r.cancel(os.ErrClosed)
	return nil
}

func (r *interruptibleReader) Read(p []byte) (int, error) {
	if err := r.wait(); err != nil {
		return 0, err
	}
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.f.Read(p)
}

// wait returns when a read of f would not block, or ctx is done.
func (r *interruptibleReader) wait() error {
	if r.woken == nil {
		return nil
	}
	for {
		if _, err := r.poll(-1); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// Await implements proof.Awaiter.
func (r *interruptibleReader) Await(most time.Duration) bool {
	for until := time.Now().Add(most); ; {
		ready, err := r.poll(int(max(time.Until(until), 0).Milliseconds()))
		if !errors.Is(err, unix.EINTR) {
			return ready
		}
	}
}

// poll waits for up to that many milliseconds, below 0 for ever, until a read of f would not block, or ctx is done.
func (r *interruptibleReader) poll(most int) (ready bool, err error) {
	n, err := unix.Poll(r.watched, most)
	return n > 0, err
}
