package folder

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"hc/lib/drive"
	"hc/lib/hypercore"
	"hc/lib/hyperdrive"
	"hc/lib/keys"
	"hc/lib/store"
	"hc/lib/stream"
)

// fileItem is a file of a drive, linkItem a link.
func fileItem(name string) hyperdrive.Item {
	return hyperdrive.Item{Name: name, Entry: hyperdrive.Entry{Blob: &hyperdrive.Blob{}}}
}

func linkItem(name, target string) hyperdrive.Item {
	return hyperdrive.Item{Name: name, Entry: hyperdrive.Entry{Link: &target}}
}

// says is content that is a text.
func says(text string) func(io.Writer) error {
	return func(w io.Writer) error { _, err := io.WriteString(w, text); return err }
}

func unread(io.Writer) error { return errors.New("content was asked for") }

// open opens an Export of a new folder, which the test closes.
func openExport(t *testing.T, dir string, opt ExportOptions) *Export {
	t.Helper()
	x, err := OpenExport(dir, opt)
	check(t, err)
	t.Cleanup(func() { check(t, x.Close()) })
	return x
}

// tree lists what is in a folder, without following links: a line for each.
func tree(t testing.TB, dir string) string {
	t.Helper()
	var all []string
	check(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		switch {
		case d.IsDir():
			all = append(all, name+"/")
		case d.Type() == fs.ModeSymlink:
			target, err := os.Readlink(path)
			check(t, err)
			all = append(all, name+" -> "+target)
		default:
			data, err := os.ReadFile(path)
			check(t, err)
			all = append(all, name+" "+string(data))
		}
		return nil
	}))
	return strings.Join(all, "\n")
}

func wantTree(t testing.TB, dir string, lineByLine ...string) {
	t.Helper()
	if got, want := tree(t, dir), strings.Join(lineByLine, "\n"); got != want {
		t.Errorf("the folder has\n%s\nwant\n%s", got, want)
	}
}

// A folder that goes into a drive comes out of it.
func TestExportRoundTrip(t *testing.T) {
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "new", "copy")
	put(t, from, map[string]string{
		"a/b/c": strings.Repeat("deep ", 100_000), "a.txt": "", "z": "last", "a/l": "->b/c", "up": "->a/b", "a/b/up": "->../../z", "ü": "ü\n", "a/-x": "x",
		"a/b/top": "->" + from, "in": "->" + from + "/a", "a/in": "->" + from + "/z", "dangling": "->nowhere", "a b\n": "",
	})
	for name, mode := range map[string]fs.FileMode{"z": 0o600, "a/b/c": 0o755, "ü": 0o444, "a/-x": 0o666} {
		check(t, os.Chmod(filepath.Join(from, name), mode))
	}
	check(t, os.Chtimes(filepath.Join(from, "z"), time.Time{}, time.Unix(-5, 123456789)))
	check(t, os.Chtimes(filepath.Join(from, "ü"), time.Time{}, time.Unix(4_000_000_000, 1)))

	ctx := context.Background()
	in, err := store.Open(ctx, filepath.Join(t.TempDir(), ".hc"), store.Options{Create: true})
	check(t, err)
	defer in.Close()
	var out bytes.Buffer
	w := stream.NewWriter(&out)
	_, err = Import(ctx, w, []Source{{Path: from}}, Options{})
	check(t, err)
	check(t, w.Close())
	result, err := drive.Import(ctx, in, "d", &out, hypercore.AppendOptions{}, nil)
	check(t, err)
	key, err := keys.ParseKey(result.Key)
	check(t, err)
	d, err := drive.Open(ctx, in, keys.Ref{Key: key})
	check(t, err)

	x := openExport(t, to, ExportOptions{})
	check(t, x.PutDrive(ctx, d.Drive, d.Blobs(), func(item hyperdrive.Item, err error) error { return err }))
	wantTree(t, to,
		"a/", "a/-x x", "a/b/", "a/b/c "+strings.Repeat("deep ", 100_000), "a/b/top -> ../..", "a/b/up -> ../../z", "a/in -> ../z", "a/l -> b/c",
		"a b\n ", "a.txt ", "dangling -> nowhere", "in -> a", "up -> a/b", "z last", "ü ü\n")
	for _, name := range []string{"a/b/c", "a.txt", "z", "ü", "a/-x"} {
		want, err := os.Lstat(filepath.Join(from, name))
		check(t, err)
		got, err := os.Lstat(filepath.Join(to, name))
		check(t, err)
		if got.Mode() != want.Mode() || !got.ModTime().Equal(want.ModTime()) {
			t.Errorf("%s: %v of %v, want %v of %v", name, got.Mode(), got.ModTime(), want.Mode(), want.ModTime())
		}
	}
	if s := x.Stats(); s != (ExportStats{Files: 6, Links: 7, Bytes: 500_008}) {
		t.Errorf("counted %+v", s)
	}
	// and back, on top of that: nothing has changed but the links that were absolute
	for _, i := range imported(t, Options{Since: d}, Source{Path: to}) {
		if i.Kind != stream.KindChanges && i.Kind != stream.KindLink {
			t.Errorf("%v is not as it was", i)
		}
	}
}

