package folder

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// ignored reports whether path or a folder above it is left out.
func ignored(files *rules, path string) bool {
	for i := range len(path) {
		if path[i] == '/' && files.leftOut(path[:i], true) {
			return true
		}
	}
	return files.leftOut(path, false)
}

// patterns are what lines of ignore files are made of.
var patterns = []string{
	"*.log", "a", "/a", "a/", "/a/", "a/b", "**/b", "a/**", "a/**/c", "!b", "!a/b", "!*.log", "*", "!*/", "[ab]", "[!a]", "[^a]",
	"[a-c]", "?", "a*c", `\!a`, `\#a`, "#a", `a\ `, "a ", "a  ", "/*", "!/a", "**", "*/c", "b/*", "[[:alpha:]]", "[]a]", "a**c",
	"**/a/**", "*.[lo]og", `\*`, "x.*", "/a/*", "!/a/b", `a\`, "[a", `\a`, `[\]a]`, "[[:digit:]b]", " a", "a\t", "/**/c", "c/**/",
	"a**/b", "a**b/c", "**b", "b**", "/**", "**/", "***", "a/***/c", "*/", "!*", "!", "/", "//", "a//b", "a//", "./a", "[a-]", "[--0]",
	"[!]a]", "[^]]", "[[:nope:]]", "[[:alpha]", "[[:alpha:]-z]", "[a\\-c]", "[\\", "??", "?*", "*?", "*a*b*c*", "a\\/b", "**\\/b",
	"a\r", "ä", "?ä", "[ä]", "x.log/", "!x.log/", "a/b/", "b/c", "!**/c", "*c", "*.*", "c*", "abc/**", "!a/", "!c", "c", "[c-a]",
}

var parts = []string{"a", "b", "c", "x.log", "*", "!a", "#a", "1", "a ", "]", "ac", "abc", "ab", "-", "a\\b", "ä", "aä", "a\t", "a\r"}

// git itself says what its patterns mean, here in files of three folders.
func TestIgnoreAsGit(t *testing.T) {
	git, err := exec.LookPath("git")
	if err != nil {
		t.Skip("no git here")
	}
	dir := t.TempDir()
	if out, err := exec.Command(git, "init", "-q", dir).CombinedOutput(); err != nil {
		t.Fatalf("%s", out)
	}
	dice := rand.New(rand.NewPCG(7, 8))
	lines := func(n int) (text string) {
		for range n {
			text += patterns[dice.IntN(len(patterns))] + "\n"
		}
		return text
	}
	random := 200
	if testing.Short() {
		random = 20
	}
	for round := range len(patterns) + random {
		texts := map[string]string{"": lines(1 + dice.IntN(3))}
		if round < len(patterns) {
			texts[""] = patterns[round] + "\n"
		} else {
			texts["a/"], texts["a/b/"] = lines(dice.IntN(3)), lines(dice.IntN(2))
		}
		var files *rules
		for _, base := range []string{"", "a/", "a/b/"} {
			if err := os.MkdirAll(filepath.Join(dir, base), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, base, ".gitignore"), []byte(texts[base]), 0o644); err != nil {
				t.Fatal(err)
			}
			inner := parseRules(base, texts[base])
			inner.above, files = files, &inner
		}
		var paths []string
		for range 60 {
			path := parts[dice.IntN(len(parts))]
			for range dice.IntN(4) {
				path += "/" + parts[dice.IntN(len(parts))]
			}
			paths = append(paths, path)
		}
		for i, want := range checkIgnore(t, git, dir, paths) {
			got := ignored(files, paths[i])
			if paths[i] == "a" || paths[i] == "a/b" { // there are such folders
				got = files.leftOut("a", true) || files.leftOut(paths[i], true)
			}
			if got != want {
				t.Errorf("%q: %q is left out: %v, by git: %v", texts, paths[i], got, want)
			}
		}
	}
}

// checkIgnore asks git which paths it ignores.
func checkIgnore(t *testing.T, git, dir string, paths []string) (ignored []bool) {
	t.Helper()
	cmd := exec.Command(git, "-c", "core.excludesFile=", "-c", "core.ignoreCase=false", "check-ignore", "--no-index", "-z", "-v", "-n", "--stdin")
	cmd.Dir = dir
	cmd.Stdin = strings.NewReader(strings.Join(paths, "\x00") + "\x00")
	out, _ := cmd.Output() // 1: none
	fields := bytes.Split(out, []byte{0})
	for i := range paths {
		if 4*i+3 >= len(fields) || string(fields[4*i+3]) != paths[i] {
			t.Fatalf("git says nothing of %q", paths[i])
		}
		pattern := string(fields[4*i+2])
		ignored = append(ignored, pattern != "" && !strings.HasPrefix(pattern, "!"))
	}
	return ignored
}

// A few by hand, for where there is no git, and what gitignore(5) says.
func TestIgnore(t *testing.T) {
	for _, test := range []struct {
		rules, out, in string // paths, divided by spaces
	}{
		{"*.log\n!keep.log\n", "a.log d/e.log", "keep.log d/keep.log log"},
		{"/build\n", "build build/x", "a/build"},
		{"build/\n", "build/x a/build/x", "build a/build"},
		{"doc/*.txt\n", "doc/a.txt", "doc/a/b.txt a/doc/a.txt"},
		{"doc/**/x\n", "doc/x doc/a/x doc/a/b/x", "x a/doc/x"},
		{"**/x/**\n", "x/a a/x/b/c", "x a/x"},
		{"# a\n\\#b\n", "#b", "#a a"},
		{"*\n!*/\n!*.go\n", "a b/c", "a.go b/c.go"},
		{"", "", "a"},
	} {
		rules := parseRules("", test.rules)
		files := &rules
		for _, path := range strings.Fields(test.out) {
			if !ignored(files, path) {
				t.Errorf("%q leaves %s in", test.rules, path)
			}
		}
		for _, path := range strings.Fields(test.in) {
			if ignored(files, path) {
				t.Errorf("%q leaves %s out", test.rules, path)
			}
		}
	}
}

// A pattern that would try everything is no way to stop an import.
func TestWildmatchIsNotExponential(t *testing.T) {
	begin := time.Now()
	text := strings.Repeat("a", 250)
	for _, pattern := range []string{strings.Repeat("*a", 100) + "b", strings.Repeat("**/", 80) + "b"} {
		if wildmatch(pattern, text, true) || wildmatch(pattern, strings.Repeat("a/", 125)+"c", true) {
			t.Errorf("%q matches", pattern)
		}
	}
	if took := time.Since(begin); took > time.Minute {
		t.Errorf("it took %v", took)
	}
}

func FuzzWildmatch(f *testing.F) {
	for _, p := range patterns {
		f.Add(p, "a/b")
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		wildmatch(pattern, text, true)
		if r, ok := parseRule(pattern); ok {
			r.matches(text, text, false)
		}
		quoted := ""
		for i := range len(text) {
			quoted += "\\" + text[i:i+1]
		}
		if !wildmatch(quoted, text, true) {
			t.Errorf("%q does not match itself with each byte escaped", text)
		}
	})
}
