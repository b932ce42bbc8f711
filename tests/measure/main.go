// Command measure runs a command and notes what it took: scripts/bench.sh is made of it.
//
//	measure [-first | -wire] LOG NAME COMMAND [ARGUMENT…]
//
// Standard input, output and error are the command's. After its end one line is added to LOG:
//
//	NAME SECONDS CPU-SECONDS PEAK-KIB
//
// CPU seconds are those of the command and of all children that it waited for, the peak is that of the largest of them. With
// -first the time is that of the first byte on standard output, which is all that is read: the command, and everything that it
// started, is killed if it does not end by itself within a second of that. With -wire the line is
//
//	NAME BYTES
//
// which is how many went through standard input and output together, for a command that is a peer. The exit code is the
// command's, or 125 if measure itself failed. Interrupt and termination are passed on to it.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

// failed is the exit code that is not the command's.
const failed = 125

// grace is how long a command may run on when nobody reads its output.
const grace = time.Second

func main() {
	code, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "measure:", err)
	}
	os.Exit(code)
}

func run(args []string) (code int, err error) {
	first, wire := len(args) > 0 && args[0] == "-first", len(args) > 0 && args[0] == "-wire"
	if first || wire {
		args = args[1:]
	}
	if len(args) < 3 {
		return 2, errors.New("usage: measure [-first | -wire] LOG NAME COMMAND [ARGUMENT…]")
	}
	cmd := exec.Command(args[2], args[3:]...)
	cmd.Stdin, cmd.Stderr = os.Stdin, os.Stderr
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	began := time.Now()
	var took time.Duration
	through := &counter{}
	if first {
		took, err = firstByte(cmd, signals, began)
	} else if wire {
		cmd.Stdin, cmd.Stdout, cmd.WaitDelay = through.reading(os.Stdin), through.writing(os.Stdout), time.Second
		err = wait(cmd, signals)
	} else {
		cmd.Stdout = os.Stdout
		err = wait(cmd, signals)
		took = time.Since(began)
	}
	if cmd.ProcessState == nil {
		return failed, err
	}
	line := spent(took, cmd.ProcessState)
	if wire {
		line = strconv.FormatInt(through.bytes.Load(), 10)
	}
	if err := note(args[0], args[1], line); err != nil {
		return failed, err
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return failed, err
	}
	if first {
		return 0, nil // it was not let finish
	}
	return cmd.ProcessState.ExitCode(), nil
}

// wait runs a command to its end.
func wait(cmd *exec.Cmd, signals <-chan os.Signal) error {
	if err := cmd.Start(); err != nil {
		return err
	}
	return passOn(signals, cmd, func(p *os.Process, s os.Signal) { _ = p.Signal(s) }) // it may have ended just now
}

// passOn waits for the command, and meanwhile passes on signals.
func passOn(signals <-chan os.Signal, cmd *exec.Cmd, send func(*os.Process, os.Signal)) error {
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case s := <-signals:
			send(cmd.Process, s)
		case err := <-ended:
			return err
		}
	}
}

// firstByte waits for the first byte of the command's output, then hangs up and waits for its end.
func firstByte(cmd *exec.Cmd, signals <-chan os.Signal, began time.Time) (time.Duration, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer read.Close()
	cmd.Stdout = write
	leadGroup(cmd)
	if err := cmd.Start(); err != nil {
		write.Close()
		return 0, err
	}
	write.Close()
	var took time.Duration
	byteErr, ended := make(chan error, 1), make(chan struct{})
	go func() {
		var b [1]byte
		_, err := read.Read(b[:])
		took = time.Since(began)
		read.Close()
		byteErr <- err
		select {
		case <-ended:
		case <-time.After(grace):
			signalGroup(cmd.Process, syscall.SIGKILL)
		}
	}()
	endErr := passOn(signals, cmd, signalGroup)
	close(ended)
	signalGroup(cmd.Process, syscall.SIGKILL) // what it has started and left behind
	if err := <-byteErr; err != nil {
		return took, fmt.Errorf("%s wrote nothing: %w", cmd.Path, err)
	}
	return took, endErr
}

// counter counts the bytes that go through its readers and writers.
type counter struct{ bytes atomic.Int64 }

func (c *counter) reading(r io.Reader) io.Reader { return io.TeeReader(r, c) }

func (c *counter) writing(w io.Writer) io.Writer { return io.MultiWriter(w, c) }

func (c *counter) Write(p []byte) (int, error) {
	c.bytes.Add(int64(len(p)))
	return len(p), nil
}

func spent(took time.Duration, state *os.ProcessState) string {
	cpu := state.UserTime() + state.SystemTime()
	return fmt.Sprintf("%.4f %.4f %d", took.Seconds(), cpu.Seconds(), peak(state))
}

func note(log, name, line string) error {
	f, err := os.OpenFile(log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%s %s\n", name, line)
	return errors.Join(err, f.Close())
}
