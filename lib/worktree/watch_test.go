package worktree

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// What changes while a folder is published is told of, also before it is watched; then every change is.
func TestWatch(t *testing.T) {
	tree := &Tree{Root: t.TempDir()}
	changed, err := tree.Watch(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, what := range []string{"before it was watched", "since then"} {
		select {
		case <-changed:
		case <-time.After(time.Minute):
			t.Fatal("nothing is told of what changed", what)
		}
		if err := os.WriteFile(filepath.Join(tree.Root, "file"), []byte(what), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}
