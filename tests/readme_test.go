package tests

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestReadme runs the README: every block that is fenced as sh, each in a fresh folder with the binaries on PATH and
// the files below, as a bash script that stops at the first failure, in pipelines too. Blocks that get or build the
// project (git clone, make) are left out: whoever runs this has done so.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?ms)^```sh\n(.*?)^```$").FindAllSubmatchIndex(readme, -1)
	ran := 0
	for _, at := range blocks {
		script := string(readme[at[2]:at[3]])
		if regexp.MustCompile(`(?m)^(git clone|make|npm|go install)\b`).MatchString(script) {
			continue
		}
		ran++
		line := 1 + bytes.Count(readme[:at[2]], []byte("\n"))
		t.Run(fmt.Sprintf("line=%d", line), func(t *testing.T) {
			t.Parallel()
			runReadmeBlock(t, script)
		})
	}
	if ran == 0 {
		t.Fatal("README.md has no block of commands")
	}
}

func runReadmeBlock(t *testing.T, script string) {
	dir := t.TempDir()
	var table, events strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&table, "%d,item %d,%d\n", i, i*i, i%97)
		fmt.Fprintf(&events, "{\"n\":%d}\n", i)
	}
	for name, text := range map[string]string{
		"table.csv": table.String(), "events.ndjson": events.String(), "big.iso": strings.Repeat(table.String(), 10),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	// Servers that a block leaves running are its own jobs, and end with it.
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c",
		"trap 'for j in $(jobs -p); do kill $j; done 2> /dev/null; wait' EXIT\n"+script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+bin+string(filepath.ListSeparator)+os.Getenv("PATH"), "HOME="+dir, "HC_DIR=")
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.CombinedOutput()
	if err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		t.Errorf("%v\n%s\n--- it wrote:\n%s", err, script, out)
	}
}
