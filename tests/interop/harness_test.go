package interop

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience bounds every wait for something that must come; nothing is measured with it.
const patience = 3 * time.Minute

// promptly is how soon an append is at the other end of a live connection.
const promptly = 500 * time.Millisecond

var (
	bin   string // the binaries, built once
	peers string // the folder of peer.js and drive.js
)

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "interop:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	os.Setenv("HC_NO_DISCOVERY", "1")
	var err error
	if peers, err = filepath.Abs("../peers"); err != nil {
		return 0, err
	}
	if err := available(); err != nil {
		if os.Getenv("HC_REQUIRE_INTEROP") != "" {
			return 0, err
		}
		fmt.Fprintf(os.Stderr, "\nSKIPPED: all tests against stock Hypercore: %v\n\n", err)
		return 0, nil
	}
	rubbish, err := os.MkdirTemp("", "hc-interop-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(rubbish)
	os.Setenv("TMPDIR", rubbish) // where stock peers that are killed leave their storage
	bin = filepath.Join(rubbish, "bin")
	build := exec.Command("go", "build", "-o", bin+string(filepath.Separator), "hc/cmd/...")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return 0, fmt.Errorf("building the binaries: %w", err)
	}
	os.Setenv("PATH", bin+string(filepath.ListSeparator)+os.Getenv("PATH"))
	os.Unsetenv("HC_DIR")
	return m.Run(), nil
}

func available() error {
	if _, err := exec.LookPath("node"); err != nil {
		return fmt.Errorf("node is not installed")
	}
	for _, name := range []string{"hypercore", "hypercore10"} {
		if _, err := os.Stat(filepath.Join(peers, "node_modules", name)); err != nil {
			return fmt.Errorf("%s is not installed: run `npm ci` in tests/peers", name)
		}
	}
	return nil
}

// versions runs a test against both stock versions.
func versions(t *testing.T, test func(t *testing.T, flags ...string)) {
	for name, flags := range map[string][]string{"v11": nil, "v10": {"--v10"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, flags...)
		})
	}
}

// event is one line of a stock peer.
type event struct {
	Event, Key, Message, SHA256, Version     string
	Length, Bytes, Index, Offset, Contiguous uint64
	Fork                                     uint64
	Port                                     int
	At                                       int64
	Entries                                  []driveEntry
}

// stock is a stock peer's process.
type stock struct {
	t      *testing.T
	in     io.WriteCloser
	mu     sync.Mutex
	events []event
	more   chan struct{} // closed and replaced at each event
	Ready  event
}

func startStock(t *testing.T, flags ...string) *stock {
	t.Helper()
	return startScript(t, "peer.js", flags...)
}

func startScript(t *testing.T, script string, flags ...string) *stock {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "node", append([]string{filepath.Join(peers, script)}, flags...)...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &stock{t: t, in: in, more: make(chan struct{})}
	read := make(chan struct{})
	go s.read(out, read)
	t.Cleanup(func() {
		in.Close()
		stop()
		<-read
		_ = cmd.Wait()
		if t.Failed() && stderr.Len() > 0 {
			t.Logf("stock peer: %s", stderr.String())
		}
	})
	s.Ready = s.wait("ready", func(event) bool { return true })
	return s
}

func (s *stock) read(out io.Reader, done chan<- struct{}) {
	defer close(done)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			continue
		}
		s.mu.Lock()
		s.events = append(s.events, e)
		close(s.more)
		s.more = make(chan struct{})
		s.mu.Unlock()
	}
}

// wait returns the first event of that name which fits, and forgets it.
func (s *stock) wait(name string, fits func(event) bool) event {
	s.t.Helper()
	deadline := time.After(patience)
	for {
		s.mu.Lock()
		for i, e := range s.events {
			if e.Event == name && fits(e) {
				s.events = append(s.events[:i], s.events[i+1:]...)
				s.mu.Unlock()
				return e
			}
		}
		more := s.more
		s.mu.Unlock()
		select {
		case <-more:
		case <-deadline:
			s.mu.Lock()
			defer s.mu.Unlock()
			s.t.Fatalf("the stock peer sent no %q; what came: %+v", name, s.events)
		}
	}
}

