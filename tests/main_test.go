package tests

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

var (
	root string // the module's folder
	bin  string // the binaries, built once
)

// update says that expectations are written instead of compared.
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
	var err error
	if root, err = filepath.Abs(".."); err != nil {
		return 0, err
	}
	if bin, err = os.MkdirTemp("", "hc-bin-"); err != nil {
		return 0, err
	}
	defer os.RemoveAll(bin)
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

// binaries returns the names of what was built.
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