func TestExportRefusesNames(t *testing.T) {
	dir := t.TempDir()
	x := openExport(t, filepath.Join(dir, "copy"), ExportOptions{OutsideLinks: true})
	for _, name := range []string{
		"", "/", "a", "a/b", "/a/", "/a//b", "//a", "/.", "/..", "/../x", "/a/../../x", "/a/./b", "/a\x00b", "/\xff", "/a/\xed\xa0\x80",
		"/.hc", "/.hc/keys/x", "/a/.HC", "/.hc.", "/.h\u200cc", "/a/.hc ", `/a\.hc\x`, "/.hc-tmp-0123456789abcdef", "/a/" + strings.Repeat("x", 256),
	} {
		for _, item := range []hyperdrive.Item{fileItem(name), linkItem(name, "x")} {
			if err := x.Put(item, unread); !errors.Is(err, ErrRefused) {
				t.Errorf("%q: %v", name, err)
			}
		}
	}
	bad := fileItem("/ok")
	bad.Err = hyperdrive.ErrEntry
	if err := x.Put(bad, unread); !errors.Is(err, ErrRefused) || !errors.Is(err, hyperdrive.ErrEntry) {
		t.Errorf("an item that must be refused: %v", err)
	}
	if err := x.Put(hyperdrive.Item{Name: "/ok"}, unread); !errors.Is(err, ErrRefused) {
		t.Errorf("an item that is nothing: %v", err)
	}
	for _, name := range []string{"../x", "/x", "", ".hc/x", "a/../../x"} {
		if err := x.Remove(name); !errors.Is(err, ErrRefused) {
			t.Errorf("removing %q: %v", name, err)
		}
	}
	wantTree(t, dir, "copy/")
}

func TestExportLinks(t *testing.T) {
	for _, test := range []struct{ link, target, want string }{
		{"/l", "x", "x"}, {"/l", "./x//y/", "./x//y/"}, {"/l", "/", "."}, {"/l", "/x", "x"}, {"/l", "/x/", "x"}, {"/l", "//../../etc/passwd", "etc/passwd"},
		{"/a/l", "/", ".."}, {"/a/b/l", "/x/y", "../../x/y"}, {"/a/l", "..", ".."}, {"/a/l", "../x", "../x"}, {"/a/b/l", ".././../x", ".././../x"},
		{"/a/b/l", "/a/../../x", "../../x"}, {"/l", "...", "..."},
		{"/l", "..", ""}, {"/l", "../x", ""}, {"/a/l", "../../x", ""}, {"/l", "x/../../y", ""}, {"/a/l", "x/..", ""}, {"/l", "./..", ""}, {"/l", "x/..", ""},
		{"/l", "", ""}, {"/l", "a\x00", ""},
	} {
		dir := t.TempDir()
		x := openExport(t, dir, ExportOptions{})
		err := x.Put(linkItem(test.link, test.target), unread)
		if test.want == "" {
			if !errors.Is(err, ErrRefused) {
				t.Errorf("%s -> %s: %v", test.link, test.target, err)
			}
			x = openExport(t, dir, ExportOptions{OutsideLinks: true})
			if err := x.Put(linkItem(test.link, test.target), unread); test.target != "" && test.target != "a\x00" && err != nil {
				t.Errorf("%s -> %s, wanted: %v", test.link, test.target, err)
			}
			continue
		}
		check(t, err)
		if got, err := os.Readlink(filepath.Join(dir, test.link)); err != nil || got != test.want {
			t.Errorf("%s -> %s is %s, %v, want %s", test.link, test.target, got, err, test.want)
		}
	}
}

