package worktree

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"hc/lib/hyperdrive"
)

// editing is a source during whose update somebody edits files.
type editing struct {
	Source
	edit func()
}

func (e editing) Soon(ctx context.Context, items []hyperdrive.Item) error {
	e.edit()
	return e.Source.Soon(ctx, items)
}

// What is as the drive has it gets the drive's time; what is edited before that keeps its own.
func TestRetimesWhatNobodyEdits(t *testing.T) {
	folder := t.TempDir()
	in := newStore(t, folder)
	old, edited := time.Unix(1e9, 0), time.Unix(1.5e9, 0)
	put := func(name, text string, when time.Time) {
		t.Helper()
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, when, when); err != nil {
			t.Fatal(err)
		}
	}
	put("still", "one", old)
	put("busy", "one", old)
	tree, _, err := Begin(t.Context(), in, PublishOptions{})
	if err != nil {
		t.Fatal(err)
	}
	newest, err := tree.Newest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ref, err := newest.Ref(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	touched := time.Unix(1.2e9, 0)
	put("still", "one", touched)
	put("busy", "one", touched)
	tree.at.Pinned = false // as in a clone into a folder that has the files
	to := editing{Stored(newest), func() { put("busy", "two", edited) }}
	if _, err := tree.Update(t.Context(), ref, to, UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]time.Time{"still": old, "busy": edited} {
		info, err := os.Stat(filepath.Join(folder, name))
		if err != nil || !info.ModTime().Equal(want) {
			t.Errorf("%s is of %v, want %v; %v", name, info.ModTime(), want, err)
		}
	}
}
