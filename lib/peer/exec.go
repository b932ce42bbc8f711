package peer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"
)

// ExecOptions has a useful zero value.
type ExecOptions struct {
	Stderr io.Writer     // where the command's stderr goes; nil: nowhere
	Grace  time.Duration // how long Close waits for the command to end by itself, and again after it was told to; 0: 2 s
}

// A command is a stream to a child process.
type command struct {
	line   string
	cmd    *exec.Cmd
	grace  time.Duration
	stdin  *os.File // ours
	stdout *os.File // ours
	heard  atomic.Bool

	exited chan struct{} // closed once exit is set
	exit   error         // how the command ended

	close func() error
}

// Exec runs a command with the shell (sh -c); its stdin and stdout are the stream. When ctx ends, so does the stream.
//
// If a Read reaches the end and the command has failed, its error has the exit status, and wraps [ErrUnreachable] if the
// command never said anything. Close ends the command's stdin, waits for a moment, then ends the command, and returns the
// same error. It returns nil if we had to end the command, or if the command has only lost its peer (us).
func Exec(ctx context.Context, line string, opt ExecOptions) (Conn, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, fmt.Errorf("running %q: %w", line, err)
	}
	if opt.Grace == 0 {
		opt.Grace = 2 * time.Second
	}
	c := &command{line: line, cmd: shell(line), grace: opt.Grace, exited: make(chan struct{})}
	c.cmd.Stderr = opt.Stderr
	c.cmd.WaitDelay = opt.Grace // processes that the command started may hold stderr open
	if err := c.start(); err != nil {
		return nil, fmt.Errorf("running %q: %w: %w", line, ErrUnreachable, err)
	}
	go c.wait()
	c.close = sync.OnceValue(c.end)
	stop := context.AfterFunc(ctx, func() { c.close() })
	go func() {
		<-c.exited
		stop()
	}()
	return c, nil
}

// start starts the command with pipes of our own: those of os/exec are closed when the command ends, even if there is
// something left to read.
func (c *command) start() error {
	childIn, stdin, err := os.Pipe()
	if err != nil {
		return err
	}
	defer childIn.Close()
	stdout, childOut, err := os.Pipe()
	if err != nil {
		stdin.Close()
		return err
	}
	defer childOut.Close()
	c.stdin, c.stdout, c.cmd.Stdin, c.cmd.Stdout = stdin, stdout, childIn, childOut
	if err := c.cmd.Start(); err != nil {
		stdin.Close()
		stdout.Close()
		return err
	}
	return nil
}

func (c *command) wait() {
	err := c.cmd.Wait()
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil
	}
	c.exit = err
	close(c.exited)
}

func (c *command) Read(p []byte) (int, error) {
	n, err := c.stdout.Read(p)
	if n > 0 {
		c.heard.Store(true)
	}
	if err != io.EOF {
		return n, err
	}
	// A command that has closed its stdout usually ends at once, and its exit tells why.
	select {
	case <-c.exited:
		if err := c.failure(); err != nil {
			return n, err
		}
	case <-time.After(c.grace):
	}
	return n, io.EOF
}

// failure returns how the command failed by itself, if it did. The command has exited.
func (c *command) failure() error {
	switch {
	case c.exit == nil && c.heard.Load():
		return nil
	case c.exit == nil:
		return fmt.Errorf("%q said nothing and ended: %w", c.line, ErrUnreachable)
	case c.heard.Load():
		return fmt.Errorf("%q: %w", c.line, c.exit)
	}
	return fmt.Errorf("%q: %w: %w", c.line, c.exit, ErrUnreachable)
}

func (c *command) Write(p []byte) (int, error) {
	n, err := c.stdin.Write(p)
	return n, gone(err)
}

func (c *command) CloseWrite() error {
	if err := c.stdin.Close(); !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}

func (c *command) Close() error { return c.close() }

// end closes the stream, and makes sure that the command ends.
func (c *command) end() error {
	c.stdin.Close()
	select {
	case <-c.exited: // before we did anything to end it
		c.stdout.Close()
		return c.failure()
	default:
	}
	c.stdout.Close()
	for _, push := range []func() error{func() error { return terminate(c.cmd.Process) }, c.cmd.Process.Kill} {
		timer := time.NewTimer(c.grace)
		select {
		case <-c.exited:
			timer.Stop()
			return nil
		case <-timer.C:
		}
		if err := push(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("ending %q: %w", c.line, err)
		}
	}
	<-c.exited
	return nil
}
