//go:build unix

package tests

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const (
	defaultKills = 60 // commands that TestKills kills; HC_KILLS is another number
	killCores    = 8  // cores that are appended to, each by a process of its own

	// conflict is the exit code if a lock could not be taken in time, or the store was repaired after a killed writer while a
	// command ran: then nothing was done, and it says so.
	conflict = 7
)

// TestKills runs commands in one store at once and kills them at random moments: appends to several cores, of one block and
// of many, downloads, gc and repack, beside a server that is not killed, and a reader that follows it. Everything that a command
// reported is there in the end, in order and whole; what was killed is there whole or not at all; the store is sound, and the
// next command just works.
func TestKills(t *testing.T) {
	t.Parallel()
	kills := int64(defaultKills)
	if testing.Short() {
		kills = 10
	}
	if text := os.Getenv("HC_KILLS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		kills = int64(n)
	}
	k := newKilling(t, kills)
	follow := k.follow()
	var workers sync.WaitGroup
	for core := range killCores {
		workers.Go(func() { k.appends(core) })
	}
	workers.Go(k.fetches)
	workers.Go(k.cleans)
	workers.Wait()
	if t.Failed() {
		return
	}
	for core := range killCores {
		if got := k.check(core); core == 0 {
			follow(got)
		}
	}
	k.must("hc", "fsck")
	t.Logf("%d commands killed, %d ended well", kills, k.ended.Load())
}

// killing is a store in which commands are killed.
type killing struct {
	t     *testing.T
	dir   string // the store
	other string // a store with a core that is fetched from it
	left  atomic.Int64
	ended atomic.Int64
	said  [killCores][]said
}

// said is an append that succeeded.
type said struct {
	number, blocks int
	length         int // that it printed
}

func newKilling(t *testing.T, kills int64) *killing {
	dir := t.TempDir()
	k := &killing{t: t, dir: filepath.Join(dir, "store"), other: filepath.Join(dir, "other")}
	k.left.Store(kills)
	for core := range killCores {
		k.said[core] = []said{k.append(context.Background(), core, 0)}
	}
	feed := k.command(context.Background(), "hc-append", "-C", k.other, "fetched", "--lines")
	feed.Stdin = strings.NewReader(strings.Repeat("a line of what is fetched\n", 20000))
	if out, err := feed.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return k
}

// over reports whether enough commands were killed, or the test has failed.
func (k *killing) over() bool { return k.left.Load() <= 0 || k.t.Failed() }

// command returns a command that is killed when its context ends.
func (k *killing) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(bin, name), args...)
	cmd.Env = append(os.Environ(), "HC_DIR="+k.dir)
	return cmd
}

// doomed is a context that ends at a random moment within a few times as long as commands take; or does not, now and then.
func doomed() (context.Context, context.CancelFunc) {
	if rand.IntN(4) == 0 {
		return context.WithCancel(context.Background())
	}
	return context.WithTimeout(context.Background(), time.Duration(rand.IntN(100_000))*time.Microsecond)
}

// outcome counts a kill or a success, and fails the test if the command failed by itself.
func (k *killing) outcome(err error, allowed ...int) (well bool) {
	var exit *exec.ExitError
	if err == nil {
		k.ended.Add(1)
		return true
	}
	if errors.Is(err, context.DeadlineExceeded) { // before it began
		return false
	}
	if !errors.As(err, &exit) {
		k.t.Error(err)
		return false
	}
	if exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL {
		k.left.Add(-1)
		return false
	}
	for _, code := range allowed {
		if exit.ExitCode() == code {
			return false
		}
	}
	k.t.Errorf("%v: %s", err, exit.Stderr)
	return false
}

// blocksOf returns how many blocks append number n has: usually one, or so many that runs and spans are written before the head.
func blocksOf(n int) int {
	if n%5 == 4 {
		return 30_000
	}
	return 1
}

// content returns what append number n to a core appends; its lines distinguish it from all others.
func content(core, n int) []byte {
	var b bytes.Buffer
	for i := range blocksOf(n) {
		fmt.Fprintf(&b, "core %d append %d line %d\n", core, n, i)
	}
	return b.Bytes()
}

// append appends, and returns what the command printed; nothing if it was killed.
func (k *killing) append(ctx context.Context, core, n int) said {
	var errs bytes.Buffer
	cmd := k.command(ctx, "hc-append", "--lines", "--flush-every", "1h", fmt.Sprintf("core%d", core))
	cmd.Stdin, cmd.Stderr = bytes.NewReader(content(core, n)), &errs
	out, err := cmd.Output()
	if !k.outcome(err, conflict) {
		if k.t.Failed() {
			k.t.Errorf("append %d to core %d: %s", n, core, errs.Bytes())
		}
		return said{}
	}
	_, text, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	length, err := strconv.Atoi(text)
	if err != nil {
		k.t.Errorf("hc-append printed %q", out)
	}
	return said{n, blocksOf(n), length}
}

func (k *killing) appends(core int) {
	for n := 1; !k.over(); n++ {
		ctx, cancel := doomed()
		if s := k.append(ctx, core, n); s.length > 0 {
			k.said[core] = append(k.said[core], s)
		}
		cancel()
	}
}

