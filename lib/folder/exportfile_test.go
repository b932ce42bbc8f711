package folder

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"testing"
)

// What has come into the folder since something was begun is asked about as what was there before, and never lost unasked.
func TestExportMeanwhile(t *testing.T) {
	for name, c := range map[string]struct {
		decision Decision
		err      error
		tree     []string
		stats    ExportStats
	}{
		"refuse":  {Refuse, ErrInTheWay, []string{"d/", "d/f mine", "d/l mine"}, ExportStats{}},
		"keep":    {Keep, nil, []string{"d/", "d/f mine", "d/l mine"}, ExportStats{Kept: 2}},
		"replace": {Replace, nil, []string{"d/", "d/f theirs", "d/l -> f"}, ExportStats{Files: 1, Links: 1, Bytes: 6}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			var asked []string
			x := openExport(t, dir, ExportOptions{Decide: func(e Existing) (Decision, error) {
				asked = append(asked, e.Path)
				if e.Info.Size() != int64(len("mine")) || e.Gone {
					t.Errorf("asked about %+v", e)
				}
				return c.decision, nil
			}})
			check(t, os.Mkdir(dir+"/d", 0o777)) // since the folder was opened
			err := x.Put(fileItem("/d/f"), func(w io.Writer) error {
				check(t, os.WriteFile(dir+"/d/f", []byte("mine"), 0o600))
				return says("theirs")(w)
			})
			if !errors.Is(err, c.err) {
				t.Errorf("a file: %v", err)
			}
			check(t, os.WriteFile(dir+"/d/l", []byte("mine"), 0o600))
			if err := x.Put(linkItem("/d/l", "f"), unread); !errors.Is(err, c.err) {
				t.Errorf("a link: %v", err)
			}
			wantTree(t, dir, c.tree...)
			if len(asked) != 2 || x.Stats() != c.stats {
				t.Errorf("asked about %q, counted %+v", asked, x.Stats())
			}
		})
	}
}

// A folder that has come in place of a file stays, and so does a file that has come in place of a folder.
func TestExportFolderMeanwhile(t *testing.T) {
	dir := t.TempDir()
	x := openExport(t, dir, ExportOptions{Decide: func(Existing) (Decision, error) { return Refuse, nil }})
	err := x.Put(fileItem("/f"), func(w io.Writer) error {
		check(t, os.MkdirAll(dir+"/f/in", 0o777))
		return says("f")(w)
	})
	if !errors.Is(err, ErrInTheWay) {
		t.Errorf("a folder in the way: %v", err)
	}
	check(t, os.WriteFile(dir+"/d", []byte("mine"), 0o600))
	if err := x.Put(fileItem("/d/x"), unread); !errors.Is(err, ErrInTheWay) {
		t.Errorf("a file in the way: %v", err)
	}
	check(t, os.Symlink("f", dir+"/l"))
	if err := x.Put(fileItem("/l/x"), unread); !errors.Is(err, ErrInTheWay) {
		t.Errorf("a link in the way: %v", err)
	}
	wantTree(t, dir, "d mine", "f/", "f/in/", "l -> f")
}

// Where the system cannot rename without replacing, nothing is replaced either.
func TestRenameSlowly(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, map[string]string{"a": "1", "b": "2"})
	root, err := os.OpenRoot(dir)
	check(t, err)
	s, err := share(root)
	check(t, err)
	defer s.release()
	for how, rename := range map[string]func(from, to string) error{"new": s.renameNew, "slowly": s.renameSlowly} {
		if err := rename("a", "b"); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: onto another: %v", how, err)
		}
		check(t, rename("a", "c"))
		check(t, rename("c", "a"))
		if err := rename("nothing", "d"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: what is not there: %v", how, err)
		}
	}
	wantTree(t, dir, "a 1", "b 2")
}