// A link, then a path through it: the classic way out.
func TestExportThroughLinks(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, map[string]string{"outside/victim": "untouched", "copy/theirs": "->../outside", "copy/dir/x": "x"})
	x := openExport(t, filepath.Join(dir, "copy"), ExportOptions{OutsideLinks: true})
	check(t, x.Put(linkItem("/l", "../outside"), unread))
	for _, name := range []string{"/l/victim", "/l/new", "/theirs/victim", "/theirs/new", "/l/sub/new"} {
		if err := x.Put(fileItem(name), unread); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
		if err := x.Put(linkItem(name, "x"), unread); !errors.Is(err, ErrRefused) {
			t.Errorf("link %s: %v", name, err)
		}
		if err := x.Remove(name[1:]); err != nil {
			t.Errorf("removing %s, which is not there: %v", name, err)
		}
	}
	wantTree(t, dir, "copy/", "copy/dir/", "copy/dir/x x", "copy/l -> ../outside", "copy/theirs -> ../outside", "outside/", "outside/victim untouched")

	// where it may go, the link goes, not what it points to
	var asked []string
	x = openExport(t, filepath.Join(dir, "copy"), ExportOptions{Decide: func(e Existing) (Decision, error) {
		asked = append(asked, fmt.Sprint(e.Path, " ", e.Gone, " ", e.Info.Mode().Type()))
		return Replace, nil
	}})
	check(t, x.Put(fileItem("/theirs/victim"), says("mine")))
	check(t, x.Put(fileItem("/l"), says("a file now")))
	if want := []string{"theirs true L---------", "l false L---------"}; !slices.Equal(asked, want) {
		t.Errorf("asked about %q, want %q", asked, want)
	}
	wantTree(t, dir, "copy/", "copy/dir/", "copy/dir/x x", "copy/l a file now", "copy/theirs/", "copy/theirs/victim mine", "outside/", "outside/victim untouched")
}

func TestExportDecides(t *testing.T) {
	dir := t.TempDir()
	fresh := func() {
		check(t, os.RemoveAll(dir))
		put(t, dir, map[string]string{"a": "theirs", "d/x": "theirs", "l": "->a"})
		check(t, syscall.Mkfifo(dir+"/pipe", 0o644))
	}
	names := []string{"/a", "/l", "/pipe", "/d/x"}
	for _, opt := range []ExportOptions{{}, {Decide: func(Existing) (Decision, error) { return Refuse, nil }}} {
		fresh()
		x := openExport(t, dir, opt)
		for _, name := range names {
			if err := x.Put(fileItem(name), unread); !errors.Is(err, ErrInTheWay) || !errors.Is(err, ErrRefused) {
				t.Errorf("%s: %v", name, err)
			}
			if err := x.Remove(name[1:]); !errors.Is(err, ErrInTheWay) {
				t.Errorf("removing %s: %v", name, err)
			}
		}
		if err := x.Put(fileItem("/a/b"), unread); !errors.Is(err, ErrInTheWay) {
			t.Errorf("below a file of theirs: %v", err)
		}
	}
	fresh()
	x := openExport(t, dir, ExportOptions{Decide: func(Existing) (Decision, error) { return Keep, nil }})
	for _, name := range names {
		check(t, x.Put(fileItem(name), unread))
		check(t, x.Remove(name[1:]))
	}
	if err := x.Put(fileItem("/a/b"), unread); !errors.Is(err, ErrInTheWay) {
		t.Errorf("below a file of theirs that is kept: %v", err)
	}
	if s := x.Stats(); s != (ExportStats{Kept: 8}) {
		t.Errorf("counted %+v", s)
	}
	x = openExport(t, dir, ExportOptions{Decide: func(Existing) (Decision, error) { return Replace, nil }})
	if err := x.Put(fileItem("/d"), unread); !errors.Is(err, ErrInTheWay) {
		t.Errorf("in the place of a folder with something in it: %v", err)
	}
	if err := x.Remove("d"); !errors.Is(err, ErrInTheWay) {
		t.Errorf("removing a folder: %v", err)
	}
	for _, name := range names {
		check(t, x.Put(fileItem(name), says("new")))
	}
	wantTree(t, dir, "a new", "d/", "d/x new", "l new", "pipe new")
	broken := errors.New("cannot tell")
	x = openExport(t, dir, ExportOptions{Decide: func(Existing) (Decision, error) { return Replace, broken }})
	if err := x.Put(fileItem("/a"), unread); !errors.Is(err, broken) || errors.Is(err, ErrRefused) {
		t.Errorf("an error of who decides: %v", err)
	}
}

