package worktree

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"hc/lib/hyperbee"
)

// A large file that something writes to whenever it is read stays as the drive has it, and all else is published; it is taken when it
// keeps still.
func TestPublishBesideWriter(t *testing.T) {
	folder := t.TempDir()
	in := newStore(t, folder)
	log := bytes.Repeat([]byte("a line\n"), 100_000)
	write := func(name string, content []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	write("log", log)
	write("notes", []byte("first"))
	var left []string
	still := PublishOptions{Left: func(path string) { left = append(left, path) }}
	restless := still
	restless.Folder.Wrote = func(size int) {
		if size > 1<<10 { // of the log
			log = append(log, "another line\n"...)
			write("log", log)
		}
	}
	tree, _, err := Begin(t.Context(), in, restless)
	if err != nil || !slices.Equal(left, []string{"log"}) {
		t.Fatalf("beginning: %v, left %q", err, left)
	}
	check := func(when, notes string, want []byte) {
		t.Helper()
		newest, err := tree.Newest(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string][]byte{"/notes": []byte(notes), "/log": want} {
			var got bytes.Buffer
			item, err := newest.Get(t.Context(), name)
			switch {
			case errors.Is(err, hyperbee.ErrNotFound) && want == nil:
			case err != nil:
				t.Errorf("%s: %s: %v", when, name, err)
			default:
				if err := newest.Content(t.Context(), item, &got); err != nil || !bytes.Equal(got.Bytes(), want) {
					t.Errorf("%s: %s has %d bytes, want %d; %v", when, name, got.Len(), len(want), err)
				}
			}
		}
	}
	check("at first", "first", nil)

	left = nil
	settled := bytes.Clone(log)
	if result, err := tree.Publish(t.Context(), still); err != nil || result.Added != 1 || left != nil {
		t.Fatalf("when it keeps still: %+v, %v, left %q", result, err, left)
	}
	check("when it keeps still", "first", settled)

	log = append(log, "and more\n"...)
	write("log", log)
	write("notes", []byte("second"))
	if result, err := tree.Publish(t.Context(), restless); err != nil || result.Changed != 1 || !slices.Equal(left, []string{"log"}) {
		t.Fatalf("beside a writer: %+v, %v, left %q", result, err, left)
	}
	check("beside a writer", "second", settled)

	left = nil
	if result, err := tree.Publish(t.Context(), still); err != nil || result.Changed != 1 || left != nil {
		t.Fatalf("at the end: %+v, %v, left %q", result, err, left)
	}
	check("at the end", "second", log)
}
