//go:build unix

package tests

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// jobs are the pipelines that a script has started and not yet finished, by name.
type jobs map[string]*job

// job is a pipeline in a process group of its own, so that a signal reaches every part of it.
type job struct {
	cmd   *exec.Cmd
	files []*os.File
	done  chan struct{} // closed when it has ended
}

type jobsKey struct{}

func jobsOf(ts *testscript.TestScript) jobs { return ts.Value(jobsKey{}).(jobs) }

func cmdStart(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: start NAME 'a | b'")
	}
	name := args[0]
	if jobsOf(ts)[name] != nil {
		ts.Fatalf("%s runs already", name)
	}
	j := &job{cmd: exec.Command("bash", "-o", "pipefail", "-c", args[1]), done: make(chan struct{})}
	j.cmd.Dir = ts.MkAbs(".")
	j.cmd.Env = environment(ts)
	j.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	for _, to := range []struct {
		end string
		set func(*os.File)
	}{{".out", func(f *os.File) { j.cmd.Stdout = f }}, {".err", func(f *os.File) { j.cmd.Stderr = f }}} {
		f, err := os.Create(ts.MkAbs(name + to.end))
		ts.Check(err)
		to.set(f)
		j.files = append(j.files, f)
	}
	ts.Check(j.cmd.Start())
	jobsOf(ts)[name] = j
	go func() {
		_ = j.cmd.Wait() // finish looks at the state
		for _, f := range j.files {
			_ = f.Close()
		}
		close(j.done)
	}()
	ts.Defer(func() {
		_ = syscall.Kill(-j.cmd.Process.Pid, syscall.SIGKILL) // most have ended
		<-j.done
	})
}

// environment returns the script's environment as it is now, which only a program run by the script can report.
func environment(ts *testscript.TestScript) []string {
	ts.Check(ts.Exec("bash", "-c", `env -0 > "$TMPDIR/environment"`))
	text := ts.ReadFile(filepath.Join(ts.Getenv("TMPDIR"), "environment"))
	return strings.Split(strings.TrimSuffix(text, "\x00"), "\x00")
}

func cmdSignal(ts *testscript.TestScript, neg bool, args []string) {
	signals := map[string]syscall.Signal{
		"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "KILL": syscall.SIGKILL,
		"STOP": syscall.SIGSTOP, "CONT": syscall.SIGCONT,
	}
	if neg || len(args) != 2 || signals[args[1]] == 0 {
		ts.Fatalf("usage: signal NAME INT|TERM|KILL|STOP|CONT")
	}
	ts.Check(syscall.Kill(-running(ts, args[0]).cmd.Process.Pid, signals[args[1]]))
}

func cmdFinish(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: finish NAME CODE")
	}
	j, want := running(ts, args[0]), int(number(ts, args[1]))
	select {
	case <-j.done:
	case <-time.After(waitLimit):
		ts.Fatalf("%s still runs after %v", args[0], waitLimit)
	}
	delete(jobsOf(ts), args[0])
	if got := exitCode(j.cmd.ProcessState); got != want {
		ts.Logf("[%s.err]\n%s", args[0], ts.ReadFile(args[0]+".err"))
		ts.Fatalf("%s: exit code %d, want %d", args[0], got, want)
	}
}

func running(ts *testscript.TestScript, name string) *job {
	j := jobsOf(ts)[name]
	if j == nil {
		ts.Fatalf("nothing named %s was started", name)
	}
	return j
}

// exitCode returns the code as a shell shows it: 128 and the signal's number if one killed it.
func exitCode(state *os.ProcessState) int {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return state.ExitCode()
}

// codeOf returns a program's exit code from the error of running it.
func codeOf(ts *testscript.TestScript, err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case !errors.As(err, &exit):
		ts.Fatalf("%v", err)
	}
	return exitCode(exit.ProcessState)
}

func number(ts *testscript.TestScript, s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	ts.Check(err)
	return n
}
