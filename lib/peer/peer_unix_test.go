//go:build unix

package peer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// blockingPipe is a pipe whose ends the runtime does not poll, as stdin and stdout usually are.
func blockingPipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	var fds [2]int
	if err := syscall.Pipe(fds[:]); err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fds[0]), "read"), os.NewFile(uintptr(fds[1]), "write")
}

func TestStdioOfBlockingFiles(t *testing.T) {
	inR, inW := blockingPipe(t)
	outR, outW := blockingPipe(t)
	defer inW.Close()
	defer outR.Close()
	closeUnblocks(t, Stdio(inR, outW))
}

func run(t *testing.T, line string, opt ExecOptions) Conn {
	t.Helper()
	c, err := Exec(t.Context(), line, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestExec(t *testing.T) {
	var stderr bytes.Buffer
	c := run(t, "echo note >&2; cat", ExecOptions{Stderr: &stderr})
	if _, err := c.Write([]byte("there and back")); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.CloseWrite(), c.CloseWrite()); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(c)
	if err != nil || string(got) != "there and back" {
		t.Errorf("read %q, %v", got, err)
	}
	if err := errors.Join(c.Close(), c.Close()); err != nil {
		t.Errorf("Close: %v", err)
	}
	if stderr.String() != "note\n" {
		t.Errorf("stderr %q", stderr.String())
	}
	if _, err := c.Write([]byte("x")); err == nil {
		t.Error("a write after Close")
	}
}

func TestExecFailures(t *testing.T) {
	tests := []struct {
		line        string
		unreachable bool
		want        string
	}{
		{"exit 3", true, `"exit 3": exit status 3: no peer there`},
		{"true", true, `"true" said nothing and ended: no peer there`},
		{"echo something; exit 4", false, `"echo something; exit 4": exit status 4`},
		{"kill -9 $$", true, `"kill -9 $$": signal: killed: no peer there`},
		{"echo all", false, ""},
	}
	for _, test := range tests {
		t.Run(test.line, func(t *testing.T) {
			c := run(t, test.line, ExecOptions{Grace: time.Minute})
			_, err := io.ReadAll(c)
			for what, err := range map[string]error{"ReadAll": err, "Close": c.Close()} {
				text := ""
				if err != nil {
					text = err.Error()
				}
				if text != test.want || errors.Is(err, ErrUnreachable) != test.unreachable {
					t.Errorf("%s: %q, want %q", what, text, test.want)
				}
			}
		})
	}
	c := run(t, "exit 3", ExecOptions{})
	var status *exec.ExitError
	if _, err := io.ReadAll(c); !errors.As(err, &status) || status.ExitCode() != 3 {
		t.Errorf("error %v holds no exit status", err)
	}
}

func TestExecCloseEndsTheCommand(t *testing.T) {
	for name, line := range map[string]string{
		"ends with its stdin":  "echo ready; cat >/dev/null",
		"ends when told":       "echo ready; exec sleep 1000",
		"must be killed":       "trap '' TERM; echo ready; while :; do sleep 0.01; done",
		"has children":         "echo ready; sleep 1 & exec sleep 1000",
		"does not stop to say": "echo ready; exec yes",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := run(t, line, ExecOptions{Grace: 50 * time.Millisecond, Stderr: &bytes.Buffer{}})
			if _, err := io.ReadFull(c, make([]byte, 6)); err != nil {
				t.Fatal(err)
			}
			if err := c.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
			if p := c.(*command).cmd.ProcessState; p == nil {
				t.Error("the command was not waited for")
			}
		})
	}
}

func TestExecEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c, err := Exec(ctx, "exec sleep 1000", ExecOptions{Grace: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("read from a command that does nothing")
	}
	c.Close()
	<-c.(*command).exited
	if _, err := Exec(ctx, "true", ExecOptions{}); !errors.Is(err, context.Canceled) ||
		!strings.HasPrefix(err.Error(), `running "true": `) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
}
