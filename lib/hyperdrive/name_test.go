package hyperdrive

import (
	"errors"
	"strings"
	"testing"
)

func TestCheckName(t *testing.T) {
	for name, why := range map[string]string{
		"/a":                                     "",
		"/bin/run":                               "",
		"/café/café":                             "",
		"/sp ace/tab\there/new\nline":            "",
		`/a\b`:                                   "",
		"/...":                                   "",
		"/.hidden":                               "",
		"/" + strings.Repeat("a", 255):           "",
		"":                                       "slash",
		"noslash":                                "slash",
		"/":                                      "empty",
		"/dir/":                                  "empty",
		"//double":                               "empty",
		"/a//b":                                  "empty",
		"/..":                                    `".."`,
		"/../evil":                               `".."`,
		"/a/../../evil2":                         `".."`,
		"/./dot":                                 `"."`,
		"/a/.":                                   `"."`,
		"/nul\x00byte":                           "NUL",
		"/\xff":                                  "UTF-8",
		"/a/.hc/keys/x":                          "store",
		"/.HC":                                   "store",
		"/" + strings.Repeat("a", 256):           "256 bytes",
		strings.Repeat("/"+"abcdefg", 600) + "x": "4801 bytes",
	} {
		err := CheckName(name)
		switch {
		case why == "" && err != nil:
			t.Errorf("CheckName(%q) = %v", name, err)
		case why != "" && (!errors.Is(err, ErrName) || !strings.Contains(err.Error(), why)):
			t.Errorf("CheckName(%q) = %v, want ErrName with %q", name, err, why)
		}
	}
}

func TestHostileNamesAreRefused(t *testing.T) {
	listing := drives(t)["hostile"].Listing
	if len(listing) != 10 {
		t.Fatalf("the hostile drive lists %d names, want 10", len(listing))
	}
	for _, listed := range listing {
		err := CheckName(listed.Key)
		honest := listed.Key == "/good" || listed.Key == `/a\b` // a backslash is hostile to readers that split at it
		if honest != (err == nil) {
			t.Errorf("CheckName(%q) = %v", listed.Key, err)
		}
	}
}

func TestNameOf(t *testing.T) {
	if name, err := NameOf(Key("/a")); name != "/a" || err != nil {
		t.Errorf("NameOf(Key(/a)) = %q, %v", name, err)
	}
	for _, key := range []string{"", "files", "file\x00/a", "other\x00/key"} {
		if name, err := NameOf([]byte(key)); !errors.Is(err, ErrName) {
			t.Errorf("NameOf(%q) = %q, %v, want ErrName", key, name, err)
		}
	}
}

// TestCleanNameAsStock compares with what stock made of the names that were put.
func TestCleanNameAsStock(t *testing.T) {
	cleaned := 0
	for name, v := range drives(t) {
		listed := map[string]bool{}
		for _, l := range v.Listing {
			listed[l.Key] = true
		}
		for _, operation := range v.Operations {
			if operation.Op != "put" || name != "unicode" || strings.Contains(operation.Path, `\`) {
				continue
			}
			cleaned++
			if got, err := CleanName(operation.Path); err != nil || !listed[got] {
				t.Errorf("CleanName(%q) = %q, %v, which stock does not list", operation.Path, got, err)
			}
		}
	}
	if cleaned < 5 {
		t.Errorf("only %d names were put", cleaned)
	}
}

func TestCleanName(t *testing.T) {
	for path, want := range map[string]string{
		"": "/", ".": "/", "/": "/", "a/..": "/", "a": "/a", "./a/b/": "/a/b", "/a/../b": "/b", `a\b`: `/a\b`,
		"..": "", "/..": "", "a/../../b": "",
	} {
		got, err := CleanName(path)
		if got != want || (want == "") != errors.Is(err, ErrName) {
			t.Errorf("CleanName(%q) = %q, %v, want %q", path, got, err, want)
		}
	}
}
