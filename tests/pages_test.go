package tests

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestPages has every binary, and every verb of hc, write its manual page and its completions, and compares them with those
// in the tree. For fish, the verbs are in the file of hc.
func TestPages(t *testing.T) {
	for _, kind := range []struct {
		name, dir string
		file      func(tool string) string
	}{
		{"man", "docs/man", func(tool string) string { return tool + ".1" }},
		{"bash", "completions/bash", func(tool string) string { return tool }},
		{"zsh", "completions/zsh", func(tool string) string { return "_" + tool }},
		{"fish", "completions/fish", func(tool string) string { return tool + ".fish" }},
	} {
		t.Run(kind.name, func(t *testing.T) {
			dir := filepath.Join(root, kind.dir)
			var files []string
			tools := binaries(t)
			if kind.name != "fish" {
				tools = append(tools, builtinVerbs(t)...)
			}
			for _, tool := range tools {
				text, err := generate(tool, kind.name)
				if err != nil || len(text) == 0 {
					t.Fatalf("%s --generate %s: %v", tool, kind.name, err)
				}
				file := kind.file(tool)
				files = append(files, file)
				compare(t, filepath.Join(dir, file), text)
			}
			entries, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				if !slices.Contains(files, e.Name()) {
					t.Errorf("%s/%s: no binary makes it", kind.dir, e.Name())
				}
			}
		})
	}
}

// builtinVerbs returns hc-gc and so on: the names of the apps that are verbs of hc.
func builtinVerbs(t *testing.T) []string {
	t.Helper()
	text, err := generate("hc", "verbs")
	if err != nil || len(text) == 0 {
		t.Fatalf("hc --generate verbs: %v", err)
	}
	var names []string
	for verb := range strings.FieldsSeq(string(text)) {
		names = append(names, "hc-"+verb)
	}
	return names
}

// generate has a binary, or the verb of hc of that name, write a page or a completion about itself.
func generate(tool, what string) ([]byte, error) {
	args := []string{tool}
	if verb, ok := strings.CutPrefix(tool, "hc-"); ok {
		if _, err := os.Stat(filepath.Join(bin, tool)); err != nil {
			args = []string{"hc", verb}
		}
	}
	args = append(args, "--generate", what)
	return exec.Command(filepath.Join(bin, args[0]), args[1:]...).Output()
}

func compare(t *testing.T, path string, want []byte) {
	t.Helper()
	if update {
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, want, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Errorf("%v: run 'make generate'", err)
	} else if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the binary writes: run 'make generate'", path)
	}
}