// A file becomes a folder, and the other way round: what is gone goes first, and empty folders with it.
func TestExportRemove(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, map[string]string{"a": "a", "b/c/d": "d", "b/c/e": "e", "k/own": "own", "k/x": "x", "empty/": "", "deep/1/2/3/x": "x", "hollow/1/2/": "", "hollow/3/": "", "hollow too/1/own": "own"})
	x := openExport(t, dir, ExportOptions{Decide: func(Existing) (Decision, error) { return Replace, nil }})
	for _, path := range []string{"a", "b/c/d", "b/c/e", "deep/1/2/3/x", "k/x", "not/there", "b/c/e"} {
		check(t, x.Remove(path))
	}
	check(t, x.Put(fileItem("/a/b"), says("in a folder")))
	check(t, x.Put(fileItem("/b"), says("a file")))
	check(t, x.Put(fileItem("/empty"), says("was empty")))
	check(t, x.Put(fileItem("/deep/1"), says("1")))
	check(t, x.Put(fileItem("/hollow"), says("had folders")))
	if err := x.Put(fileItem("/hollow too"), unread); !errors.Is(err, ErrInTheWay) {
		t.Errorf("a folder with a file below it: %v", err)
	}
	wantTree(t, dir, "a/", "a/b in a folder", "b a file", "deep/", "deep/1 1", "empty was empty", "hollow had folders", "hollow too/", "hollow too/1/", "hollow too/1/own own", "k/", "k/own own")
	if s := x.Stats(); s.Removed != 5 || s.Files != 5 {
		t.Errorf("counted %+v", s)
	}
	// a drive may have both, as stock does; neither takes the other's place in silence
	if err := x.Put(fileItem("/b/c"), unread); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "a file or a link and a folder") {
		t.Errorf("a file and a folder: %v", err)
	}
	if err := x.Put(fileItem("/a"), unread); !errors.Is(err, ErrRefused) {
		t.Errorf("a folder and a file: %v", err)
	}
	if err := x.Put(linkItem("/b", "x"), unread); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "written already") {
		t.Errorf("twice: %v", err)
	}
}

// On a disk that takes names for one another neither of two takes the other's place.
func TestExportFoldingDisk(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, map[string]string{"readme": "1", "src/x": "2"})
	x := openExport(t, dir, ExportOptions{Decide: func(Existing) (Decision, error) { return Replace, nil }})
	if x.folds {
		t.Skip("this disk does that by itself, and the test's one does not know how")
	}
	x.folds = true
	x.dirs[0].fold = strings.ToLower
	for _, name := range []string{"/README", "/SRC/y", "/Src"} {
		if err := x.Put(fileItem(name), unread); !errors.Is(err, ErrRefused) || errors.Is(err, ErrInTheWay) || !strings.Contains(err.Error(), "takes its name for that of another file") {
			t.Errorf("%s: %v", name, err)
		}
		check(t, x.Remove(name[1:]))
	}
	check(t, x.Remove("SRC/x"))
	check(t, x.Put(fileItem("/readme"), says("new")))
	check(t, x.Put(fileItem("/src/x"), says("new")))
	check(t, x.Put(fileItem("/fresh"), says("new")))
	if err := x.Put(fileItem("/Fresh"), unread); !errors.Is(err, ErrRefused) {
		t.Errorf("behind one that was written: %v", err)
	}
	wantTree(t, dir, "fresh new", "readme new", "src/", "src/x new")
}

// What is not whole is not there, and the old one is.
func TestExportIsWholeOrNothing(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, map[string]string{"a": "old", "d/": ""})
	x := openExport(t, dir, ExportOptions{Decide: func(Existing) (Decision, error) { return Replace, nil }})
	for _, why := range []error{hyperdrive.ErrContent, syscall.ENOSPC, context.Canceled} {
		half := func(w io.Writer) error {
			check(t, says("half")(w))
			return why
		}
		for _, name := range []string{"/a", "/new", "/d/new"} {
			if err := x.Put(fileItem(name), half); !errors.Is(err, why) || errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), name[1:]) {
				t.Errorf("%s: %v", name, err)
			}
		}
		wantTree(t, dir, "a old", "d/")
	}
	check(t, x.Put(fileItem("/a"), says("new")))
	if s := x.Stats(); s != (ExportStats{Files: 1, Bytes: 3}) {
		t.Errorf("counted %+v", s)
	}
}