// fetches downloads into the store, drops that, and downloads again.
func (k *killing) fetches() {
	for !k.over() {
		ctx, cancel := doomed()
		key := k.must("hc-fetch", "-C", k.other, "fetched", "--head")
		_, key, _ = strings.Cut(strings.SplitN(key, "\n", 2)[0], " ")
		cmd := k.command(ctx, "hc-fetch", key, "--exec", filepath.Join(bin, "hc-serve")+" -C "+k.other+" --stdio")
		_, err := cmd.Output()
		if k.outcome(err, conflict) {
			ctx, cancel := doomed()
			_, err := k.command(ctx, "hc", "rm", key).Output()
			k.outcome(err, conflict)
			cancel()
		}
		cancel()
	}
}

// cleans frees space.
func (k *killing) cleans() {
	for n := 0; !k.over(); n++ {
		ctx, cancel := doomed()
		verb := []string{"gc", "--all"}
		if n%4 == 3 {
			verb = []string{"repack"}
		}
		_, err := k.command(ctx, "hc", verb...).Output()
		k.outcome(err, conflict)
		cancel()
	}
}

// must runs a command that is not killed.
func (k *killing) must(name string, args ...string) string {
	var errs bytes.Buffer
	cmd := k.command(context.Background(), name, args...)
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		k.t.Errorf("%s %s: %v: %s%s", name, strings.Join(args, " "), err, errs.Bytes(), out)
	}
	return string(out)
}

// follow serves the store, and has core 0 followed by a reader in another one. The function returned waits until the reader has
// everything.
func (k *killing) follow() (has func(all []byte)) {
	ctx, stop := context.WithCancel(context.Background())
	folder := k.t.TempDir()
	errs, err := os.Create(filepath.Join(folder, "errors")) // a file, because three commands write to it
	if err != nil {
		k.t.Fatal(err)
	}
	said := func() string {
		text, _ := os.ReadFile(errs.Name())
		return string(text)
	}
	start := func(cmd *exec.Cmd) {
		cmd.Stderr = errs
		if err := cmd.Start(); err != nil {
			k.t.Fatal(err)
		}
		k.t.Cleanup(func() { stop(); _ = cmd.Wait() })
	}
	serve := k.command(ctx, "hc-serve", "--listen", "127.0.0.1:0", "--json")
	address, err := serve.StdoutPipe()
	if err != nil {
		k.t.Fatal(err)
	}
	start(serve)
	var listening struct{ Address string }
	if err := json.NewDecoder(address).Decode(&listening); err != nil {
		k.t.Fatalf("%v: %s", err, said())
	}
	key := k.must("hc-fetch", "core0", "--head")
	_, key, _ = strings.Cut(strings.SplitN(key, "\n", 2)[0], " ")
	fetch := k.command(ctx, "hc-fetch", "-C", k.other, key, "--live", "--peer", listening.Address)
	verify := k.command(ctx, "hc-verify", key)
	if verify.Stdin, err = fetch.StdoutPipe(); err != nil {
		k.t.Fatal(err)
	}
	path := filepath.Join(folder, "read")
	read, err := os.Create(path)
	if err != nil {
		k.t.Fatal(err)
	}
	defer read.Close()
	verify.Stdout = read
	start(fetch)
	start(verify)
	return func(all []byte) {
		var got []byte
		for until := time.Now().Add(waitLimit); len(got) < len(all) && time.Now().Before(until); time.Sleep(5 * time.Millisecond) {
			if got, err = os.ReadFile(path); err != nil {
				k.t.Fatal(err)
			}
		}
		if !bytes.Equal(got, all) {
			k.t.Errorf("the reader who followed has %d bytes, the log %d, or they differ: %s", len(got), len(all), said())
		}
	}
}

// check reads a core, verified, and compares it with what was reported: whole appends, each at most once, in order, and all
// acknowledged ones at the length that was printed.
func (k *killing) check(core int) (all []byte) {
	name := fmt.Sprintf("core%d", core)
	proof := k.command(context.Background(), "hc-fetch", name)
	verify := k.command(context.Background(), "hc-verify", name)
	var proofErrs, verifyErrs bytes.Buffer
	proof.Stderr, verify.Stderr = &proofErrs, &verifyErrs
	var err error
	if verify.Stdin, err = proof.StdoutPipe(); err != nil {
		k.t.Fatal(err)
	}
	if err := proof.Start(); err != nil {
		k.t.Fatal(err)
	}
	got, err := verify.Output()
	if err := errors.Join(err, proof.Wait()); err != nil {
		k.t.Fatalf("reading %s: %v: %s%s", name, err, proofErrs.Bytes(), verifyErrs.Bytes())
	}
	all = got
	length, next := 0, 0
	for n := 0; len(got) > 0; n++ {
		want := content(core, n)
		if !bytes.HasPrefix(got, want) {
			line, _, _ := bytes.Cut(got, []byte("\n"))
			if bytes.HasPrefix(line, fmt.Appendf(nil, "core %d append %d ", core, n)) {
				k.t.Fatalf("%s: append %d is there in part", name, n)
			}
			if next < len(k.said[core]) && k.said[core][next].number == n {
				k.t.Fatalf("%s: append %d was acknowledged and is not there; at block %d stands %q", name, n, length, line)
			}
			if n > 1<<20 {
				k.t.Fatalf("%s: block %d is none that was appended: %q", name, length, line)
			}
			continue
		}
		got = got[len(want):]
		length += blocksOf(n)
		if next < len(k.said[core]) && k.said[core][next].number == n {
			if said := k.said[core][next]; said.length != length {
				k.t.Fatalf("%s: append %d said length %d, and ends at %d", name, n, said.length, length)
			}
			next++
		}
	}
	if next < len(k.said[core]) {
		k.t.Fatalf("%s: append %d was acknowledged and is not there", name, k.said[core][next].number)
	}
	return all
}
