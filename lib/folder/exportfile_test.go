package folder

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
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

// What is edited while what takes its place is written is asked about again, and of what is as it was nothing more is asked.
func TestExportEditedMeanwhile(t *testing.T) {
	past := time.Unix(1_000_000_000, 0)
	for name, c := range map[string]struct {
		edit  func(path string) error // of "old", which is of that time
		asked int
		left  string // where the edit is kept; else what was written replaces it
	}{
		"not at all":    {func(string) error { return nil }, 1, ""},
		"longer":        {func(path string) error { return os.WriteFile(path, []byte("mine!"), 0o600) }, 2, "f mine!"},
		"of its size":   {func(path string) error { return os.WriteFile(path, []byte("own"), 0o600) }, 2, "f own"},
		"its mode":      {func(path string) error { return os.Chmod(path, 0o755) }, 2, "f old"},
		"removed":       {os.Remove, 1, ""},
		"now a folder":  {func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o777)) }, 1, "f/"},
		"now a link":    {func(path string) error { return errors.Join(os.Remove(path), os.Symlink("x", path)) }, 2, "f -> x"},
		"now its equal": {func(path string) error { return replaceFile(path, "old", past) }, 2, "f old"},
		"size and mtime": {func(path string) error {
			return errors.Join(os.WriteFile(path, []byte("own"), 0o600), os.Chtimes(path, past, past))
		}, 2, "f own"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, names := inodeOf(lstatInfo(t, ".")); name == "size and mtime" && names == 0 {
				t.Skip("the system does not tell when a file was touched")
			}
			for _, decision := range []Decision{Refuse, Keep, Replace} {
				dir := t.TempDir()
				path := filepath.Join(dir, "f")
				check(t, os.WriteFile(path, []byte("old"), 0o600))
				check(t, os.Chtimes(path, past, past))
				asked := 0
				x := openExport(t, dir, ExportOptions{Decide: func(e Existing) (Decision, error) {
					if asked++; asked == 1 {
						return Replace, nil
					}
					if !Untouched(lstatInfo(t, path), e.Info) {
						t.Errorf("asked about %+v", e)
					}
					return decision, nil
				}})
				err := x.Put(fileItem("/f"), func(w io.Writer) error {
					if changed, _ := inodeOf(lstatInfo(t, path)); !changed.IsZero() {
						for time.Since(changed) < 20*time.Millisecond { // a file system's clock ticks: what is within one looks alike
							runtime.Gosched()
						}
					}
					check(t, c.edit(path))
					return says("theirs")(w)
				})
				isFolder, replaced := c.left == "f/", c.left == "" || c.asked == 2 && decision == Replace
				if refused := isFolder || !replaced && decision == Refuse; refused != errors.Is(err, ErrInTheWay) || !refused && err != nil {
					t.Errorf("%v: %v", decision, err)
				}
				want := c.left
				if replaced {
					want = "f theirs"
				}
				wantTree(t, dir, want)
				if asked != c.asked {
					t.Errorf("%v: asked %d times", decision, asked)
				}
			}
		})
	}
}

func lstatInfo(t *testing.T, path string) fs.FileInfo {
	t.Helper()
	info, err := os.Lstat(path)
	check(t, err)
	return info
}

// replaceFile has another file take the place of one, as editors do.
func replaceFile(path, text string, mtime time.Time) error {
	return errors.Join(os.WriteFile(path+"~", []byte(text), 0o600), os.Chtimes(path+"~", mtime, mtime), os.Rename(path+"~", path))
}

// A file that has another name, which goes, is untouched.
func TestUntouchedNames(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	check(t, os.WriteFile(path, []byte("text"), 0o600))
	check(t, os.Link(path, path+"2"))
	was := lstatInfo(t, path)
	check(t, os.Remove(path+"2"))
	if !Untouched(was, lstatInfo(t, path)) {
		t.Error("it was touched by the removal of its other name")
	}
	check(t, os.Chmod(path, 0o644))
	if Untouched(was, lstatInfo(t, path)) {
		t.Error("its mode is no change")
	}
}
