package tests

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"testing"
)

var (
	root string // the module's folder
	bin  string // the binaries, built once
)

// update makes the tests write expectations instead of comparing them.
var update = os.Getenv("HC_UPDATE") != ""

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "tests:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	os.Setenv("HC_NO_DISCOVERY", "1") // the tests must not depend on what else runs on this network
	if signal.Ignored(os.Interrupt) { // in the background of a script; what is started here must still end by it
		signal.Notify(make(chan os.Signal, 1), os.Interrupt)
	}
	var err error
	if root, err = filepath.Abs(".."); err != nil {
		return 0, err
	}
	if bin, err = os.MkdirTemp("", "hc-bin-"); err != nil {
		return 0, err
	}
	defer os.RemoveAll(bin)
	if err := watchSources(); err != nil {
		return 0, err
	}
	args := []string{"build", "-o", bin + string(filepath.Separator)}
	if os.Getenv("HC_COVERDIR") != "" {
		args = append(args, "-cover", "-coverpkg=hc/...")
	}
	build := exec.Command("go", append(args, "./cmd/...")...)
	build.Dir = root
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return 0, fmt.Errorf("building the binaries: %w", err)
	}
	return m.Run(), nil
}

// watchSources looks at every source file, because go test caches results by the files that a test looked at: it does not see
// what the go build below reads, and would take a result from its cache when the binaries have changed.
func watchSources() error {
	for _, dir := range []string{"cmd", "lib", "go.mod"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, _ fs.DirEntry, err error) error {
			if err == nil {
				_, err = os.Stat(path)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// binaries returns the names of the programs that were built.
func binaries(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(bin)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) == 0 {
		t.Fatal("no binaries were built")
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
