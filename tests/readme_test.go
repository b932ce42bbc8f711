package tests

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestReadme compares the README with scripts that run: every command that it shows is, word for word except for names of keys
// and hosts, in script/readme.txtar or readme_folders.txtar, which run it; every target of make that it names exists.
func TestReadme(t *testing.T) {
	readme, script, makefile := read(t, "README.md"), read(t, "tests/script/readme.txtar")+read(t, "tests/script/readme_folders.txtar"), read(t, "Makefile")
	script = strings.NewReplacer("$KEY", "KEY", "$LENGTH", "LENGTH", "$ADDR", "HOST", "''", "'",
		"--listen 127.0.0.1:0", "--listen HOST", "--listen :0", "--listen HOST", "ssh host", "ssh HOST").Replace(script)
	hosts := regexp.MustCompile(`127\.0\.0\.1:4977|\bhost(:4977)?\b|:4977`)
	length := regexp.MustCompile(`\b0\.\d+\.KEY`)
	commands := 0
	for _, line := range strings.Split(readme, "\n") {
		command, ok := strings.CutPrefix(line, "    ")
		if !ok {
			continue
		}
		command, _, _ = strings.Cut(command, " #")
		command = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(command), "&"))
		if target, ok := strings.CutPrefix(command, "make "); ok {
			if !strings.Contains(makefile, "\n"+target+":") {
				t.Errorf("README.md: %q: no such target", command)
			}
			continue
		}
		commands++
		command = length.ReplaceAllString(hosts.ReplaceAllString(command, "HOST"), "0.LENGTH.KEY")
		if !strings.Contains(script, command) {
			t.Errorf("README.md: no script runs %q", command)
		}
	}
	if commands == 0 {
		t.Fatal("README.md has no commands")
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