func (s *stock) say(format string, args ...any) {
	s.t.Helper()
	if _, err := fmt.Fprintf(s.in, format+"\n", args...); err != nil {
		s.t.Fatal("stock peer: ", err)
	}
}

// do sends a command and waits for the event that answers it.
func (s *stock) do(answer, format string, args ...any) event {
	s.t.Helper()
	s.say(format, args...)
	return s.wait(answer, func(event) bool { return true })
}

func (s *stock) address() string { return fmt.Sprintf("127.0.0.1:%d", s.Ready.Port) }

// sh runs a pipeline with pipefail in a folder and returns what it printed; it fails the test unless it exits with code.
func sh(t *testing.T, dir string, code int, line string) (stdout, stderr string) {
	t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	cmd := exec.CommandContext(ctx, "bash", "-o", "pipefail", "-c", line)
	cmd.Dir = dir
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if got := cmd.ProcessState.ExitCode(); got != code {
		t.Fatalf("%s\nexit %d, want %d (%v)\nstdout: %.2000s\nstderr: %s", line, got, code, err, out.String(), errs.String())
	}
	return out.String(), errs.String()
}

// background starts a pipeline and returns its standard output line by line; it is killed when the test ends.
func background(t *testing.T, dir, line string) *process {
	t.Helper()
	cmd := exec.Command("bash", "-o", "pipefail", "-c", line)
	cmd.Dir = dir
	p := &process{t: t, lines: make(chan string, 1024)}
	startGroup(cmd)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if p.in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = &p.stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(p.lines)
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			p.lines <- scanner.Text()
		}
	}()
	p.kill = sync.OnceFunc(func() {
		killGroup(cmd)
		for range p.lines { // lets the reader end
		}
		<-done
		_ = cmd.Wait()
	})
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("%s\n%s", line, p.stderr.String())
		}
	})
	return p
}

type process struct {
	t      *testing.T
	in     io.WriteCloser
	lines  chan string
	stderr lockedBuffer
	kill   func()
}

func (p *process) line() string {
	p.t.Helper()
	select {
	case line, open := <-p.lines:
		if !open {
			p.t.Fatalf("the process ended; stderr: %s", p.stderr.String())
		}
		return line
	case <-time.After(patience):
		p.t.Fatalf("no line came; stderr: %s", p.stderr.String())
	}
	return ""
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// prompt fails the test unless most of what it waited for was there promptly. A single one may have had to wait for a processor.
func prompt(t *testing.T, what string, took []time.Duration) {
	t.Helper()
	slices.Sort(took)
	t.Logf("%s after %v, at most %v", what, took[len(took)/2], took[len(took)-1])
	if took[len(took)/2] > promptly {
		t.Errorf("%s after %v", what, took)
	}
}

var listening = regexp.MustCompile(`"address":"([^"]+)"`)

// serve starts hc-serve for the store of a folder and returns its address.
func serve(t *testing.T, dir string, args ...string) string {
	t.Helper()
	p := background(t, dir, "exec hc-serve -v --json --listen 127.0.0.1:0 "+strings.Join(args, " "))
	found := listening.FindStringSubmatch(p.line())
	if found == nil {
		t.Fatal("hc-serve did not say where it listens")
	}
	return found[1]
}

// publish appends generated blocks to a new log of a folder's store, and returns its key with the bytes.
func publish(t *testing.T, dir, name string, data []byte, chunk string) (key string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
		t.Fatal(err)
	}
	out, _ := sh(t, dir, 0, fmt.Sprintf("hc-chunk %s < %s | hc-append %s", chunk, name, name))
	key, _, _ = strings.Cut(out, " ")
	return key
}
