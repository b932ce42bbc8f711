package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"hc/lib/drive"
	"hc/lib/hyperdrive"
	"hc/lib/keys"
	"hc/lib/store"
)

// untar returns what a tar has: "MODE SIZE SHA256" or "-> TARGET" by name. whole is false if its end is missing.
func untar(t *testing.T, archive string) (all map[string]string, whole bool) {
	t.Helper()
	all = map[string]string{}
	r := tar.NewReader(strings.NewReader(archive))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all, bytes.HasSuffix([]byte(archive), make([]byte, 1024))
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if all[h.Name] != "" {
			t.Errorf("%s comes twice", h.Name)
		}
		all[h.Name] = fmt.Sprintf("%04o %s", h.Mode, content)
		if h.Typeflag == tar.TypeSymlink {
			all[h.Name] = "-> " + h.Linkname
		}
	}
}

func TestTar(t *testing.T) {
	got := tool(t, proofOf(t, "tree"), driveKey, "--tree", "/", "--tar")
	if got.code != 0 || got.err != "" {
		t.Fatalf("exit %d: %s", got.code, got.err)
	}
	all, whole := untar(t, got.out)
	want := map[string]string{
		"data/table.csv": "0644 name,quantity\nnuts,3\n", "data/raw/one": "0644 some bytesand moreand an end", "empty": "0644 ",
		"stock": "0644 a file as stock has it", "link": "-> data/table.csv", "many/04": "0644 file 4 again",
	}
	for name, content := range want {
		if all[name] != content {
			t.Errorf("%s is %q, want %q", name, all[name], content)
		}
	}
	if !whole || len(all) != 17 || all["many/03"] != "" {
		t.Errorf("whole %v: %q", whole, all)
	}
}

func TestSums(t *testing.T) {
	got := tool(t, proofOf(t, "tree"), driveKey, "--sha256sums")
	if got.code != 0 || got.err != "" {
		t.Fatalf("exit %d: %s", got.code, got.err)
	}
	for name, content := range map[string]string{
		"data/table.csv": "name,quantity\nnuts,3\n", "empty": "", "stock": "a file as stock has it", "many/11": "file 11",
	} {
		line := fmt.Sprintf("%x  %s\n", sha256.Sum256([]byte(content)), name)
		if !strings.Contains(got.out, line) {
			t.Errorf("no line %q in %q", line, got.out)
		}
	}
	if n := strings.Count(got.out, "\n"); n != 16 || strings.Contains(got.out, "  link\n") {
		t.Errorf("%d lines", n)
	}
}

// TestNamesThatNoDiskShouldHave: each is named, nothing of them is in the tar, which has no end.
func TestNamesThatNoDiskShouldHave(t *testing.T) {
	stream := proofOf(t, "names")
	got := tool(t, stream, driveKey, "--tar")
	all, whole := untar(t, got.out)
	if got.code != 4 || whole || len(all) != 1 || all["good"] != "0644 good" {
		t.Errorf("exit %d, whole %v: %q", got.code, whole, all)
	}
	for _, name := range []string{
		`"/../evil"`, `"/a/../../evil"`, `"/nul\x00byte"`, `"/dir/"`, `"//double"`, `"/./dot"`, `"/.hc/names"`, `"/"`, `"/../link"`,
		`"/malformed"`, `"/out"`, `"/out/file"`, `"/good/file"`,
	} {
		if !strings.Contains(got.err, "left out: invalid file name: "+name+": ") && !strings.Contains(got.err, "left out: "+name+": malformed entry") {
			t.Errorf("%s is not named in\n%s", name, got.err)
		}
	}
	if !strings.Contains(got.err, "13 names left out") {
		t.Error(got.err)
	}
	if got := tool(t, stream, driveKey, "--sha256sums"); got.code != 4 || strings.Contains(got.out, "evil") {
		t.Errorf("exit %d: %q", got.code, got.out)
	}
}

// TestTarThatIsCut: what is in it is whole, and it has no end.
func TestTarThatIsCut(t *testing.T) {
	stream := proofOf(t, "tree")
	for n := 0; n < len(stream); n += 97 {
		got := tool(t, stream[:n], driveKey, "--tar")
		if got.code != 3 || bytes.HasSuffix([]byte(got.out), make([]byte, 1024)) {
			t.Fatalf("cut at byte %d: exit %d: %s", n, got.code, got.err)
		}
		all, _ := untar(t, got.out)
		if content, ok := all["data/table.csv"]; ok && content != "0644 name,quantity\nnuts,3\n" {
			t.Errorf("cut at byte %d: %q", n, content)
		}
	}
}

// TestKeepDrive keeps the two logs of a drive, as far as they came.
func TestKeepDrive(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	if got := tool(t, proofOf(t, "path"), driveKey, "--path", "/data/table.csv", "--store", "-C", dir); got.code != 0 {
		t.Fatalf("exit %d: %s", got.code, got.err)
	}
	if got := tool(t, proofOf(t, "tree"), driveKey, "--tree", "/", "--sha256sums", "--store", "-C", dir); got.code != 0 {
		t.Fatalf("exit %d: %s", got.code, got.err)
	}
	in, err := store.Open(t.Context(), dir, store.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	key, err := keys.ParseKey(driveKey)
	if err != nil {
		t.Fatal(err)
	}
	d, err := drive.Open(t.Context(), in, keys.Ref{Key: key})
	if err != nil {
		t.Fatal(err)
	}
	files := 0
	if err := d.Files().List(t.Context(), "/", func(item hyperdrive.Item) error {
		if item.Entry.Blob == nil {
			return nil
		}
		files++
		return d.Content(t.Context(), item, io.Discard)
	}); err != nil || files != 16 {
		t.Errorf("%d files: %v", files, err)
	}
}
