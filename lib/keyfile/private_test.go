package keyfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheckPrivate(t *testing.T) {
	root := os.Geteuid() == 0
	for _, test := range []struct {
		name          string
		mode, folder  fs.FileMode
		owner, around int // 0: ours
		want          string
	}{
		{"good", 0o600, 0o755, 0, 0, ""},
		{"read only", 0o400, 0o500, 0, 0, ""},
		{"others read", 0o644, 0o755, 0, 0, "mode 0644"},
		{"the group reads", 0o640, 0o755, 0, 0, "mode 0640"},
		{"others write", 0o602, 0o755, 0, 0, "mode 0602"},
		{"others write to the folder", 0o600, 0o777, 0, 0, "mode 0777"},
		{"the group writes to the folder", 0o600, 0o775, 0, 0, "mode 0775"},
		{"a sticky folder", 0o600, 0o777 | fs.ModeSticky, 0, 0, ""},
		{"another's file", 0o600, 0o755, 12345, 0, "belongs to user 12345"},
		{"another's folder", 0o600, 0o755, 0, 12345, "belongs to user 12345"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if !root && test.owner+test.around > 0 {
				t.Skip("only root gives files away")
			}
			dir := filepath.Join(t.TempDir(), "it's a folder")
			path := filepath.Join(dir, "key")
			must(t, os.Mkdir(dir, 0o700))
			must(t, os.WriteFile(path, nil, 0o600))
			must(t, os.Chmod(path, test.mode))
			must(t, os.Chmod(dir, test.folder))
			t.Cleanup(func() { _ = os.Chmod(dir, 0o700) }) // so that it can be removed
			if test.owner > 0 {
				must(t, os.Chown(path, test.owner, -1))
			}
			if test.around > 0 {
				must(t, os.Chown(dir, test.around, -1))
			}
			link := filepath.Join(t.TempDir(), "link")
			must(t, os.Symlink(path, link))
			check(t, link, test.want)
			mending := check(t, path, test.want)
			if mending == "" {
				return
			}
			if out, err := exec.Command("sh", "-c", mending).CombinedOutput(); err != nil {
				t.Fatalf("%s: %v: %s", mending, err, out)
			}
			check(t, path, "")
		})
	}
	null, err := os.Stat(os.DevNull)
	must(t, err)
	if err := CheckPrivate(os.DevNull, null); err != nil {
		t.Errorf("of a device: %v", err)
	}
}

// check checks a file, and returns the command at the end of its error, empty if there is none.
func check(t *testing.T, path, want string) (command string) {
	t.Helper()
	info, err := os.Stat(path)
	must(t, err)
	err = CheckPrivate(path, info)
	if want == "" {
		if err != nil {
			t.Errorf("CheckPrivate(%q) = %v", path, err)
		}
		return ""
	}
	if !errors.Is(err, ErrNotPrivate) || !strings.Contains(err.Error(), want) {
		t.Fatalf("CheckPrivate(%q) = %v, want %q", path, err, want)
	}
	at := strings.LastIndex(err.Error(), ": ch")
	if at < 0 {
		t.Fatalf("%v: no command", err)
	}
	return err.Error()[at+2:]
}

// Results that depend on the current user, checked without being that user.
func TestCheckPrivateOfUsers(t *testing.T) {
	for _, test := range []struct {
		name       string
		mode       fs.FileMode
		owner, own int
		want       string // the end of the error
	}{
		{"ours", 0o600, 7, 7, ""},
		{"root's, who is us", 0o600, 0, 0, ""},
		{"root's, which we are let read", 0o440, 0, 7, ": chown 7 key && chmod 600 key"},
		{"root's, by other means", 0o400, 0, 7, ""},
		{"a user's, read by root", 0o600, 7, 0, ": chown 0 key"},
		{"another user's", 0o644, 8, 7, ": chown 7 key"},
		{"ours, open", 0o644, 7, 7, "used it: chmod 600 key"},
	} {
		err := checkFile("key", test.mode, test.owner, test.own)
		if (err == nil) != (test.want == "") || err != nil && (!errors.Is(err, ErrNotPrivate) || !strings.HasSuffix(err.Error(), test.want)) {
			t.Errorf("%s: %v, want it to end with %q", test.name, err, test.want)
		}
	}
	for _, test := range []struct {
		name       string
		mode       fs.FileMode
		owner, own int
		want       string
	}{
		{"root's folder", 0o755, 0, 7, ""},
		{"root's folder for all", fs.ModeSticky | 0o777, 0, 7, ""},
		{"another's folder", 0o755, 8, 7, ": chown 7 folder"},
		{"ours, for the group", 0o775, 7, 7, ": chmod go-w folder"},
	} {
		err := checkFolder("folder", test.mode, test.owner, test.own)
		if (err == nil) != (test.want == "") || err != nil && (!errors.Is(err, ErrNotPrivate) || !strings.HasSuffix(err.Error(), test.want)) {
			t.Errorf("%s: %v, want it to end with %q", test.name, err, test.want)
		}
	}
}

func TestQuote(t *testing.T) {
	for path, want := range map[string]string{
		"key": "key", "/a/b.c-d_e": "/a/b.c-d_e", "a b": "'a b'", "it's": `'it'\''s'`, "$HOME": "'$HOME'", "-f": "'./-f'", "~": "'~'", "": "''", "ä": "'ä'",
	} {
		if got := quote(path); got != want {
			t.Errorf("quote(%q) = %s, want %s", path, got, want)
		}
	}
}

func TestWriteNew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	must(t, WriteNew(path, []byte("one")))
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := WriteNew(path, []byte("two")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("again: %v", err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "one" {
		t.Errorf("the file has %q, %v", got, err)
	}
	if err := WriteNew(filepath.Join(path, "none"), nil); err == nil {
		t.Error("written into what is no folder")
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(fmt.Errorf("preparing: %w", err))
	}
}
