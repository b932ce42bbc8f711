//go:build unix

package tests

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"hc/lib/hyperbee"
	"hc/lib/hypercore"
	"hc/lib/hyperdrive"
	"hc/lib/store"
)

// hostile is a drive that no tool of ours would write, in a store that hc-serve serves.
type hostile struct {
	t     *testing.T
	dir   string // of the store
	key   string
	above string // the folder that the clone is made in
}

// newHostile writes the blocks of a drive's names, after their header, and of its blobs.
func newHostile(t *testing.T, names, blobs [][]byte) *hostile {
	t.Helper()
	h := &hostile{t: t, dir: filepath.Join(t.TempDir(), ".hc"), above: t.TempDir()}
	in, err := store.Open(t.Context(), h.dir, store.Options{Create: true})
	h.check(err)
	defer in.Close()
	writer, err := hypercore.OpenWriter(t.Context(), in, "drive", hypercore.AppendOptions{Drive: true})
	h.check(err)
	manifest, key, err := hyperdrive.BlobsManifest(writer.Key(), writer.Manifest())
	h.check(err)
	content, err := writer.OpenCompanion(t.Context(), key, manifest)
	h.check(err)
	h.check(content.Append(t.Context(), blobs...))
	_, err = content.Commit(t.Context())
	h.check(err)
	h.check(writer.Append(t.Context(), append([][]byte{hyperbee.Header()}, names...)...))
	_, err = writer.Commit(t.Context())
	h.check(err)
	h.key = writer.Key().String()
	return h
}

func (h *hostile) check(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// tree returns the blocks of a tree of names that has these entries.
func tree(t *testing.T, entries map[string]hyperdrive.Entry) [][]byte {
	t.Helper()
	batch := hyperbee.NewBatch(nil, 1)
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		if err := batch.Put(t.Context(), hyperdrive.Key(name), entries[name].Encode()); err != nil {
			t.Fatal(err)
		}
	}
	blocks, err := batch.Flush(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return blocks
}

// clone clones the drive; it must end in time, with little memory, and with this exit code. It returns the complaints.
func (h *hostile) clone(code int) (complaints string) {
	h.t.Helper()
	serve := filepath.Join(bin, "hc-serve") + " -C " + h.dir + " --stdio " + h.key
	cmd := exec.Command(filepath.Join(bin, "hc"), "clone", h.key, filepath.Join(h.above, "copy"), "--exec", serve)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	began := time.Now()
	_ = cmd.Run() // the code tells
	if got := exitCode(cmd.ProcessState); got != code {
		h.t.Fatalf("exit code %d, want %d: %s", got, code, errs.Bytes())
	}
	if took := time.Since(began); took > waitLimit {
		h.t.Errorf("it took %v", took)
	}
	if used := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss; used > 300<<10 && used < 300<<20 || used > 300<<20 { // KiB, or bytes
		h.t.Errorf("it took %d of memory", used)
	}
	if slices.ContainsFunc(errs.Bytes(), func(b byte) bool { return b < ' ' && b != '\n' }) {
		h.t.Errorf("what it says has control characters: %q", errs.Bytes())
	}
	return errs.String()
}

// wrote fails the test unless these are all the files there are, above the clone and in it.
func (h *hostile) wrote(want ...string) {
	h.t.Helper()
	var got []string
	for _, dir := range []string{h.above, filepath.Join(h.above, "copy")} {
		h.check(filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
			name, _ := filepath.Rel(h.above, path)
			if err != nil || dir == h.above && name == "copy" || entry.Name() == ".hc" && filepath.Dir(name) == "copy" {
				if err == nil {
					err = filepath.SkipDir
				}
				return err
			}
			if !entry.IsDir() {
				got = append(got, strings.TrimPrefix(name, "copy/"))
			}
			return nil
		}))
	}
	slices.Sort(got)
	if slices.Sort(want); !slices.Equal(got, want) {
		h.t.Errorf("there is %q, want %q", got, want)
	}
}

func fileOf(first, count, offset, size uint64) hyperdrive.Entry {
	return hyperdrive.Entry{Blob: &hyperdrive.Blob{BlockOffset: first, BlockLength: count, ByteOffset: offset, ByteLength: size}}
}

func linkTo(target string) hyperdrive.Entry { return hyperdrive.Entry{Link: &target} }

// TestCloneHostileNames: bad names are reported, safely for a terminal, and left out; all others are written; nothing is
// written outside, and no link leads there. A second run reports the same.
func TestCloneHostileNames(t *testing.T) {
	t.Parallel()
	good := fileOf(0, 1, 0, 4)
	bad := map[string]hyperdrive.Entry{
		"/../up": good, "/a/../../up": good, "/a/./b": good, "//double": good, "/slash/": good, "/nul\x00byte": good,
		"/.hc/keys/mine": good, "/.HC/worktree": good, "/d/.hc/x": good, "/.hc ": good, "/.hc-tmp-0123456789abcdef": good,
		"/escape\x1b]0;title\x07/../x": good, "/bad\xff/..": good, "/": good,
		"/out": linkTo("../../out"), "/etc": linkTo("d/../../etc"), "/out/below": good, "/nul": linkTo("a\x00b"),
	}
	entries := map[string]hyperdrive.Entry{
		"/good": good, "/d/good": good, "/new\nline": good, "/quote\"": good, "/red\x1b[31m": good,
		"/inside": linkTo("d/good"), "/passwd": linkTo("/etc/passwd"), "/link": linkTo("d"), "/link/file": good,
	}
	maps.Copy(entries, bad)
	h := newHostile(t, tree(t, entries), [][]byte{[]byte("good")})
	delete(bad, "/out/below") // a folder of its own, as the link is not written
	for range 2 {
		said := h.clone(3)
		for name := range bad {
			if quoted := strings.Trim(strconv.Quote(name), `"`); !strings.Contains(said, quoted) && !strings.Contains(said, strings.TrimPrefix(quoted, "/")) {
				t.Errorf("%q is not named in\n%s", name, said)
			}
		}
		h.wrote("good", "d/good", "new\nline", "quote\"", "red\x1b[31m", "inside", "passwd", "link", "out/below")
	}
	if target, err := os.Readlink(filepath.Join(h.above, "copy", "passwd")); target != "etc/passwd" {
		t.Errorf("an absolute link leads to %q, %v", target, err)
	}
}

