package tests

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// TestPages has every binary write its manual page and its completions, and compares them with those in the tree.
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
			for _, tool := range binaries(t) {
				text, err := exec.Command(filepath.Join(bin, tool), "--generate", kind.name).Output()
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
