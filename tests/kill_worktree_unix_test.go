//go:build unix

package tests

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// defaultCopyKills is how many commands each test of working copies kills; HC_KILLS is another number.
const defaultCopyKills = 20

func copyKills(t *testing.T) int {
	t.Helper()
	text := os.Getenv("HC_KILLS")
	if text == "" {
		return defaultCopyKills
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// copying is a shared folder, all versions that it had, and a working copy of it in which commands are killed.
type copying struct {
	t        *testing.T
	random   *rand.Rand
	owner    string
	copy     string
	key      string
	versions []version
	killed   int
}

// version is one version of the drive: its length, and the content of a folder made from it.
type version struct {
	length int
	files  map[string]string
}

func newCopying(t *testing.T) *copying {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	dir := t.TempDir()
	return &copying{t: t, random: rand.New(rand.NewPCG(seed, 0)), owner: filepath.Join(dir, "owner"), copy: filepath.Join(dir, "copy")}
}

func (c *copying) check(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// put writes a file of the owner.
func (c *copying) put(name string, size int, mode fs.FileMode) {
	c.t.Helper()
	path := filepath.Join(c.owner, name)
	c.check(os.MkdirAll(filepath.Dir(path), 0o777))
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(c.random.Uint32())
	}
	c.check(os.RemoveAll(path))
	c.check(os.WriteFile(path, data, mode))
}

// edit makes the next version of the owner's folder: files that change, disappear and appear, a folder that is renamed, a file
// that becomes a folder and back, a link that becomes a file and back.
func (c *copying) edit() {
	c.t.Helper()
	n := len(c.versions)
	for d := range 30 {
		for f := range 6 {
			switch name := fmt.Sprintf("d%d/e/f%d", d, f); {
			case n == 0 || c.random.IntN(3) == 0:
				c.put(name, c.random.IntN(20_000), 0o644)
			case c.random.IntN(6) == 0:
				c.check(os.RemoveAll(filepath.Join(c.owner, name)))
			}
		}
	}
	for i := range 5 {
		if n == 0 || c.random.IntN(2) == 0 {
			c.put(fmt.Sprintf("large/%d", i), 300_000+c.random.IntN(300_000), 0o755)
		}
	}
	c.check(os.RemoveAll(filepath.Join(c.owner, fmt.Sprintf("named%d", n-1))))
	c.put(fmt.Sprintf("named%d/deep/er/file", n), 70_000, 0o600)
	c.check(os.RemoveAll(filepath.Join(c.owner, "shape")))
	c.check(os.RemoveAll(filepath.Join(c.owner, "link")))
	if n%2 == 0 {
		c.put("shape", 10_000, 0o644)
		c.check(os.Symlink("shape", filepath.Join(c.owner, "link")))
		return
	}
	c.put("shape/in/side", 10_000, 0o644)
	c.put("link", 0, 0o644)
}

// publish makes a version of the owner's folder as it is.
func (c *copying) publish() {
	c.t.Helper()
	out := c.must("share", c.owner, "--once", "--json")
	var said struct {
		Key    string
		Length int
	}
	c.check(json.Unmarshal([]byte(out), &said))
	c.key = said.Key
	c.versions = append(c.versions, version{said.Length, c.list(c.owner)})
}

// list returns the content of a folder, except its store and the user's own files. Folders are listed if they are empty.
func (c *copying) list(dir string) map[string]string {
	c.t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.Name() == ".hc" {
			return fs.SkipDir
		}
		name, _ := filepath.Rel(dir, path)
		if entry.IsDir() {
			inside, err := os.ReadDir(path)
			if len(inside) == 0 && dir == c.copy { // no drive has it
				found[name] = "an empty folder"
			}
			return err
		}
		if entry.Name() == "mine" {
			return nil
		}
		if entry.Type() == fs.ModeSymlink {
			target, err := os.Readlink(path)
			found[name] = "link to " + target
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		found[name] = fmt.Sprintf("%v %d %x", info.Mode(), info.ModTime().UnixNano(), sha256.Sum256(data))
		return err
	})
	c.check(err)
	return found
}

// run runs hc, and returns its exit code: 128 and the signal's number if that ended it.
func (c *copying) run(ctx context.Context, stop syscall.Signal, args ...string) (code int, out, errs string) {
	c.t.Helper()
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "hc"), args...)
	var output, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &complaints
	cmd.Env = append(os.Environ(), "PATH="+bin+string(filepath.ListSeparator)+os.Getenv("PATH"))
	cmd.Cancel = func() error { return cmd.Process.Signal(stop) }
	if args[0] == "checkout" {
		cmd.Dir = c.copy
	}
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
	case err == nil, errors.Is(err, context.DeadlineExceeded):
	default:
		c.t.Fatal(err)
	}
	c.t.Logf("hc %s: %v", strings.Join(args, " "), cmd.ProcessState)
	if cmd.ProcessState == nil { // it never began
		return 128 + int(stop), "", ""
	}
	return exitCode(cmd.ProcessState), output.String(), complaints.String()
}

