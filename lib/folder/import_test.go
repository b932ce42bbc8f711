package folder

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"hc/lib/chunk"
	"hc/lib/stream"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// put writes files: names that end in / are folders, values that begin with -> are links.
func put(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(dir, name)
		check(t, os.MkdirAll(filepath.Dir(path), 0o755))
		target, isLink := strings.CutPrefix(content, "->")
		switch {
		case strings.HasSuffix(name, "/"):
			check(t, os.MkdirAll(path, 0o755))
		case isLink:
			check(t, os.Symlink(target, path))
		default:
			check(t, os.WriteFile(path, []byte(content), 0o644))
		}
	}
}

// item is what a stream says of a path, with a file's content.
type item struct {
	stream.Item
	content string
}

func (i item) String() string {
	s := i.Kind.String()
	switch i.Kind {
	case stream.KindTree, stream.KindChanges, stream.KindPurge:
		return s
	case stream.KindFile:
		s += fmt.Sprintf(" %04o", uint32(i.Mode))
	}
	s += fmt.Sprintf(" %q", i.Path)
	if i.Target != "" {
		s += fmt.Sprintf(" %q", i.Target)
	}
	if i.content != "" {
		s += fmt.Sprintf(" %.30q", i.content)
	}
	return s
}

// items reads a whole stream.
func items(t testing.TB, in io.Reader) (all []item) {
	t.Helper()
	r := stream.NewFolderReader(in)
	for {
		it, err := r.Next()
		if err == io.EOF {
			return all
		}
		check(t, err)
		one := item{Item: it}
		for {
			batch, _, err := r.NextBatch(nil, 1<<20)
			if err == io.EOF {
				break
			}
			check(t, err)
			for _, b := range batch {
				one.content += string(b)
			}
		}
		all = append(all, one)
	}
}

// imported runs an import to its end and returns what the stream says.
func imported(t testing.TB, opt Options, sources ...Source) []item {
	t.Helper()
	var out bytes.Buffer
	w := stream.NewWriter(&out)
	done, err := Import(context.Background(), w, sources, opt)
	check(t, err)
	check(t, w.Close())
	check(t, done.Keep(nil))
	return items(t, &out)
}

// refused returns the error of an import, and sees that its stream is void.
func refused(t testing.TB, opt Options, sources ...Source) error {
	t.Helper()
	var out bytes.Buffer
	w := stream.NewWriter(&out)
	_, err := Import(context.Background(), w, sources, opt)
	if err == nil {
		t.Fatal("the import passes")
	}
	return err
}

// lines prints items, one a line.
func lines(all []item) string {
	var s []string
	for _, i := range all {
		s = append(s, i.String())
	}
	return strings.Join(s, "\n")
}

func want(t testing.TB, got []item, lineByLine ...string) {
	t.Helper()
	if want := strings.Join(lineByLine, "\n"); lines(got) != want {
		t.Errorf("got\n%s\nwant\n%s", lines(got), want)
	}
}

func TestImportFolder(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, map[string]string{
		"a/b": "in a folder", "a-b": "before it", "a.txt": "", "ab": "behind it", "empty/": "", "ä/ü": "umlauts",
		"with space\n": "x", "l": "->a/b", "dangling": "->../nowhere", "in": "->" + dir + "/a/b", "top": "->" + dir, "out": "->/etc/passwd",
		"beside": "->" + dir + "-2/x", ".hc/keys/secret": "s", "a/.HC/x": "s", "a/.hc.": "s", ".hidden": "h", "f/.hc\u200c/x": "s",
	})
	check(t, os.Chmod(filepath.Join(dir, "ab"), 0o4711))
	when := time.Unix(-1, 123456789)
	check(t, os.Chtimes(filepath.Join(dir, "ab"), time.Time{}, when))
	check(t, os.Link(filepath.Join(dir, "ab"), filepath.Join(dir, "hard")))
	got := imported(t, Options{}, Source{Path: dir})
	want(t, got,
		`tree`,
		`file 0644 ".hidden" "h"`,
		`file 0644 "a-b" "before it"`,
		`file 0644 "a.txt"`,
		`file 0644 "a/b" "in a folder"`,
		`file 0711 "ab" "behind it"`,
		fmt.Sprintf(`link "beside" %q`, dir+"-2/x"),
		`link "dangling" "../nowhere"`,
		`file 0711 "hard" "behind it"`,
		`link "in" "/a/b"`,
		`link "l" "a/b"`,
		`link "out" "/etc/passwd"`,
		`link "top" "/"`,
		`file 0644 "with space\n" "x"`,
		`file 0644 "ä/ü" "umlauts"`,
	)
	if at := slices.IndexFunc(got, func(i item) bool { return i.Path == "ab" }); got[at].ModTime != when.UnixNano() {
		t.Errorf("its time is %d, not %d", got[at].ModTime, when.UnixNano())
	}
}

