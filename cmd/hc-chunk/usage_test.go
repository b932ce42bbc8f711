package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hc/lib/cli"
)

func TestUsage(t *testing.T) {
	dir := t.TempDir()
	file := write(t, dir+"/file", []byte("x"))
	secret := write(t, dir+"/.hc/keys/k", []byte("secret"))
	link := filepath.Join(dir, "link")
	if err := os.Symlink(secret, link); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		args []string
		want string // part of the error
	}{
		{"two modes", []string{"--list", "--cuts"}, "cannot be used together"},
		{"join and list", []string{"--join", "--list"}, "cannot be used together"},
		{"join and avg", []string{"--join", "--avg", "64k"}, "--avg says how to cut, and --join does not cut"},
		{"algorithm", []string{"--algorithm", "md5"}, `--algorithm "md5": one of rabin, fastcdc, fixed, lines`},
		{"odd average", []string{"--avg", "65000"}, `--avg "65000": want a power of two`},
		{"no size", []string{"--avg", "big"}, `size "big"`},
		{"zero", []string{"--min", "0"}, "--min 0: must be from 1"},
		{"small", []string{"--min", "63"}, "min 63: must be at least 64"},
		{"large", []string{"--max", "16MiB"}, "--max 16MiB: must be from 1 to 15728640 bytes"},
		{"crossed", []string{"--min", "2k", "--max", "1k"}, "min 2048 is over max 1024"},
		{"fixed and min", []string{"--algorithm", "fixed", "--min", "1k"}, "leave out --min and --max"},
		{"lines and avg", []string{"--algorithm", "lines", "--avg", "1k"}, "leave out --avg and --min"},
		{"folder to list", []string{"--list", file, dir}, "is a folder: --dry-run lists one"},
		{"folder and stdin", []string{dir, "-"}, "'-' cannot be used with folders"},
		{"store as a folder", []string{dir + "/.hc"}, "in a folder named .hc"},
		{"folder and secret", []string{dir, secret}, "in a folder named .hc"},
		{"folder's flag", []string{"--skip-special", file}, "--skip-special is for folders, and none is given"},
		{"folder's flag and list", []string{"--list", "--add", file}, "--list, --cuts and --join are for files"},
		{"tar and cuts", []string{"--tar", "--cuts"}, "--list, --cuts and --join are for files"},
		{"tar of a folder", []string{"--tar", dir}, "--tar reads one tar"},
		{"two tars", []string{"--tar", file, file}, "--tar reads one tar"},
		{"tar since", []string{"--tar", "--since", "x"}, "--since is for files on disk"},
		{"tar not run", []string{"--tar", "--dry-run"}, "list it with tar t"},
		{"since nothing", []string{"--since", "", dir}, "--since needs the drive's NAME"},
		{"checksum", []string{"--checksum", dir}, "--checksum needs --since"},
		{"add since", []string{"--add", "--since", "x", dir}, "--add and --since cannot be used together"},
		{"pattern", []string{"--exclude", "!x", dir}, "not a pattern"},
		{"empty pattern", []string{"--include", "", dir}, "not a pattern"},
		{"folder to join", []string{"--join", dir}, "is a folder"},
		{"secret", []string{secret}, "in a folder named .hc"},
		{"secret in capitals", []string{dir + "/.HC/keys/k"}, "in a folder named .hc"},
		{"secret by a link", []string{link}, "in a folder named .hc"},
		{"secret of the folder around", []string{dir + "/.hc/keys/../../file"}, "in a folder named .hc"},
		{"stdin twice", []string{"-", "-"}, "'-' is given twice"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := tool(t, cli.IO{}, test.args...)
			if got.code != 2 || !strings.Contains(got.err, test.want) || strings.Count(got.err, "\n") != 1 {
				t.Errorf("exit %d, %q, want 2 and %q", got.code, got.err, test.want)
			}
			if got.out != "" {
				t.Errorf("standard output has %q", got.out)
			}
		})
	}
}

func TestMissingFile(t *testing.T) {
	got := tool(t, cli.IO{}, write(t, t.TempDir()+"/here", nil), "not/there")
	if got.code != 1 || got.out != "" || !strings.Contains(got.err, `reading "not/there": no such file`) {
		t.Errorf("exit %d, %q, stdout %q", got.code, got.err, got.out)
	}
}

// From inside a store every name leads into it.
func TestInsideAStore(t *testing.T) {
	dir := filepath.Dir(write(t, t.TempDir()+"/.hc/names/table", []byte("key")))
	t.Chdir(dir)
	if got := tool(t, cli.IO{}, "table"); got.code != 2 || !strings.Contains(got.err, "in a folder named .hc") {
		t.Errorf("exit %d, %q", got.code, got.err)
	}
}

func TestTerminal(t *testing.T) {
	for _, args := range [][]string{nil, {"--join"}} {
		std := stdin([]byte("data"))
		std.OutTerminal = true
		got := tool(t, std, args...)
		if want := "hc-chunk: not writing binary data to a terminal: send it to a file or a pipe: or use --force\n"; got.code != 2 || got.err != want || got.out != "" {
			t.Errorf("%v: exit %d, %q, want %q", args, got.code, got.err, want)
		}
	}
	for _, args := range [][]string{{"-f"}, {"--list"}, {"--cuts"}} {
		std := stdin([]byte("data"))
		std.OutTerminal = true
		if got := tool(t, std, args...); got.code != 0 || got.out == "" {
			t.Errorf("%v: exit %d, %q", args, got.code, got.err)
		}
	}
}