// must runs a command that is not killed.
func (c *copying) must(args ...string) string {
	c.t.Helper()
	code, out, errs := c.run(context.Background(), syscall.SIGKILL, args...)
	if code != 0 {
		c.t.Fatalf("hc %s: exit code %d: %s", strings.Join(args, " "), code, errs)
	}
	return out
}

// doom runs a command that is killed, or interrupted, at a random moment within most; it may have succeeded before.
func (c *copying) doom(most time.Duration, args ...string) (well bool) {
	c.t.Helper()
	stop := syscall.SIGKILL
	if c.random.IntN(3) == 0 {
		stop = syscall.SIGINT
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(c.random.Int64N(int64(most))))
	defer cancel()
	code, _, errs := c.run(ctx, stop, args...)
	switch code {
	case 0:
		return true
	case 128 + int(stop):
		c.killed++
	default:
		c.t.Fatalf("hc %s, stopped by a signal: exit code %d: %s", strings.Join(args, " "), code, errs)
	}
	return false
}

// same fails the test unless a folder is what a version has, byte for byte, with nothing unfinished in it.
func (c *copying) same(dir string, want map[string]string) {
	c.t.Helper()
	got := c.list(dir)
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got[name] != want[name] {
			c.t.Errorf("%q is %q, want %q", name, got[name], want[name])
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			c.t.Errorf("%q should not be there", name)
		}
	}
	if status := c.must("status", dir); strings.Contains(status, "interrupted") || strings.Contains(status, "\nM ") || strings.Contains(status, "\nD ") {
		c.t.Errorf("hc status says\n%s", status)
	}
	if c.t.Failed() {
		c.t.FailNow()
	}
}

// TestCopyKills kills clone, pull and checkout of one working copy at random moments, one after another, to any version, and
// lets the last one end: then the folder is that version, whatever was begun before, and the user's own files are still there.
func TestCopyKills(t *testing.T) {
	t.Parallel()
	c := newCopying(t)
	for range 4 {
		c.edit()
		c.publish()
	}
	source := []string{"--exec", filepath.Join(bin, "hc-serve") + " -C " + filepath.Join(c.owner, ".hc") + " --stdio"}
	newest := c.versions[len(c.versions)-1]
	began := time.Now()
	c.must(append([]string{"clone", c.key, c.copy}, source...)...)
	most := time.Since(began)
	c.same(c.copy, newest.files)
	has := map[int]bool{newest.length: true} // versions whose content is in the copy's store

	// next returns a command, and the version that it makes.
	next := func() ([]string, version) {
		switch to := c.versions[c.random.IntN(len(c.versions))]; c.random.IntN(4) {
		case 0:
			return append([]string{"pull", c.copy}, source...), newest
		case 1:
			return append([]string{"clone", fmt.Sprintf("0.%d.%s", to.length, c.key), c.copy}, source...), to
		default:
			if !has[to.length] {
				return append([]string{"clone", c.key, c.copy}, source...), newest
			}
			return []string{"checkout", strconv.Itoa(to.length)}, to
		}
	}
	for kills := copyKills(t); c.killed < kills; {
		if c.random.IntN(4) == 0 { // from the beginning
			c.check(os.RemoveAll(c.copy))
			clear(has)
			for c.random.IntN(3) > 0 && !c.doom(most, append([]string{"clone", c.key, c.copy}, source...)...) {
			}
			c.must(append([]string{"clone", c.key, c.copy}, source...)...)
			c.same(c.copy, newest.files)
			has[newest.length] = true
		}
		for _, folder := range []string{".", "d1/e", "large"} {
			c.check(os.MkdirAll(filepath.Join(c.copy, folder), 0o777))
			c.check(os.WriteFile(filepath.Join(c.copy, folder, "mine"), []byte("mine"), 0o666))
		}
		for range c.random.IntN(4) {
			if args, to := next(); c.doom(most, args...) {
				has[to.length] = true
				c.same(c.copy, to.files)
			}
		}
		args, to := next()
		c.must(args...)
		has[to.length] = true
		c.same(c.copy, to.files)
		for _, folder := range []string{".", "d1/e", "large"} {
			if data, err := os.ReadFile(filepath.Join(c.copy, folder, "mine")); string(data) != "mine" {
				t.Fatalf("what the user has put into %s is %q, %v", folder, data, err)
			}
		}
	}
}

