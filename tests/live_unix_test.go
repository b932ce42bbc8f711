//go:build unix

package tests

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"
)

// begin starts hc, or another tool, until the test ends, and returns the address where it listens, if it reports one.
func begin(t *testing.T, listens bool, name string, args ...string) (address string) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, filepath.Join(bin, name), args...)
	cmd.Env = append(os.Environ(), "PATH="+bin+string(filepath.ListSeparator)+os.Getenv("PATH"))
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		_ = cmd.Wait() // it was interrupted
	})
	lines := bufio.NewScanner(out)
	for listens && lines.Scan() {
		var said struct{ Type, Address string }
		if json.Unmarshal(lines.Bytes(), &said) == nil && said.Type == "listening" {
			address = said.Address
			break
		}
	}
	if listens && address == "" {
		t.Fatalf("%s does not listen", name)
	}
	go func() {
		for lines.Scan() { // so that it never waits for us
		}
	}()
	return address
}

// await waits until a file has this content, and returns the time when it had. It waits long, for busy machines; the promise is
// 500 ms on an idle one.
func await(t *testing.T, path, content string) time.Time {
	t.Helper()
	for until := time.Now().Add(waitLimit); time.Now().Before(until); time.Sleep(time.Millisecond) {
		if data, err := os.ReadFile(path); err == nil && string(data) == content {
			return time.Now()
		}
	}
	t.Fatalf("%s is not there after %v", path, waitLimit)
	return time.Time{}
}

// TestLiveChain saves a file fifty times in a shared folder: each time it is at once in the working copy that follows the folder,
// and in one that follows a server of that working copy, with everything that was saved before.
func TestLiveChain(t *testing.T) {
	c := newCopying(t)
	c.put("news", 100, 0o644)
	c.put("large", 300_000, 0o644)
	c.publish()
	dir := t.TempDir()
	first, second := filepath.Join(dir, "first"), filepath.Join(dir, "second")
	address := begin(t, true, "hc", "share", c.owner, "--listen", "127.0.0.1:0", "--json")
	c.must("clone", c.key, first, "--peer", address)
	begin(t, false, "hc", "sync", first, "--live", "--peer", address, "--json")
	address = begin(t, true, "hc-serve", "-C", filepath.Join(first, ".hc"), "--listen", "127.0.0.1:0", "--json")
	c.must("clone", c.key, second, "--peer", address)
	begin(t, false, "hc", "sync", second, "--live", "--peer", address, "--json")

	var once, twice []time.Duration
	for i := range 50 {
		text := fmt.Sprintf("news %d\n", i)
		own := fmt.Sprintf("dir%d/file", i)
		c.check(os.MkdirAll(filepath.Join(c.owner, filepath.Dir(own)), 0o777))
		c.check(os.WriteFile(filepath.Join(c.owner, own), []byte(text), 0o666))
		saved := time.Now()
		c.check(os.WriteFile(filepath.Join(c.owner, "news"), []byte(text), 0o666))
		once = append(once, await(t, filepath.Join(first, "news"), text).Sub(saved))
		twice = append(twice, await(t, filepath.Join(second, "news"), text).Sub(saved))
		for _, dir := range []string{first, second} { // published with it, or before
			await(t, filepath.Join(dir, own), text)
		}
	}
	for what, times := range map[string][]time.Duration{"one away": once, "two away": twice} {
		slices.Sort(times)
		late := slices.IndexFunc(append(times, time.Hour), func(d time.Duration) bool { return d > 500*time.Millisecond })
		t.Logf("%s: a file is there after %v, at most %v; %d of %d within 500ms", what, times[len(times)/2], times[len(times)-1], late, len(times))
	}
}
