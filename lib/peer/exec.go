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
	Grace  time.Duration // how long Close waits for the command to end by itself, and then again once it is told to; 0: 2 s
}

// A command is a stream to a child process.
type command struct {
	line   string
	cmd    *exec.Cmd
	grace  time.Duration
	stdin  *os.File // ours
	stdout *os.File // ours
	heard  atomic.Bool

	exited chan struct{} // closed when exit is set
	exit   error         // how the command ended

	close func() error
}

// Exec runs a command by the shell (sh -c); its stdin and stdout are the stream. When ctx ends, so does the stream.
//
// Where a Read meets the end and the command has failed, its error has the exit status, and wraps [ErrUnreachable] if
// the command had never said anything. Close ends the command's stdin, waits for a moment, then ends the command, and
// returns the same error; that of a command that we had to end, or that has only lost its peer (us), is nil.
func Exec(ctx context.Context, line string, opt ExecOptions) (Conn, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, fmt.Errorf("running %q: %w", line, err)
	}
	if opt.Grace == 0 {
		opt.Grace = 2 * time.Second
	}
	c := &command{line: line, cmd: shell(line), grace: opt.Grace, exited: make(chan struct{})}
	c.cmd.Stderr = opt.Stderr
	c.cmd.WaitDelay = opt.Grace // what the command has started itself may hold stderr open
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
// something left to read in them.
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
	// A command that has closed its stdout usually ends at once, and how it does is why.
	select {
	case <-c.exited:
		if err := c.failure(); err != nil {
			return n, err
		}
	case <-time.After(c.grace):
	}
	return n, io.EOF
}

// failure says how the command failed by itself, if it has. It has exited.
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

// end closes the stream, and sees to it that the command ends.
func (c *command) end() error {
	c.stdin.Close()
	select {
	case <-c.exited: // before we did anything to it
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