// TestCopyKillsKeepEdits edits a file while commands are killed: it stays as it was edited, and the next one refuses to
// replace it.
func TestCopyKillsKeepEdits(t *testing.T) {
	t.Parallel()
	c := newCopying(t)
	for range 2 {
		c.edit()
		c.put("edited", 5000, 0o644) // another one in each version
		c.publish()
	}
	source := []string{"--exec", filepath.Join(bin, "hc-serve") + " -C " + filepath.Join(c.owner, ".hc") + " --stdio"}
	for _, v := range c.versions {
		c.must(append([]string{"clone", fmt.Sprintf("0.%d.%s", v.length, c.key), c.copy}, source...)...)
	}
	edited := filepath.Join(c.copy, "edited")
	for kills, at := copyKills(t), 0; c.killed < kills; at = 1 - at {
		to := strconv.Itoa(c.versions[at].length)
		c.doom(200*time.Millisecond, "checkout", to)
		c.check(os.WriteFile(edited, []byte("an edit"), 0o644))
		ended := false // before it was killed: then this is the version already, and nothing would be replaced
		for range 2 {
			code, _, errs := c.run(context.Background(), syscall.SIGKILL, "checkout", to)
			if ended = code == 0; !ended && (code != 7 || !strings.Contains(errs, `nothing was changed: "edited"`)) {
				t.Fatalf("exit code %d: %s", code, errs)
			}
		}
		if data, err := os.ReadFile(edited); string(data) != "an edit" {
			t.Fatalf("the edit is lost: %q, %v", data, err)
		}
		if ended {
			code, _, errs := c.run(context.Background(), syscall.SIGKILL, "checkout", strconv.Itoa(c.versions[1-at].length))
			if code != 7 || !strings.Contains(errs, `nothing was changed: "edited"`) {
				t.Fatalf("exit code %d: %s", code, errs)
			}
			c.check(os.Remove(edited))
			c.must("checkout", strconv.Itoa(c.versions[1-at].length), "--force")
		}
		c.must("checkout", to, "--force")
		c.same(c.copy, c.versions[at].files)
	}
}

// TestShareKills kills the publishing of a folder, even the first time: when run again, it publishes the folder as it is.
func TestShareKills(t *testing.T) {
	t.Parallel()
	c := newCopying(t)
	for kills := copyKills(t); c.killed < kills; {
		if c.random.IntN(3) == 0 {
			c.check(os.RemoveAll(filepath.Join(c.owner, ".hc")))
		}
		c.edit()
		for c.random.IntN(4) > 0 && !c.doom(300*time.Millisecond, "share", c.owner, "--once") {
		}
		c.publish()
		c.same(c.owner, c.list(c.owner))
		c.check(os.RemoveAll(c.copy))
		c.must("clone", c.key, c.copy, "--exec", filepath.Join(bin, "hc-serve")+" -C "+filepath.Join(c.owner, ".hc")+" --stdio")
		c.same(c.copy, c.list(c.owner))
	}
}