// Of one that was killed unfinished files are left: the next one removes them, and no import takes them.
func TestExportLeftovers(t *testing.T) {
	dir := t.TempDir()
	names := newTempNames()
	left, other := names.next(), ".hc-tmp-mine"
	put(t, dir, map[string]string{left: "half", "d/" + left: "half", "d/x": "x", "d/" + other: "m", "e/" + left: "half"})
	want(t, imported(t, Options{}, Source{Path: dir}), `tree`, `file 0644 "d/.hc-tmp-mine" "m"`, `file 0644 "d/x" "x"`)
	x := openExport(t, dir, ExportOptions{})
	check(t, x.Put(fileItem("/d/y"), says("y")))
	check(t, x.Put(fileItem("/e/y"), says("y")))
	wantTree(t, dir, "d/", "d/"+other+" m", "d/x x", "d/y y", "e/", "e/y y")
}

func TestCopyFile(t *testing.T) {
	dir := t.TempDir()
	text := strings.Repeat("0123456789", 100_000)
	put(t, dir, map[string]string{"src": text})
	src, err := os.Open(dir + "/src")
	check(t, err)
	defer src.Close()
	_, err = src.Seek(77, io.SeekStart)
	check(t, err)
	x := openExport(t, dir, ExportOptions{})
	check(t, x.Put(fileItem("/copy"), func(w io.Writer) error { return CopyFile(w, src) }))
	if got, err := os.ReadFile(dir + "/copy"); err != nil || string(got) != text {
		t.Errorf("the copy has %d bytes, %v", len(got), err)
	}
	if x.Stats().Bytes != uint64(len(text)) {
		t.Errorf("counted %+v", x.Stats())
	}
	var memory bytes.Buffer
	check(t, CopyFile(&memory, src))
	if memory.String() != text {
		t.Errorf("the copy in memory has %d bytes", memory.Len())
	}
}

// What was begun is written beside the rest, its folder open or not: a folder that is left and entered again meanwhile keeps
// it, and neither a folder nor a file takes its name.
func TestExportBegins(t *testing.T) {
	dir := t.TempDir()
	x := openExport(t, dir, ExportOptions{})
	begin := func(name, content string) func() error {
		t.Helper()
		write, err := x.Begin(fileItem(name), says(content))
		if err != nil || write == nil {
			t.Fatalf("%q: %v", name, err)
		}
		return write
	}
	writing, proceed := make(chan struct{}), make(chan struct{})
	held, err := x.Begin(fileItem("/d/held"), func(w io.Writer) error {
		close(writing)
		<-proceed
		return says("h")(w)
	})
	check(t, err)
	ended := make(chan error, 1)
	go func() { ended <- held() }()
	<-writing
	a, b := begin("/d/e/a", "a"), begin("/f", "f")
	check(t, x.Put(fileItem("/d/b"), says("b"))) // enters /d again
	if err := x.Put(fileItem("/f/under"), says("u")); !errors.Is(err, ErrRefused) {
		t.Errorf("a name that was begun: %v", err)
	}
	if err := x.Put(fileItem("/d/held"), says("other")); !errors.Is(err, ErrRefused) {
		t.Errorf("a name that was begun: %v", err)
	}
	check(t, a())
	check(t, b())
	close(proceed)
	check(t, <-ended)
	wantTree(t, dir, "d/", "d/b b", "d/e/", "d/e/a a", "d/held h", "f f")
	if s := x.Stats(); s != (ExportStats{Files: 4, Bytes: 4}) {
		t.Errorf("counted %+v", s)
	}
}

// What was killed between the removal of a folder and of the one above it has left that one empty.
func TestExportTidiesAboveWhatIsGone(t *testing.T) {
	dir := t.TempDir()
	check(t, os.MkdirAll(dir+"/a/deep", 0o777))
	check(t, os.MkdirAll(dir+"/b/deep", 0o777))
	check(t, os.WriteFile(dir+"/b/mine", nil, 0o666))
	x, err := OpenExport(dir, ExportOptions{})
	check(t, err)
	check(t, x.Tidy("a/deep/er/file"))
	check(t, x.Tidy("b/deep/er/file"))
	check(t, x.Tidy("c/file"))
	check(t, x.Close())
	for name, there := range map[string]bool{"a": false, "b/deep": false, "b/mine": true} {
		if _, err := os.Lstat(dir + "/" + name); (err == nil) != there {
			t.Errorf("%s: %v", name, err)
		}
	}
}