// TestCloneHostileMap: a map of 64 million pieces, in a store of 60 KB, is named and left out, and costs neither time nor memory.
func TestCloneHostileMap(t *testing.T) {
	t.Parallel()
	block := hyperdrive.EncodeMapBlock(slices.Repeat([]hyperdrive.Piece{{Length: 4}}, 1_000_000))
	mapped := fileOf(1, 64, 4, 64*uint64(len(block)))
	mapped.Blob.Map = true
	entries := map[string]hyperdrive.Entry{"/good": fileOf(0, 1, 0, 4), "/bomb": mapped}
	h := newHostile(t, tree(t, entries), append([][]byte{[]byte("good")}, slices.Repeat([][]byte{block}, 64)...))
	if said := h.clone(4); !strings.Contains(said, "bomb") {
		t.Errorf("it is not named in\n%s", said)
	}
	h.wrote("good")
}

// TestCloneStockHostileVector: names that stock lets anybody write, and lists without complaint.
func TestCloneStockHostileVector(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("vectors/drive-hostile.json")
	if err != nil {
		t.Fatal(err)
	}
	var vector struct {
		Metadata struct{ Blocks []string }
		Blobs    struct{ Blocks []struct{ Hex string } }
	}
	if err := json.Unmarshal(text, &vector); err != nil || len(vector.Metadata.Blocks) < 10 {
		t.Fatalf("%d blocks, %v", len(vector.Metadata.Blocks), err)
	}
	var names, blobs [][]byte
	for _, block := range vector.Metadata.Blocks[1:] {
		data, err := hex.DecodeString(block)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, data)
	}
	for _, block := range vector.Blobs.Blocks {
		data, err := hex.DecodeString(block.Hex)
		if err != nil {
			t.Fatal(err)
		}
		blobs = append(blobs, data)
	}
	h := newHostile(t, names, blobs)
	said := h.clone(3)
	for _, name := range []string{"/../evil", "/a/../../evil2", `/nul\x00byte`, `/a\\b`, "/dir/", "//double", "/./dot"} {
		if !strings.Contains(said, name) {
			t.Errorf("%s is not named in\n%s", name, said)
		}
	}
	h.wrote("good")
}

// nodeBlock is a block of a tree whose root has the key of block 1 and twice the same child: node 0 of that block.
func nodeBlock(child uint64) []byte {
	children := binary.AppendUvarint(nil, child)
	children = append(children, 0)
	children = append(children, children...)
	node := append([]byte{0x0a, 1, 1, 0x12, byte(len(children))}, children...)
	index := append([]byte{0x0a, byte(len(node))}, node...)
	block := append([]byte{0x0a, byte(len(index))}, index...)
	key := hyperdrive.Key("/deep")
	return append(append(append(block, 0x12, byte(len(key))), key...), 0x1a, 2, '{', '}')
}

// TestCloneHostileTrees: trees without an end, and deep ones, are refused.
func TestCloneHostileTrees(t *testing.T) {
	t.Parallel()
	const depth = 100_000
	first := tree(t, map[string]hyperdrive.Entry{"/a": fileOf(0, 1, 0, 4)})
	deep := slices.Clone(first)
	for block := uint64(2); block < depth; block++ {
		deep = append(deep, nodeBlock(block-1))
	}
	for name, names := range map[string][][]byte{
		"its own child": append(slices.Clone(first), nodeBlock(2)),
		"deep":          deep,
		"no tree":       append(slices.Clone(first), []byte("nonsense")),
	} {
		h := newHostile(t, names, [][]byte{[]byte("good")})
		if said := h.clone(4); !strings.Contains(said, "not a tree of names") {
			t.Errorf("%s: %s", name, said)
		}
		h.wrote()
	}
}

// TestCloneHostileBlobs: entries that name missing blobs end in time, make no file, and do not keep any other from coming.
func TestCloneHostileBlobs(t *testing.T) {
	mapped := fileOf(0, 1, 0, 4)
	mapped.Blob.Map = true
	for name, c := range map[string]struct {
		entry hyperdrive.Entry
		code  int
	}{
		"behind the end":     {fileOf(1, 1, 4, 4), 3},
		"far behind the end": {fileOf(1<<52, 1<<52, 0, 1<<53-1), 3},
		"longer":             {fileOf(0, 1, 0, 5), 4},
		"shorter":            {fileOf(0, 1, 0, 3), 4},
		"elsewhere":          {fileOf(0, 1, 1, 4), 4},
		"no map":             {mapped, 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHostile(t, tree(t, map[string]hyperdrive.Entry{"/bad": c.entry, "/good": fileOf(0, 1, 0, 4)}), [][]byte{[]byte("good")})
			if said := h.clone(c.code); !strings.Contains(said, `left out: "bad": `) {
				t.Errorf("it says %q", said)
			}
			h.wrote("good")
		})
	}
}