// A folder that is named by a link is read, and links to its own name and to where it is are in it.
func TestImportThroughLink(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, map[string]string{"real/x": "x", "real/by-link": "->" + dir + "/link/x", "real/by-place": "->" + dir + "/real/x", "link": "->real"})
	want(t, imported(t, Options{}, Source{Path: dir + "/link", As: "data"}),
		`tree`, `link "data/by-link" "/data/x"`, `link "data/by-place" "/data/x"`, `file 0644 "data/x" "x"`)
}

func TestImportSources(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, map[string]string{"one/x": "1", "one-more": "2", "two/one/x": "3", "link": "->one-more"})
	one, more, link := Source{dir + "/one", "one"}, Source{dir + "/one-more", "one-more"}, Source{dir + "/link", "link"}
	want(t, imported(t, Options{Add: true}, one, link, more),
		`link "link" "one-more"`, `file 0644 "one-more" "2"`, `file 0644 "one/x" "1"`)
	for name, sources := range map[string][]Source{
		"one name twice":      {one, {dir + "/two/one", "one"}},
		"one beside the root": {{dir + "/one", ""}, more},
		"a file as the root":  {{dir + "/one-more", ""}},
		"a store":             {{dir + "/one", ".hc"}},
		"out of the drive":    {{dir + "/one", "../x"}},
		"what is not there":   {{dir + "/three", "three"}},
	} {
		if err := refused(t, Options{}, sources...); err == nil {
			t.Error(name)
		}
	}
}

func TestImportSpecial(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, map[string]string{"a": "a", "z": "z"})
	check(t, syscall.Mkfifo(dir+"/pipe", 0o644))
	err := refused(t, Options{}, Source{Path: dir})
	if !errors.Is(err, ErrSpecial) || !strings.Contains(err.Error(), `"pipe": it is a named pipe`) {
		t.Errorf("error %v", err)
	}
	check(t, os.WriteFile(dir+"/bad\xff", nil, 0o644))
	check(t, os.MkdirAll(dir+"/folder\xff/x", 0o755))
	check(t, os.Symlink("\xff", dir+"/link"))
	var warned []string
	got := imported(t, Options{SkipSpecial: true, Warn: func(s string) { warned = append(warned, s) }}, Source{Path: dir})
	want(t, got, `tree`, `file 0644 "a" "a"`, `file 0644 "z" "z"`)
	for i, part := range []string{`"bad\xff" is left out: path "bad\xff" is not UTF-8`, `"folder\xff" is left out`, `"link" is left out: target`, `"pipe" is left out: it is a named pipe`} {
		if len(warned) != 4 || !strings.Contains(warned[i], part) {
			t.Errorf("warned of %q, not of %s", warned, part)
		}
	}
	check(t, os.Remove(dir+"/pipe"))
	check(t, os.Remove(dir+"/link"))
	if err := refused(t, Options{}, Source{Path: dir}); !errors.Is(err, ErrSpecial) || !strings.Contains(err.Error(), "is not UTF-8") {
		t.Errorf("error %v", err)
	}
}

