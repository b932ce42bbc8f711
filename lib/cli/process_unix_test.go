//go:build unix

package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	urfave "github.com/urfave/cli/v2"
)

// TestMain makes the test binary a tool when a test below starts it.
func TestMain(m *testing.M) {
	if what := os.Getenv("HC_TEST_TOOL"); what != "" {
		Main(func(std *IO) *urfave.App {
			return &urfave.App{Name: "hc-test", Action: func(c *urfave.Context) error { return behave(c.Context, std, what) }}
		})
	}
	os.Exit(m.Run())
}

func behave(ctx context.Context, std *IO, what string) error {
	if _, err := io.WriteString(std.Out, "ready\n"); err != nil {
		return err
	}
	switch what {
	case "wait":
		<-ctx.Done()
		return ctx.Err()
	case "watch":
		std.UntilReaderGone(ctx)
		return nil
	case "read":
		_, err := io.Copy(io.Discard, std.In)
		return err
	case "stay":
		<-ctx.Done()
		_, _ = io.WriteString(std.Out, "told\n")
		select {} // whatever happens
	case "write":
		for {
			if _, err := io.WriteString(std.Out, "more and more\n"); err != nil {
				return err
			}
		}
	}
	return errors.New("what?")
}

func TestProcess(t *testing.T) {
	// What is caught here is not ignored in the tools, be it that these tests run under nohup, or in the background themselves.
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGINT, syscall.SIGHUP)
	defer signal.Stop(caught)
	for _, test := range []struct {
		name, what string
		signals    []syscall.Signal // each is sent behind a line that the tool writes
		code       int              // -1: killed by the last one
		stderr     string
	}{
		{"SIGINT", "wait", []syscall.Signal{syscall.SIGINT}, 130, "hc-test: interrupted\n"},
		{"SIGTERM", "wait", []syscall.Signal{syscall.SIGTERM}, 143, "hc-test: ended by SIGTERM\n"},
		{"SIGHUP", "wait", []syscall.Signal{syscall.SIGHUP}, 129, "hc-test: ended by SIGHUP\n"},
		{"SIGINT while it reads a pipe", "read", []syscall.Signal{syscall.SIGINT}, 130, "hc-test: interrupted\n"},
		{"second SIGINT", "stay", []syscall.Signal{syscall.SIGINT, syscall.SIGINT}, -1, ""},
		{"SIGTERM after SIGINT", "stay", []syscall.Signal{syscall.SIGINT, syscall.SIGTERM}, -1, ""},
		{"SIGINT after SIGTERM in the background of a script", "stay", []syscall.Signal{syscall.SIGTERM, syscall.SIGINT}, 130, ""},
		{"reader goes away", "write", nil, 141, ""},
		{"ends while its reader is watched", "watch", nil, 0, ""}, // with -race, 66 if the two meet
	} {
		t.Run(test.name, func(t *testing.T) {
			cmd, out, stderr := startTool(t, test.what, strings.HasSuffix(test.name, "in the background of a script"))
			lines := bufio.NewReader(out)
			awaitLine(t, lines)
			for i, s := range test.signals {
				if i > 0 {
					awaitLine(t, lines)
				}
				if err := cmd.Process.Signal(s); err != nil {
					t.Fatal(err)
				}
			}
			if len(test.signals) == 0 {
				_ = out.Close()
			}
			_ = cmd.Wait()
			if test.code < 0 {
				status := cmd.ProcessState.Sys().(syscall.WaitStatus)
				if want := test.signals[len(test.signals)-1]; !status.Signaled() || status.Signal() != want {
					t.Errorf("ended with %v, want %v", cmd.ProcessState, want)
				}
			} else if cmd.ProcessState.ExitCode() != test.code {
				t.Errorf("ended with %v, want exit %d", cmd.ProcessState, test.code)
			}
			if stderr.String() != test.stderr {
				t.Errorf("stderr %q, want %q", stderr.String(), test.stderr)
			}
		})
	}
}

func TestClosedInput(t *testing.T) {
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	defer out.Close()
	r := interruptible(t.Context(), in)
	ended := make(chan error)
	go func() {
		_, err := r.Read(make([]byte, 1))
		ended <- err
	}()
	_ = r.Close()
	if err := <-ended; !errors.Is(err, os.ErrClosed) {
		t.Errorf("Read behind Close = %v, want os.ErrClosed", err)
	}
	if _, err := in.Stat(); err != nil {
		t.Errorf("Close closed the file: %v", err)
	}
}

// Whether a read would wait is told for a pipe and for a file, and neither waits longer than it is let.
func TestAwaitsInput(t *testing.T) {
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	defer out.Close()
	r := interruptible(t.Context(), in).(*interruptibleReader)
	for _, most := range []time.Duration{-time.Second, 0, 5 * time.Millisecond} {
		if r.Await(most) {
			t.Errorf("there is something in an empty pipe behind %v", most)
		}
	}
	if _, err := out.WriteString("x"); err != nil {
		t.Fatal(err)
	}
	if !r.Await(time.Hour) {
		t.Error("nothing came")
	}
	if n, err := r.Read(make([]byte, 9)); n != 1 || err != nil {
		t.Errorf("Read = %d, %v", n, err)
	}
	_ = r.Close()
	if !r.Await(time.Hour) {
		t.Error("a read behind Close would wait")
	}
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if !interruptible(t.Context(), file).(*interruptibleReader).Await(time.Hour) {
		t.Error("a read of a file would wait")
	}
}

func TestFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	var stderr bytes.Buffer
	cmd := toolCommand("write")
	cmd.Stdout, cmd.Stderr = full, &stderr
	_ = cmd.Run()
	if want := "hc-test: write /dev/stdout: no space left on device: make room, then run it again\n"; cmd.ProcessState.ExitCode() != 1 || stderr.String() != want {
		t.Errorf("ended with %v, stderr %q, want exit 1, %q", cmd.ProcessState, stderr.String(), want)
	}
}

func toolCommand(what string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "HC_TEST_TOOL="+what)
	return cmd
}

// startTool starts the tool between two pipes, its standard input open and silent, in the background with SIGINT ignored.
func startTool(t *testing.T, what string, background bool) (*exec.Cmd, io.ReadCloser, *bytes.Buffer) {
	t.Helper()
	var stderr bytes.Buffer
	cmd := toolCommand(what)
	if background {
		shell := exec.Command("sh", "-c", `trap '' INT; exec "$0"`, cmd.Path)
		shell.Env, cmd = cmd.Env, shell
	}
	cmd.Stderr = &stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close() })
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd, out, &stderr
}

func awaitLine(t *testing.T, r *bufio.Reader) {
	t.Helper()
	if _, err := r.ReadString('\n'); err != nil {
		t.Fatal("the tool wrote nothing: ", err)
	}
}
