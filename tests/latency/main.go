// Command latency measures how long lines are on their way from one program to another: scripts/bench.sh uses it.
//
//	latency COUNT WRITER READER
//
// WRITER and READER are lines for bash. The reader has to write a line when it is ready. From then on one line at a time goes
// to the writer's standard input, and has to come out of the reader's standard output before the next one is written, a
// moment of random length later, so that nothing falls into step with it. In the end the writer's input is closed, and the
// reader, which may run forever, is stopped. The line that latency writes has milliseconds:
//
//	{"count":200,"median":1.234,"worst":5.678}
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"syscall"
	"time"
)

const (
	patience = 30 * time.Second      // for one line
	pause    = 50 * time.Millisecond // at most, before the next one
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "latency:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) != 3 {
		return errors.New("usage: latency COUNT WRITER READER")
	}
	count, err := strconv.Atoi(args[0])
	if err != nil || count < 1 {
		return fmt.Errorf("count %q: want 1 or more", args[0])
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	reader := line(ctx, args[2])
	printed, err := reader.StdoutPipe()
	if err != nil {
		return err
	}
	if err := reader.Start(); err != nil {
		return err
	}
	defer func() {
		cancel()
		_ = reader.Wait() // it was stopped
	}()
	arrived := scan(ctx, printed)
	if _, err := next(ctx, arrived); err != nil {
		return fmt.Errorf("the reader did not begin: %w", err)
	}

	writer := line(ctx, args[1])
	to, err := writer.StdinPipe()
	if err != nil {
		return err
	}
	if err := writer.Start(); err != nil {
		return err
	}
	took, err := measure(ctx, count, to, arrived)
	err = errors.Join(err, to.Close())
	if err != nil {
		cancel()
	}
	if err := errors.Join(err, writer.Wait()); err != nil {
		return err
	}
	slices.Sort(took)
	_, err = fmt.Fprintf(out, "{\"count\":%d,\"median\":%.3f,\"worst\":%.3f}\n", count, milliseconds(took[count/2]), milliseconds(took[count-1]))
	return err
}

// line is a command that is stopped, with what it has started, when the context ends.
func line(ctx context.Context, words string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "bash", "-o", "pipefail", "-c", words)
	cmd.Stderr = os.Stderr
	cmd.WaitDelay = time.Second
	leadGroup(cmd)
	return cmd
}

// came is a line that the reader wrote.
type came struct {
	text string
	at   time.Time
}

// scan reports the lines that the reader writes, and when.
func scan(ctx context.Context, r io.Reader) <-chan came {
	arrived := make(chan came)
	go func() {
		defer close(arrived)
		lines := bufio.NewScanner(r)
		for lines.Scan() {
			select {
			case arrived <- came{lines.Text(), time.Now()}:
			case <-ctx.Done():
				return
			}
		}
	}()
	return arrived
}

func next(ctx context.Context, arrived <-chan came) (came, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case c, ok := <-arrived:
		if !ok {
			return c, errors.New("the reader has ended")
		}
		return c, nil
	case <-ctx.Done():
		return came{}, fmt.Errorf("no line came: %w", ctx.Err())
	}
}

func measure(ctx context.Context, count int, to io.Writer, arrived <-chan came) ([]time.Duration, error) {
	took := make([]time.Duration, 0, count)
	for i := range count {
		select {
		case <-time.After(rand.N(pause)):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		text := fmt.Sprintf("line %d of %d", i+1, count)
		began := time.Now()
		if _, err := fmt.Fprintln(to, text); err != nil {
			return nil, fmt.Errorf("write to the writer: %w", err)
		}
		c, err := next(ctx, arrived)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", text, err)
		}
		if c.text != text {
			return nil, fmt.Errorf("%q came for %q", c.text, text)
		}
		took = append(took, c.at.Sub(began))
	}
	return took, nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
