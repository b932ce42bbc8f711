package interop

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// driveEntry is how stock's drive lists a name.
type driveEntry struct {
	Name, Link, SHA256 string
	Executable, Mapped bool
}

// startDrive starts a stock Hyperdrive peer.
func startDrive(t *testing.T, flags ...string) *stock {
	t.Helper()
	if _, err := os.Stat(filepath.Join(peers, "node_modules", "hyperdrive")); err != nil {
		if os.Getenv("HC_REQUIRE_INTEROP") != "" {
			t.Fatal("hyperdrive is not installed: run `npm ci` in tests/peers")
		}
		t.Skip("SKIPPED: hyperdrive is not installed: run `npm ci` in tests/peers")
	}
	return startScript(t, "drive.js", flags...)
}

// folder returns the content of a folder on disk: a line for each file and link.
type folder map[string]string

func readFolder(t *testing.T, dir string) folder {
	t.Helper()
	found := folder{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if d.Type() == fs.ModeSymlink {
			target, err := os.Readlink(path)
			found[name] = "link to " + target
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		found[name] = fmt.Sprintf("executable %v, %s", info.Mode()&0o100 != 0, sum(data))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func compareFolders(t *testing.T, what string, got, want folder) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got[name] != want[name] {
			t.Errorf("%s: %q is %q, want %q", what, name, got[name], want[name])
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s: %q should not be there", what, name)
		}
	}
}

// compareListing compares what stock lists with a folder, content by content.
func compareListing(t *testing.T, what string, entries []driveEntry, want folder) {
	t.Helper()
	got := folder{}
	for _, e := range entries {
		line := fmt.Sprintf("executable %v, %s", e.Executable, e.SHA256)
		if e.Link != "" {
			line = "link to " + e.Link
		}
		got[strings.TrimPrefix(e.Name, "/")] = line
	}
	compareFolders(t, what, got, want)
}

// makeFolder makes a folder with one of each kind.
func makeFolder(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	put := func(name string, mode fs.FileMode, data []byte) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, mode); err != nil {
			t.Fatal(err)
		}
	}
	put("readme", 0o644, []byte("a small file\n"))
	put("bin/run", 0o755, []byte("#!/bin/sh\necho hello\n"))
	put("empty", 0o644, nil)
	put("empty.sh", 0o755, nil)
	put("large", 0o644, random(3<<20, 31))
	put("caf\u00e9/日本語/😀", 0o644, []byte("composed"))
	put("cafe\u0301", 0o644, []byte("decomposed"))
	put("sp ace/tab\there", 0o644, []byte("spaces"))
	for i := range 40 {
		put(fmt.Sprintf("many/%d/file %d", i%3, i), 0o644, random(100*i, byte(i)))
	}
	for name, target := range map[string]string{"bin/alias": "run", "bin/up": "../readme", "nowhere": "not/there"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// changeFolder makes its next version: changed, removed, renamed and new files.
func changeFolder(t *testing.T, dir string) {
	t.Helper()
	large := random(3<<20, 31)
	copy(large[1<<20:], random(1000, 32))
	try := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	try(os.WriteFile(filepath.Join(dir, "large"), large, 0o644))
	try(os.WriteFile(filepath.Join(dir, "readme"), []byte("changed\n"), 0o644))
	try(os.Remove(filepath.Join(dir, "empty")))
	try(os.RemoveAll(filepath.Join(dir, "many", "1")))
	try(os.Rename(filepath.Join(dir, "bin", "run"), filepath.Join(dir, "bin", "walk")))
	try(os.Chmod(filepath.Join(dir, "cafe\u0301"), 0o755))
	try(os.WriteFile(filepath.Join(dir, "new"), nil, 0o644))
}

// importDrive brings the drive of a store to a folder, and returns its key and version.
func importDrive(t *testing.T, store, dir string) (key string, version uint64) {
	t.Helper()
	out, _ := sh(t, store, 0, fmt.Sprintf("hc-chunk --avg 16k %q | hc-append files --drive", dir))
	if _, err := fmt.Sscanf(out, "%s %d", &key, &version); err != nil {
		t.Fatalf("hc-append printed %q: %v", out, err)
	}
	return key, version
}

func TestStockReadsOurDrive(t *testing.T) {
	for _, way := range []string{"tcp", "exec"} {
		t.Run(way, func(t *testing.T) {
			store, dir := t.TempDir(), makeFolder(t)
			key, _ := importDrive(t, store, dir)
			flags := []string{"--key", key, "--exec", "hc-serve -C " + store + "/.hc --stdio files"}
			if way == "tcp" {
				flags = []string{"--key", key, "--connect", serve(t, store, "files")}
			}
			reader := startDrive(t, flags...)
			out := t.TempDir()
			reader.do("mirrored", "mirror %s", out)
			compareFolders(t, "stock's mirror", readFolder(t, out), readFolder(t, dir))
			listed := reader.do("ls", "ls")
			compareListing(t, "stock's listing", listed.Entries, readFolder(t, dir))

			changeFolder(t, dir)
			var took []time.Duration
			for i := range 5 {
				if err := os.WriteFile(filepath.Join(dir, "count"), fmt.Appendln(nil, i), 0o644); err != nil {
					t.Fatal(err)
				}
				_, version := importDrive(t, store, dir)
				began := time.Now()
				seen := reader.wait("length", func(e event) bool { return e.Length == version })
				took = append(took, time.UnixMilli(seen.At).Sub(began))
			}
			prompt(t, "stock saw versions", took)
			reader.do("mirrored", "mirror %s", out)
			compareFolders(t, "stock's second mirror", readFolder(t, out), readFolder(t, dir))
			listed = reader.do("ls", "ls")
			compareListing(t, "stock's second listing", listed.Entries, readFolder(t, dir))
			mapped := slices.ContainsFunc(listed.Entries, func(e driveEntry) bool { return e.Name == "/large" && e.Mapped })
			if !mapped {
				t.Error("a large file with a small change is written anew, not behind a block map")
			}
		})
	}
}

func TestReadStocksDrive(t *testing.T) {
	for _, kind := range []string{"plain", "dedup", "compat"} {
		t.Run(kind, func(t *testing.T) {
			dir := makeFolder(t)
			flags := []string{"--listen"}
			if kind == "compat" {
				flags = append(flags, "--compat")
			}
			writer := startDrive(t, flags...)
			imported := strings.TrimSuffix("import "+dir+" "+kind, " plain")
			writer.do("imported", "%s", imported)
			for _, e := range writer.do("ls", "ls").Entries {
				if e.Name == "/large" && e.Mapped != (kind == "dedup") {
					t.Fatalf("stock wrote %+v", e)
				}
			}
			key, address := writer.Ready.Key, writer.address()
			store := t.TempDir()
			fetch := func(words string) {
				t.Helper()
				out := t.TempDir()
				line := fmt.Sprintf("hc-fetch %s --tree %s | hc-verify %s --tree / --tar | tar -x -C %s", key, words, key, out)
				sh(t, store, 0, line)
				compareFolders(t, "what was fetched "+words, readFolder(t, out), readFolder(t, dir))
			}
			fetch("--peer " + address)
			fetch("") // from what was kept
			fetch("--no-store --peer " + address)
			changeFolder(t, dir)
			writer.do("imported", "%s", imported)
			fetch("--peer " + address)

			one := t.TempDir()
			line := fmt.Sprintf("hc-fetch %s large --peer %s | hc-verify %s --path large | cmp - %s/large", key, address, key, dir)
			sh(t, one, 0, line)
			if out, _ := sh(t, one, 0, fmt.Sprintf("hc-fetch %s 'sp ace/tab\there' --peer %s | hc-verify %s --path 'sp ace/tab\there'", key, address, key)); out != "spaces" {
				t.Errorf("a path with spaces is %q", out)
			}
			sh(t, one, 5, fmt.Sprintf("hc-fetch %s empty --peer %s > absent", key, address))
			sh(t, one, 5, fmt.Sprintf("hc-fetch %s bin/alias --peer %s > link", key, address))
			sh(t, one, 0, "hc fsck")

			// What was kept is served to others.
			second := startDrive(t, "--key", key, "--connect", serve(t, store, key))
			out := t.TempDir()
			second.do("mirrored", "mirror %s", out)
			compareFolders(t, "stock's mirror of ours", readFolder(t, out), readFolder(t, dir))
		})
	}
}

// A drive that stock cut back is a different one: both cores of it are followed only if the reader asks for that.
func TestFollowStocksTruncatedDrive(t *testing.T) {
	writer := startDrive(t, "--listen")
	version := writer.do("put", "put /file first").Length
	writer.do("put", "put /file second")
	writer.do("put", "put /other one")
	fetch := fmt.Sprintf("hc-fetch %s file --peer %s", writer.Ready.Key, writer.address())
	verify := fmt.Sprintf(" | hc-verify %s --path file", writer.Ready.Key)
	dir := t.TempDir()
	if out, _ := sh(t, dir, 0, fetch+verify); out != "second" {
		t.Errorf("fetched %q", out)
	}
	writer.do("truncated", "truncate %d", version)
	for i := range 4 {
		writer.do("put", "put /file again %d", i)
	}
	sh(t, dir, 7, fetch+" > /dev/null")
	out, stderr := sh(t, dir, 0, fetch+" --follow-fork"+verify)
	if out != "again 3" || strings.Count(stderr, "following fork 1") != 2 {
		t.Errorf("fetched %q; stderr: %s", out, stderr)
	}
}

// A stock peer that has cleared a file closes the connection when it is asked for blocks next to those of which it has no tree nodes.
// It is dialled again; files that it sends are written, and the others are named.
func TestCloneOfStocksClearedDrive(t *testing.T) {
	drive := startDrive(t, "--listen")
	for _, name := range []string{"one", "two", "three"} {
		drive.do("put", "put /%s %s", name, strings.Repeat(name, 100_000))
	}
	drive.do("cleared", "clear /two")
	dir := t.TempDir()
	_, stderr := sh(t, dir, 3, fmt.Sprintf("hc clone %s copy --peer %s", drive.Ready.Key, drive.address()))
	if _, err := os.Stat(filepath.Join(dir, "copy", "three")); err != nil || !strings.Contains(stderr, `left out: "two"`) {
		t.Errorf("%v; it said %s", err, stderr)
	}
}
