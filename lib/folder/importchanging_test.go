package folder

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"hc/lib/stream"
)

// A file that is written while it is read is read again, if it is small; none is taken half.
func TestImportChanging(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, map[string]string{"a": "first", "b": strings.Repeat("y", smallFile+1)})
	open, err := openSources([]Source{{Path: dir}})
	check(t, err)
	defer closeSources(open)
	find := func(name string) *job {
		j := newJob(context.Background(), &found{name: name, source: open[0], stat: lstatOf(t, filepath.Join(dir, name))}, nil, &Options{})
		return j
	}
	var warned []string
	opt := Options{Warn: func(s string) { warned = append(warned, s) }}
	check(t, opt.prepare())

	j := find("a")
	check(t, os.WriteFile(dir+"/a", []byte("second, longer"), 0o644))
	if j.load(&opt); j.err != nil || string(j.data) != "second, longer" || len(warned) != 1 {
		t.Errorf("a file that was written since: %q, %v, warned %q", j.data, j.err, warned)
	}
	j = find("a")
	check(t, os.Rename(dir+"/b", dir+"/a"))
	if j.load(&opt); j.err != nil || !j.large {
		t.Errorf("a file that another took the place of: %v", j.err)
	}
	j = find("a")
	j.load(&opt)
	check(t, os.Chtimes(dir+"/a", time.Time{}, time.Unix(1, 0)))
	out := output{w: stream.NewWriter(io.Discard), opt: &opt}
	check(t, out.w.Tree(nil))
	if err := out.job(j); err != nil || out.stats.Files != 1 {
		t.Errorf("a large file that was touched since: %v, counted %+v", err, out.stats)
	}
	out.stats = Stats{}
	j = find("a")
	check(t, os.Remove(dir+"/a"))
	check(t, os.Symlink("/etc/passwd", dir+"/a"))
	if j.load(&opt); j.err != nil || !j.large {
		t.Errorf("a large file waits: %v", j.err)
	}
	if err := out.job(j); err == nil {
		t.Error("a link in the place of a file is read")
	}
	put(t, dir, map[string]string{"c": "c"})
	j = find("c")
	check(t, os.Remove(dir+"/c"))
	check(t, syscall.Mkfifo(dir+"/c", 0o644))
	if j.load(&opt); !errors.Is(j.err, ErrChanged) {
		t.Errorf("a pipe in the place of a file: %v", j.err)
	}
	put(t, dir, map[string]string{"d": "d"})
	j = find("d")
	check(t, os.Remove(dir+"/d"))
	j.load(&opt)
	if err := out.job(j); err != nil || !j.gone {
		t.Errorf("a file that is gone: %v", err)
	}
	if out.stats.Files != 0 {
		t.Errorf("counted %+v", out.stats)
	}
}

// A file that never holds still is the end, named, unless it is to be left as it was.
func TestImportNeverStill(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, map[string]string{"log": "x"})
	tries := 0
	grow := func(string) {
		tries++
		f, err := os.OpenFile(dir+"/log", os.O_APPEND|os.O_WRONLY, 0)
		check(t, err)
		_, err = f.WriteString("more")
		check(t, err)
		check(t, f.Close())
	}
	open, err := openSources([]Source{{Path: dir}})
	check(t, err)
	defer closeSources(open)
	stat := lstatOf(t, dir+"/log")
	opt := Options{Warn: grow} // one more line each time that it is to be read again
	check(t, opt.prepare())
	grow("")
	find := func() *job {
		return &job{found: found{name: "log", source: open[0], stat: stat}, ctx: context.Background()}
	}
	j := find()
	if j.load(&opt); !errors.Is(j.err, ErrChanged) || tries != maxTries {
		t.Errorf("after %d tries: %v", tries, j.err)
	}
	var changed *ChangedError
	out := output{w: stream.NewWriter(io.Discard), opt: &opt}
	if err := out.job(j); !errors.As(err, &changed) || changed.Path != "log" || err.Error() != `reading "log": changed while it was read` {
		t.Errorf("it is the end by %v", err)
	}
	opt.Leave = map[string]bool{}
	j = find()
	j.load(&opt)
	if err := out.job(j); err != nil || !slices.Equal(out.left, []string{"log"}) || out.stats.Files > 0 {
		t.Errorf("it is to be left: %v, left %q, %+v", err, out.left, out.stats)
	}
	stat = lstatOf(t, dir+"/log")
	opt.Leave["log"] = true
	j = find()
	if j.load(&opt); !j.left || j.data != nil {
		t.Error("what is to be left is read")
	}
}

// What took a folder's place since it was seen is not walked.
func TestImportSwappedFolder(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, map[string]string{"a/x": "x", "b/y": "y", "outside/z": "z"})
	root, err := os.OpenRoot(dir)
	check(t, err)
	defer root.Close()
	opt := Options{}
	check(t, opt.prepare())
	w := newWalker(context.Background(), &opt, func(f *found) error { t.Errorf("%q was found", f.path()); return nil })
	seen := entry{"a/", lstatOf(t, dir+"/a")}
	walk := func() error {
		l := w.open(&listing{root: root}, seen)
		defer l.close()
		return w.folder(&source{root: root}, l)
	}
	check(t, os.RemoveAll(dir+"/a"))
	check(t, walk()) // it is gone
	for _, target := range []string{"b", "../outside", dir + "/outside"} {
		check(t, os.Symlink(target, dir+"/a"))
		if err := walk(); err == nil {
			t.Errorf("a link to %s is walked", target)
		}
		check(t, os.Remove(dir+"/a"))
	}
	check(t, os.Rename(dir+"/b", dir+"/a"))
	if err := walk(); !errors.Is(err, ErrChanged) {
		t.Errorf("another folder: %v", err)
	}
}
