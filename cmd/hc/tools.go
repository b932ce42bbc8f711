package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// toolset is the folders where programs named hc-VERB are looked for, in order.
type toolset []string

// newToolset returns the folder of our own executable, that of its target if it is a link, then PATH.
// Relative folders are left out: nobody means to run what happens to be in the current one.
func newToolset(own, path string) toolset {
	dirs := []string{filepath.Dir(own)}
	if real, err := filepath.EvalSymlinks(own); err == nil {
		dirs = append(dirs, filepath.Dir(real))
	}
	dirs = append(dirs, filepath.SplitList(path)...)
	return slices.DeleteFunc(dirs, func(dir string) bool { return !filepath.IsAbs(dir) })
}

// find returns the path of the program hc-VERB.
func (t toolset) find(verb string) (path string, ok bool) {
	if !isVerb(verb) {
		return "", false
	}
	for _, dir := range t {
		path := filepath.Join(dir, "hc-"+verb)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0 {
			return path, true
		}
	}
	return "", false
}

// verbs returns all verbs that find finds, sorted.
func (t toolset) verbs() []string {
	var verbs []string
	for _, dir := range t {
		entries, _ := os.ReadDir(dir) // PATH may name folders that do not exist
		for _, e := range entries {
			verb, ok := strings.CutPrefix(e.Name(), "hc-")
			if !ok {
				continue
			}
			if _, ok := t.find(verb); ok {
				verbs = append(verbs, verb)
			}
		}
	}
	slices.Sort(verbs)
	return slices.Compact(verbs)
}

// isVerb reports whether a word may be a verb: lower-case letters, digits, dashes inside.
func isVerb(s string) bool {
	return s != "" && s[0] != '-' && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}