func TestImportPatterns(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, map[string]string{
		IgnoreFile: "*.log\n/build/\n", "a.log": "", "b.txt": "b", "build/x": "", "d/build/x": "x", "d/c.log": "c",
		"d/" + IgnoreFile: "!c.log\n", "d/e/c.log": "c", "e/c.log": "",
	})
	want(t, imported(t, Options{}, Source{Path: dir}),
		`tree`, `file 0644 ".hcignore" "*.log\n/build/\n"`, `file 0644 "b.txt" "b"`, `file 0644 "d/.hcignore" "!c.log\n"`,
		`file 0644 "d/build/x" "x"`, `file 0644 "d/c.log" "c"`, `file 0644 "d/e/c.log" "c"`)
	want(t, imported(t, Options{Exclude: []string{"d/*", ".hcignore", "*.txt"}, Include: []string{"a.log", "/d/c.log"}}, Source{Path: dir}),
		`tree`, `file 0644 "a.log"`, `file 0644 "d/c.log" "c"`)
	want(t, imported(t, Options{Exclude: []string{"/d/e"}}, Source{Path: dir + "/d", As: "d"}),
		`tree`, `file 0644 "d/.hcignore" "!c.log\n"`, `file 0644 "d/build/x" "x"`, `file 0644 "d/c.log" "c"`)
	for _, bad := range []string{"", "!x", "# x", "a\nb", "/"} {
		if err := refused(t, Options{Exclude: []string{bad}}, Source{Path: dir}); !errors.Is(err, ErrPattern) {
			t.Errorf("pattern %q: %v", bad, err)
		}
	}
	check(t, os.WriteFile(dir+"/d/"+IgnoreFile, make([]byte, maxIgnoreFile+1), 0o644))
	if err := refused(t, Options{}, Source{Path: dir}); !strings.Contains(err.Error(), `"d/.hcignore" has 1048577 bytes`) {
		t.Errorf("a large ignore file: %v", err)
	}
}

// Files are cut as a Chunker cuts them, whatever way they are read.
func TestImportCuts(t *testing.T) {
	dir := t.TempDir()
	dice := rand.NewChaCha8([32]byte{9})
	var names []string
	for i, size := range []int{0, 1, 100, 16 << 10, 200_000, smallFile - 1, smallFile, smallFile + 1, 1 << 20, 5 << 20} {
		data := make([]byte, size)
		_, _ = dice.Read(data)
		names = append(names, fmt.Sprintf("%02d", i))
		check(t, os.WriteFile(filepath.Join(dir, names[i]), data, 0o644))
	}
	rabin, err := chunk.NewRabin(chunk.Limits{})
	check(t, err)
	lines, err := chunk.NewLines(0)
	check(t, err)
	for _, test := range []struct {
		cutter chunk.Cutter
		lines  bool
	}{{rabin, false}, {lines, true}} {
		var got, want bytes.Buffer
		w := stream.NewWriter(&got)
		stats, err := Import(context.Background(), w, []Source{{Path: dir}}, Options{Cutter: test.cutter, Lines: test.lines})
		check(t, err)
		check(t, w.Close())
		w = stream.NewWriter(&want)
		check(t, w.Tree(nil))
		var total uint64
		for _, name := range names {
			file, err := os.Open(filepath.Join(dir, name))
			check(t, err)
			info, err := file.Stat()
			check(t, err)
			check(t, w.File(info.Mode(), info.ModTime().UnixNano(), name))
			c := chunk.New(file, test.cutter, 0)
			for data, err := c.Next(); err == nil; data, err = c.Next() {
				if test.lines {
					check(t, w.Lines(data))
				} else {
					check(t, w.Chunk(data))
				}
				total += uint64(len(data))
			}
			check(t, file.Close())
		}
		check(t, w.Close())
		if !bytes.Equal(got.Bytes(), want.Bytes()) {
			t.Errorf("lines %v: another stream than by hand, of %d bytes in place of %d", test.lines, got.Len(), want.Len())
		}
		if stats.Files != uint64(len(names)) || stats.Bytes != total {
			t.Errorf("counted %+v, not %d files of %d bytes", stats, len(names), total)
		}
	}
	fixed, err := chunk.NewLines(64)
	check(t, err)
	if err := refused(t, Options{Cutter: fixed}, Source{Path: dir}); !errors.Is(err, chunk.ErrTooLong) {
		t.Errorf("a line that is too long: %v", err)
	}
}

