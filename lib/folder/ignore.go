package folder

import (
	"errors"
	"fmt"
	"strings"
)

// IgnoreFile is the name of the files that say what to leave out, in the syntax of gitignore(5).
const IgnoreFile = ".hcignore"

// ErrPattern says that an option's pattern is not valid.
var ErrPattern = errors.New("not a pattern as in gitignore(5), without ! at its beginning")

// A rule is one line of an ignore file.
type rule struct {
	pattern string
	include bool   // it began with !
	folders bool   // it ended with /: it is about folders only
	anchor  bool   // it is matched against the path from the file's folder, else only against the last part
	literal int    // bytes at the pattern's beginning that stand for themselves
	suffix  string // for the pattern *suffix: what a name ends with
}

// rules are those of one ignore file.
type rules struct {
	base  string // the folder of the file, ending in /; "" at the top
	list  []rule
	above *rules // those of a folder above; nil: there are none
}

// parseRules reads the ignore file of the folder base.
func parseRules(base, text string) rules {
	r := rules{base: base}
	text = strings.TrimPrefix(text, "\uFEFF")
	for line := range strings.Lines(text) {
		line, ended := strings.CutSuffix(line, "\n")
		if ended {
			line = strings.TrimSuffix(line, "\r")
		}
		if one, ok := parseRule(line); ok {
			r.list = append(r.list, one)
		}
	}
	return r
}

// parseRule reads a line, without its end.
func parseRule(line string) (r rule, ok bool) {
	if strings.HasPrefix(line, "#") {
		return r, false
	}
	line = trimSpaces(line)
	r.pattern, r.include = strings.CutPrefix(line, "!")
	r.pattern, r.folders = strings.CutSuffix(r.pattern, "/")
	if r.pattern == "" {
		return r, false
	}
	r.anchor = strings.Contains(r.pattern, "/")
	if r.anchor {
		r.pattern = strings.TrimPrefix(r.pattern, "/")
	}
	r.literal = literalLength(r.pattern)
	if rest, star := strings.CutPrefix(r.pattern, "*"); star && !r.anchor && literalLength(rest) == len(rest) {
		r.suffix = rest
	}
	return r, true
}

// optionRules returns the rules of the patterns of options.
func optionRules(exclude, include []string) (r rules, err error) {
	for i, pattern := range append(append([]string(nil), exclude...), include...) {
		one, ok := parseRule(pattern)
		if !ok || one.include || strings.ContainsAny(pattern, "\n\x00") {
			return r, fmt.Errorf("%w: %q", ErrPattern, pattern)
		}
		one.include = i >= len(exclude)
		r.list = append(r.list, one)
	}
	return r, nil
}

// trimSpaces drops spaces at the end that are not escaped by a backslash.
func trimSpaces(line string) string {
	kept := 0
	for i := 0; i < len(line); i++ {
		if line[i] == '\\' {
			i++
		} else if line[i] == ' ' {
			continue
		}
		kept = min(i+1, len(line))
	}
	return line[:kept]
}

// literalLength returns how many bytes precede the first special one.
func literalLength(pattern string) int {
	if i := strings.IndexAny(pattern, `*?[\`); i >= 0 {
		return i
	}
	return len(pattern)
}

// matches reports whether the rule matches a path, relative to its file's folder, whose last part is name.
func (r rule) matches(path, name string, isFolder bool) bool {
	if r.folders && !isFolder {
		return false
	}
	if !r.anchor {
		switch {
		case r.literal == len(r.pattern):
			return name == r.pattern
		case r.suffix != "":
			return strings.HasSuffix(name, r.suffix)
		}
		return wildmatch(r.pattern, name, false)
	}
	rest, ok := strings.CutPrefix(path, r.pattern[:r.literal])
	if !ok || rest == "" && r.literal == len(r.pattern) {
		return ok
	}
	return wildmatch(r.pattern[r.literal:], rest, true) // as git does: a ** after the literal part counts, too
}

// verdict returns what the last matching rule says about path; ok is false if none matches.
func (r *rules) verdict(path, name string, isFolder bool) (leftOut, ok bool) {
	path, ok = strings.CutPrefix(path, r.base)
	if !ok {
		return false, false
	}
	for i := len(r.list) - 1; i >= 0; i-- {
		if r.list[i].matches(path, name, isFolder) {
			return !r.list[i].include, true
		}
	}
	return false, false
}

// leftOut reports whether to leave out a path whose folders are not left out. The nearest file with a matching rule decides.
func (r *rules) leftOut(path string, isFolder bool) bool {
	name := path[strings.LastIndexByte(path, '/')+1:]
	for ; r != nil; r = r.above {
		if out, ok := r.verdict(path, name, isFolder); ok {
			return out
		}
	}
	return false
}
