package stream

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
)

func TestFolderRejected(t *testing.T) {
	pad := strings.Repeat
	hash := pad("0a", 32)
	for _, test := range []struct{ name, body, want string }{
		{"blocks of no file", "chunk 1\nx\n", "the stream is of plain bytes, not of a folder"},
		{"lines of no file", "tree\nlines 1 1\n\n\n", "frame 2 at byte 17: blocks that belong to no file"},
		{"blocks behind a link", "file 0644 0 f\nlink 1 a\nb\nchunk 1\nx\n", "blocks that belong to no file"},
		{"blocks behind a same", "file 0644 0 f\nsame b\nf\nchunk 1\nx\n", "blocks that belong to no file"},
		{"bad block", "file 0644 0 f\nchunk 01\nx\n", "leading zero"},
		{"unknown word", "file 0644 0 f\nfolder a\n", `unknown header "folder a"`},

		{"second tree", "tree\ntree\n", "tree must be the first frame"},
		{"late tree", "file 0644 0 f\ntree\n", "tree must be the first frame"},
		{"tree and space", "tree \n", "is not since"},
		{"tree of something", "tree until 1.2." + hash + "\n", "is not since"},
		{"since nothing", "tree since\n", "is not since"},
		{"since two", "tree since 1.2\n", "is not since"},
		{"since four", "tree since 1.2.3." + hash + "\n", "is not since"},
		{"since capitals", "tree since 1.2." + pad("0A", 32) + "\n", "64 lower case hex digits"},
		{"since short", "tree since 1.2." + hash[2:] + "\n", "64 lower case hex digits"},
		{"since no hex", "tree since 1.2." + pad("0g", 32) + "\n", "tree hash"},
		{"since zeros", "tree since 01.2." + hash + "\n", "fork: number"},
		{"since too long", "tree since 1.18446744073709551616." + hash + "\n", "length: "},
		{"since behind", "tree since 1.2." + hash + " \n", "64 lower case"},
		{"keep without", "keep a\n", "keep is allowed only after tree since"},
		{"keep under tree", "tree\nkeep a\n", "keep is allowed only after tree since"},
		{"delete under tree", "tree\ndelete a\n", "delete is not allowed after tree"},
		{"late changes", "file 0644 0 f\nchanges since 0.1." + hash + "\n", "changes must be the first frame"},
		{"changes under tree", "tree\nchanges since 0.1." + hash + "\n", "changes must be the first frame"},
		{"tree under changes", "changes since 0.1." + hash + "\ntree\n", "tree must be the first frame"},
		{"changes of nothing", "changes\n", "is not since"},
		{"changes of something", "changes until 0.1." + hash + "\n", "is not since"},
		{"changes since two", "changes since 0.1\n", "is not since"},
		{"changes behind", "changes since 0.1." + hash + " \n", "64 lower case"},
		{"keep under changes", "changes since 0.1." + hash + "\nkeep a\n", "keep is allowed only after tree since"},
		{"purge under tree", "tree\npurge\n", "purge is allowed only after changes"},
		{"purge alone", "purge\n", "purge is allowed only after changes"},
		{"purge twice", "changes since 0.1." + hash + "\npurge\npurge\n", "purge is allowed only after changes, and once"},
		{"purge of a path", "changes since 0.1." + hash + "\npurge a\n", "nothing may follow purge"},
		{"purge and space", "changes since 0.1." + hash + "\npurge \n", "nothing may follow purge"},
		{"blocks behind purge", "changes since 0.1." + hash + "\nfile 0644 0 f\npurge\nchunk 1\nx\n", "blocks that belong to no file"},
		{"blocks of changes", "changes since 0.1." + hash + "\nchunk 1\nx\n", "blocks that belong to no file"},

		{"no path", "delete\n", "a path is missing"},
		{"empty path", "delete \n", "is not a path"},
		{"empty quoted", "delete \"\"\n", "is not a path"},
		{"file without path", "file 0644 0\n", "is not a path"},
		{"file without time", "file 0644\n", "a number is missing"},
		{"mode of three", "file 644 0 f\n", "mode"},
		{"mode of five", "file 00644 0 f\n", "mode"},
		{"mode eight", "file 0648 0 f\n", "mode"},
		{"setuid", "file 4755 0 f\n", "mode"},
		{"mode sign", "file +644 0 f\n", "mode"},
		{"mode under", "file 0_44 0 f\n", "mode"},
		{"two spaces", "file 0644  0 f\n", "a number is missing"},
		{"time zero", "file 0644 00 f\n", "leading zero"},
		{"time minus zero", "file 0644 -0 f\n", "0 has no sign"},
		{"time plus", "file 0644 +1 f\n", "is not a number"},
		{"time twice", "file 0644 --1 f\n", "is not a number"},
		{"time too late", "file 0644 9223372036854775808 f\n", "over the limit"},
		{"time too early", "file 0644 -9223372036854775809 f\n", "over the limit"},

		{"needless quotes", "delete \"a\"\n", "is not spelt as git spells it"},
		{"no quotes", "delete a\"b\n", "is not spelt as git spells it"},
		{"raw", "delete ä\n", "is not spelt as git spells it"},
		{"raw in quotes", "delete \"ä\"\n", "is not spelt as git spells it"},
		{"octal letter", `delete "\012"` + "\n", "is not spelt as git spells it"},
		{"octal plain", `delete "\141\303\244"` + "\n", "is not spelt as git spells it"},
		{"octal of two", `delete "\30"` + "\n", "is not spelt as git spells it"},
		{"octal too big", `delete "\503\244"` + "\n", "is not spelt as git spells it"},
		{"hex", `delete "\xc3\xa4"` + "\n", "is not spelt as git spells it"},
		{"unknown letter", `delete "\e\303\244"` + "\n", "is not spelt as git spells it"},
		{"open quote", `delete "\303\244` + "\n", "is not spelt as git spells it"},
		{"behind quote", `delete "\303\244"b` + "\n", "is not spelt as git spells it"},
		{"backslash last", `delete "\303\244\` + "\n", "is not spelt as git spells it"},
		{"CR", "delete a\r\n", "is not spelt as git spells it"},
		{"NUL", `delete "a\000"` + "\n", "holds a NUL"},
		{"not UTF-8", `delete "a\377"` + "\n", "is not UTF-8"},
		{"surrogate", `delete "\355\240\200"` + "\n", "is not UTF-8"},
		{"long", "delete " + pad("a", 4097) + "\n", "has 4097 bytes"},
		{"absolute", "delete /a\n", `has a part ""`},
		{"slash behind", "delete a/\n", `has a part ""`},
		{"two slashes", "delete a//b\n", `has a part ""`},
		{"dot", "delete a/./b\n", `has a part "."`},
		{"dots", "delete ../b\n", `has a part ".."`},
		{"only dots", "delete ..\n", `has a part ".."`},
		{"store", "delete a/.hc/keys\n", "a folder named .hc"},
		{"store in capitals", "file 0644 0 .HC\n", "a folder named .hc"},
		{"store unseen", `file 0644 0 "\342\200\213.hc"` + "\n", "a folder named .hc"},
		{"store by backslash", `file 0644 0 "a\\.hc"` + "\n", "a folder named .hc"},

		{"link without length", "link a\nb\n", "length of the target"},
		{"link of zeros", "link 01 a\nb\n", "leading zero"},
		{"link to nothing", "link 0 a\n\n", "without a target"},
		{"link too long", "link 4097 a\n" + pad("b", 4097) + "\n", "over the limit of 4096"},
		{"link short", "link 1 a\nbc\n", "no LF after its target"},
		{"link NUL", "link 1 a\n\x00\n", "holds a NUL"},
		{"link no UTF-8", "link 1 a\n\xff\n", "is not UTF-8"},

		{"same alone", "same a\nb\n", "which no file frame has named before"},
		{"same early", "same a\nb\nfile 0644 0 b\n", "which no file frame has named before"},
		{"same as itself", "same a\na\n", "which no file frame has named before"},
		{"same as a link", "link 1 b\nc\nsame a\nb\n", "which no file frame has named before"},
		{"same as a same", "file 0644 0 c\nsame b\nc\nsame a\nb\n", "which no file frame has named before"},
		{"same as a kept one", "tree since 0.1." + hash + "\nkeep b\nsame a\nb\n", "which no file frame has named before"},
		{"same as a folder", "file 0644 0 a/b\nsame c\na\n", "which no file frame has named before"},
		{"same spelt badly", "file 0644 0 b\nsame a\n\"b\"\n", "is not spelt as git spells it"},
		{"same out of here", "file 0644 0 b\nsame a\n../b\n", `has a part ".."`},
		{"same of nothing", "file 0644 0 b\nsame a\n\n", "is not a path"},

		{"file twice", "file 0644 0 a\nfile 0644 0 a\n", "a is named twice"},
		{"file and link", "file 0644 0 a\nlink 1 a\nb\n", "a is named twice"},
		{"file and delete", "file 0644 0 a\ndelete a\n", "a is named twice"},
		{"delete and file", "delete a\nfile 0644 0 a\n", "a is named twice"},
		{"keep and file", "tree since 0.1." + hash + "\nkeep ä\n", "is not spelt"},
		{"kept twice", "tree since 0.1." + hash + "\nkeep a\nkeep b\nkeep a\n", "a is named twice"},
		{"quoted twice", `delete "\303\244"` + "\n" + `delete "\303\244"` + "\n", `"\303\244" is named twice`},
		{"below a file", "file 0644 0 a\nfile 0644 0 a/b\n", "a/b is below a, which is a file or a link"},
		{"far below a link", "link 1 a\nb\nfile 0644 0 a/b/c/d\n", "a/b/c/d is below a, which is a file or a link"},
		{"below a kept one", "tree since 0.1." + hash + "\nkeep a\nlink 1 a/b\nc\n", "a/b is below a"},
		{"below a same", "file 0644 0 a\nsame b\na\nfile 0644 0 b/c\n", "b/c is below b"},
		{"below a later file", "file 0644 0 a/b/c\nfile 0644 0 x/y\nfile 0644 0 a\n", "a is a file or a link, and an earlier path is below it"},
		{"below a later link", "file 0644 0 a/b/c\nlink 1 a/b\nc\n", "a/b is a file or a link, and an earlier path is below it"},
	} {
		t.Run(test.name, func(t *testing.T) {
			in := sealed(test.body, strings.Count(test.body, "\n"), 0) // never reached
			_, err := readFolder(strings.NewReader(in), 1<<20)
			if !errors.Is(err, ErrFormat) || !strings.Contains(fmt.Sprint(err), test.want) {
				t.Fatalf("error %q, want one about %q", err, test.want)
			}
			if _, again := readFolder(iotest.OneByteReader(strings.NewReader(in)), 0); fmt.Sprint(again) != fmt.Sprint(err) {
				t.Errorf("by bytes: %v, not %v", again, err)
			}
		})
	}
}

// Streams that are accepted although they are close to rejected ones.
func TestFolderAccepted(t *testing.T) {
	for _, test := range []struct {
		body   string
		frames int
	}{
		{"", 0},
		{"tree\n", 1},
		{"delete a\nfile 0644 0 a/b\n", 2}, // a folder takes a file's place
		{"delete a/b\nfile 0644 0 a\n", 2}, // and the other way round
		{"file 0644 0 a\ndelete a/b\n", 2}, // in any order
		{"file 0644 0 a/b\ndelete a\n", 2}, // stock has both at times
		{"file 0644 0 a\nfile 0644 0 a-b\nfile 0644 0 ab/c\nfile 0644 0 a b/c\n", 4},
		{"file 0000 0  \nfile 0777 0  a \n", 2}, // names of spaces
		{"file 0644 0 " + strings.Repeat("a", MaxPath) + "\n", 1},
		{"link 4096 a\n" + strings.Repeat("\n", MaxPath) + "\n", 1},
		{"link 3 a\n/.h\nlink 13 b\n../../.hc/key\n", 2}, // a target is text
	} {
		if _, err := readFolder(strings.NewReader(sealed(test.body, test.frames, 0)), 1); err != io.EOF {
			t.Errorf("%.60q: %v", test.body, err)
		}
	}
}

func TestFolderWriterRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		calls func(w *Writer) error
		want  string
	}{
		"blocks before":  {func(w *Writer) error { _ = w.Chunk([]byte("x")); return w.File(0o644, 0, "a") }, "cannot be mixed with blocks"},
		"lines before":   {func(w *Writer) error { _ = w.Lines([]byte("x")); return w.Tree(nil) }, "cannot be mixed with blocks"},
		"chunk of none":  {func(w *Writer) error { _ = w.Tree(nil); return w.Chunk([]byte("x")) }, "belong to no file"},
		"lines of none":  {func(w *Writer) error { _ = w.Link("a", "b"); return w.Lines([]byte("x")) }, "belong to no file"},
		"mode":           {func(w *Writer) error { return w.File(0o1644, 0, "a") }, "permission bits"},
		"folder's mode":  {func(w *Writer) error { return w.File(1<<31, 0, "a") }, "permission bits"},
		"path":           {func(w *Writer) error { return w.Delete("/a") }, `part ""`},
		"store":          {func(w *Writer) error { return w.File(0o644, 0, ".hc/keys/a") }, "a folder named .hc"},
		"twice":          {func(w *Writer) error { _ = w.Delete("a"); return w.Delete("a") }, "named twice"},
		"same":           {func(w *Writer) error { return w.Same("a", "b") }, "no file frame has named before"},
		"keep":           {func(w *Writer) error { _ = w.Tree(nil); return w.Keep("a") }, "only after tree since"},
		"changes":        {func(w *Writer) error { _ = w.Tree(nil); return w.Changes(Since{}) }, "must be the first frame"},
		"purge":          {func(w *Writer) error { _ = w.Tree(nil); return w.Purge() }, "only after changes"},
		"target":         {func(w *Writer) error { return w.Link("a", "") }, "without a target"},
		"target of NULs": {func(w *Writer) error { return w.Link("a", "\x00") }, "holds a NUL"},
	} {
		var out bytes.Buffer
		w := NewWriter(&out)
		if err := test.calls(w); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want one about %q", name, err, test.want)
		}
		if w.Close() == nil {
			t.Errorf("%s: a stream that failed gets its end", name)
		}
	}
}

// A pathSet gives the same answers as a plain set that keeps the paths themselves.
func TestPathSetAgainstPlain(t *testing.T) {
	dice := rand.New(rand.NewPCG(5, 6))
	for range 2000 {
		var set pathSet
		named, leaf := map[string]bool{}, map[string]bool{}
		for range 12 {
			parts := make([]string, 1+dice.IntN(3))
			for i := range parts {
				parts[i] = string(rune('a' + dice.IntN(2)))
			}
			path, kind := strings.Join(parts, "/"), KindFile
			if dice.IntN(4) == 0 {
				kind = KindDelete
			}
			bad := named[path]
			for other := range leaf {
				if kind != KindDelete && (strings.HasPrefix(other, path+"/") || strings.HasPrefix(path, other+"/")) {
					bad = true
				}
			}
			if err := set.add(kind, path); (err != nil) != bad {
				t.Fatalf("%v %s behind %v: %v, want an error: %v", kind, path, named, err, bad)
			}
			if bad {
				break
			}
			named[path] = true
			if kind == KindFile {
				leaf[path] = true
			}
		}
	}
}

func FuzzFolderReader(f *testing.F) {
	f.Add(writeFolder(f, theFolder), 100)
	f.Add(writeFolder(f, theChanges), 100)
	for _, seed := range []string{
		sealed("", 0, 0), sealed("tree\n", 1, 0), sealed("delete a\nfile 0644 0 a/b\nchunk 1\nx\n", 3, 1),
		sealed("link 1 \"\\n\"\n\n\n", 1, 0), sealed("file 0644 0 a\nsame b\na\n", 2, 0), "hc-stream/1\nlink 4096 a\n",
	} {
		f.Add([]byte(seed), 0)
	}
	f.Fuzz(func(t *testing.T, in []byte, maxBytes int) {
		entries, err := readFolder(bytes.NewReader(in), min(max(maxBytes, 0), 1<<20))
		again, err2 := readFolder(iotest.HalfReader(bytes.NewReader(in)), 1<<20)
		if (err == io.EOF) != (err2 == io.EOF) || showEntries(entries) != showEntries(again) && err == io.EOF {
			t.Fatalf("%s%v\nin halves:\n%s%v", showEntries(entries), err, showEntries(again), err2)
		}
		if err != io.EOF {
			if !isBad(err) {
				t.Fatalf("error of no kind: %v", err)
			}
			return
		}
		written := writeFolder(t, entries)
		if back, err := readFolder(bytes.NewReader(written), 1<<20); err != io.EOF || showEntries(back) != showEntries(entries) {
			t.Fatalf("written again it reads as\n%s%v", showEntries(back), err)
		}
	})
}

func FuzzUnquote(f *testing.F) {
	for _, seed := range []string{"a", `"a\"b"`, `"\303\244"`, `"\`, `"`, "a b", `"\12`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, spelt []byte) {
		if path, err := unquote(spelt); err == nil && QuotePath(path) != string(spelt) {
			t.Fatalf("%q reads as %q, spelt %q", spelt, path, QuotePath(path))
		}
		if path := string(spelt); path != "" {
			if back, err := unquote([]byte(QuotePath(path))); err != nil || back != path {
				t.Fatalf("%q spelt %q reads as %q, %v", path, QuotePath(path), back, err)
			}
		}
	})
}