func TestImportEnds(t *testing.T) {
	dir := t.TempDir()
	for i := range 300 {
		put(t, dir, map[string]string{fmt.Sprint(i): strings.Repeat("x", 10_000)})
	}
	full := errors.New("no space")
	n := 0
	w := stream.NewWriter(writerFunc(func(p []byte) (int, error) {
		if n += len(p); n > 1_000_000 {
			return 0, full
		}
		return len(p), nil
	}))
	if _, err := Import(context.Background(), w, []Source{{Path: dir}}, Options{}); !errors.Is(err, full) {
		t.Errorf("a full disk behind it: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	w = stream.NewWriter(writerFunc(func(p []byte) (int, error) { cancel(); return len(p), nil }))
	if _, err := Import(ctx, w, []Source{{Path: dir}}, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// A folder of many folders and a large one are found in the order of keys, whoever lists them.
func TestImportOrder(t *testing.T) {
	dir := t.TempDir()
	files := map[string]string{}
	for i := range 3 * statTogether {
		files[fmt.Sprintf("large/%d", i)] = ""
	}
	for i := range 5 * listedAhead {
		files[fmt.Sprintf("%d/%d/x", i, i%7)], files[fmt.Sprintf("%d/%d-x", i, i%7)] = "", ""
	}
	put(t, dir, files)
	for range 5 {
		var got []string
		for _, i := range imported(t, Options{Add: true}, Source{Path: dir}) {
			got = append(got, i.Path)
		}
		if want := slices.Sorted(maps.Keys(files)); !slices.Equal(got, want) {
			t.Fatalf("found are %d files, not %d in order", len(got), len(want))
		}
	}
}

// A folder that cannot be read is named, also where it was listed before its turn; what comes before it is no error.
func TestImportUnreadable(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root reads everything")
	}
	dir := t.TempDir()
	put(t, dir, map[string]string{"a/x": "", "m/locked/x": "", "z/x": ""})
	check(t, os.Chmod(dir+"/m/locked", 0))
	defer os.Chmod(dir+"/m/locked", 0o755)
	if err := refused(t, Options{}, Source{Path: dir}); !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "m/locked") {
		t.Errorf("error %v", err)
	}
}

// A path that is longer than a stream takes is named; what is in folders that are just deep is read.
func TestImportDeepFolders(t *testing.T) {
	dir := t.TempDir()
	part := strings.Repeat("d", 200)
	at, err := os.OpenRoot(dir)
	check(t, err)
	path := ""
	for len(path) < stream.MaxPath {
		check(t, at.WriteFile("f", nil, 0o644))
		check(t, at.Mkdir(part, 0o755))
		sub, err := at.OpenRoot(part)
		check(t, err)
		check(t, at.Close())
		at, path = sub, path+part+"/"
	}
	check(t, at.WriteFile("f", nil, 0o644))
	check(t, at.Close())
	if err := refused(t, Options{}, Source{Path: dir}); !errors.Is(err, ErrSpecial) || !strings.Contains(err.Error(), "the limit is 4096") {
		t.Errorf("error %v", err)
	}
	warned := 0
	got := imported(t, Options{SkipSpecial: true, Warn: func(string) { warned++ }}, Source{Path: dir})
	if len(got) != 1+stream.MaxPath/(len(part)+1)+1 || warned != 1 {
		t.Errorf("%d items, %d warnings", len(got), warned)
	}
}
