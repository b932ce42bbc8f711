//go:build unix

package tests

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// lied is a drive of a few files, served by one peer that has all of it, and by others that have a wrong block of one of the
// files: a liar sends it, a peer with a damaged store refuses it.
type lied struct {
	t                      *testing.T
	dir                    string
	key                    string
	files                  map[string][]byte
	honest, liars, damaged string // what --exec is to run
}

const badFile = "f4"

func newLied(t *testing.T) *lied {
	l := &lied{t: t, dir: t.TempDir(), files: map[string][]byte{}}
	owner := l.path("owner")
	l.check(os.Mkdir(owner, 0o777))
	random := rand.NewChaCha8([32]byte{1})
	for i := range 9 {
		data := make([]byte, 200_000)
		_, _ = random.Read(data)
		name := fmt.Sprintf("f%d", i)
		l.files[name] = data
		l.check(os.WriteFile(filepath.Join(owner, name), data, 0o666))
	}
	shared, err := exec.Command(filepath.Join(bin, "hc"), "share", owner, "--once").Output()
	l.check(err)
	l.key = strings.Fields(string(shared))[0]
	serve := func(folder string) string {
		return filepath.Join(bin, "hc-serve") + " -C " + filepath.Join(l.path(folder), ".hc") + " --stdio"
	}
	l.honest, l.liars, l.damaged = serve("owner"), serve("liar"), serve("damaged")
	for _, folder := range []string{"liar", "damaged"} {
		l.run(0, "hc", "clone", l.key, l.path(folder), "--exec", l.honest)
		l.tamper(filepath.Join(l.path(folder), ".hc"), l.files[badFile][100_000:100_100], folder == "liar")
	}
	return l
}

func (l *lied) path(name string) string { return filepath.Join(l.dir, name) }

func (l *lied) check(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// run runs a tool, which must end with this exit code, and returns its output.
func (l *lied) run(code int, tool string, args ...string) string {
	l.t.Helper()
	cmd := exec.Command(filepath.Join(bin, tool), args...)
	said, _ := cmd.CombinedOutput() // the code tells
	if got := exitCode(cmd.ProcessState); got != code {
		l.t.Fatalf("%s %s: exit code %d, want %d: %s", tool, args, got, code, said)
	}
	return string(said)
}

// tamper changes a byte in a store; if quiet, also the checksum over it, so that the store finds nothing wrong.
func (l *lied) tamper(store string, data []byte, quiet bool) {
	l.t.Helper()
	packs, err := filepath.Glob(filepath.Join(store, "*.pack"))
	more, _ := filepath.Glob(filepath.Join(store, "*", "*.pack"))
	l.check(err)
	for _, path := range append(packs, more...) {
		pack, err := os.ReadFile(path)
		l.check(err)
		at := bytes.Index(pack, data)
		if at < 0 {
			continue
		}
		pack[at] ^= 1
		if quiet {
			resum(pack, at)
		}
		l.check(os.WriteFile(path, pack, 0o666))
		return
	}
	l.t.Fatal("no pack has the block")
}

// resum sets the checksum of the payload of the record around a byte of a pack: lib/store/packlog/FORMAT.md.
func resum(pack []byte, around int) {
	table := crc32.MakeTable(crc32.Castagnoli)
	for at := 1024; at < around; {
		record := pack[at:]
		payload := 64 + int(binary.LittleEndian.Uint32(record[8:]))
		end := (payload + int(binary.LittleEndian.Uint32(record[12:])) + 7) &^ 7
		if at+end > around {
			seed := binary.LittleEndian.AppendUint64(bytes.Clone(pack[8:16]), uint64(at))
			sum := crc32.Update(crc32.Checksum(seed, table), table, record[payload:end])
			binary.LittleEndian.PutUint32(record[56:], sum)
			sum = crc32.Update(crc32.Checksum(seed, table), table, record[:60])
			sum = crc32.Update(sum, table, record[64:payload])
			binary.LittleEndian.PutUint32(record[60:], sum)
		}
		at += end
	}
}

// has fails the test unless a copy has all files except these.
func (l *lied) has(copy string, but ...string) {
	l.t.Helper()
	for name, want := range l.files {
		got, err := os.ReadFile(filepath.Join(l.path(copy), name))
		if slices.Contains(but, name) {
			if !os.IsNotExist(err) {
				l.t.Errorf("%s: %d bytes, %v, want no file", name, len(got), err)
			}
		} else if !bytes.Equal(got, want) {
			l.t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
}

// shows fails the test unless hc status shows exactly these differences of a copy.
func (l *lied) shows(copy string, want ...string) {
	l.t.Helper()
	var got []string
	for _, line := range strings.Split(strings.TrimSpace(l.run(0, "hc", "status", l.path(copy))), "\n") {
		if !strings.HasPrefix(line, "#") {
			got = append(got, line)
		}
	}
	if !slices.Equal(got, want) {
		l.t.Errorf("hc status %s shows %q, want %q", copy, got, want)
	}
}

// TestCloneFromLiar: a wrong block costs only the file that it is part of, which is named; if another peer has the right one, it
// costs nothing.
func TestCloneFromLiar(t *testing.T) {
	t.Parallel()
	l := newLied(t)
	said := l.run(4, "hc", "clone", l.key, l.path("alone"), "--exec", l.liars)
	if !strings.Contains(said, fmt.Sprintf("left out: %q", badFile)) {
		t.Errorf("it says %s", said)
	}
	l.has("alone", badFile)
	l.shows("alone", "L "+badFile)
	l.run(4, "hc", "pull", l.path("alone"), "--exec", l.liars)
	l.run(0, "hc", "pull", l.path("alone"), "--exec", l.honest)
	l.has("alone")

	said = l.run(3, "hc", "clone", l.key, l.path("partly"), "--exec", l.damaged)
	var named []string // the damage is to several neighbours, stored in one run
	for _, match := range regexp.MustCompile(`left out: "(\w+)"`).FindAllStringSubmatch(said, -1) {
		named = append(named, match[1])
	}
	if !slices.Contains(named, badFile) || len(named) > 3 {
		t.Errorf("of a damaged store it says %s", said)
	}
	l.has("partly", named...)
	l.run(0, "hc", "pull", l.path("partly"), "--exec", l.honest)
	l.has("partly")

	for _, order := range [][]string{{l.liars, l.honest}, {l.honest, l.liars}} {
		into := "copy of " + filepath.Base(filepath.Dir(strings.Fields(order[0])[2]))
		l.run(0, "hc", "clone", l.key, l.path(into), "--exec", order[0], "--exec", order[1])
		l.has(into)
	}
}

// TestCloneFromLiarOverFiles: files that the folder has already stay, are named if the store cannot have them, and cost no other file.
func TestCloneFromLiarOverFiles(t *testing.T) {
	t.Parallel()
	l := newLied(t)
	l.check(os.Mkdir(l.path("over"), 0o777))
	for _, name := range []string{"f1", badFile} {
		l.check(os.WriteFile(filepath.Join(l.path("over"), name), l.files[name], 0o644))
	}
	for _, act := range [][]string{{"clone", l.key}, {"pull"}} {
		args := append(act, l.path("over"), "--exec", l.liars)
		said := l.run(4, "hc", args...)
		if !strings.Contains(said, fmt.Sprintf("left out: %q: the folder has it, but no peer gives it to the store", badFile)) || strings.Count(said, `left out: "`) != 1 {
			t.Errorf("hc %s says %s", act[0], said)
		}
		l.has("over")
	}
	l.run(0, "hc", "pull", l.path("over"), "--exec", l.honest)
	l.run(0, "hc", "clone", l.key, l.path("again"), "--exec", filepath.Join(bin, "hc-serve")+" -C "+filepath.Join(l.path("over"), ".hc")+" --stdio")
	l.has("again")
}

// TestFollowLiar: a follower of a peer that sends a wrong block continues with later versions, and with the other files.
func TestFollowLiar(t *testing.T) {
	l := newLied(t)
	l.run(4, "hc", "clone", l.key, l.path("copy"), "--exec", l.liars)
	begin(t, false, "hc", "sync", l.path("copy"), "--live", "--exec", l.liars, "--json")
	for _, name := range []string{"new", "newer"} {
		l.files[name] = []byte(name + "\n")
		l.check(os.WriteFile(filepath.Join(l.path("owner"), name), l.files[name], 0o666))
		l.run(0, "hc", "share", l.path("owner"), "--once")
		l.run(0, "hc", "pull", l.path("liar"), "--exec", l.honest)
		await(t, filepath.Join(l.path("copy"), name), name+"\n")
	}
	l.has("copy", badFile)
}

// TestPullFromLiar: the previous version of a file that was left out stays, does not count as an edit, and is replaced by a later pull.
func TestPullFromLiar(t *testing.T) {
	t.Parallel()
	l := newLied(t)
	l.run(0, "hc", "clone", l.key, l.path("copy"), "--exec", l.honest)
	old := l.files[badFile]
	next := bytes.Clone(l.files["f1"])
	for i := range next {
		next[i] ^= old[i]
	}
	l.files[badFile] = next
	l.check(os.WriteFile(filepath.Join(l.path("owner"), badFile), next, 0o666))
	l.run(0, "hc", "share", l.path("owner"), "--once")
	l.run(0, "hc", "clone", l.key, l.path("second"), "--exec", l.honest)
	store := filepath.Join(l.path("second"), ".hc")
	l.tamper(store, next[100_000:100_100], true)

	for range 2 {
		l.run(4, "hc", "pull", l.path("copy"), "--exec", filepath.Join(bin, "hc-serve")+" -C "+store+" --stdio")
		if got, err := os.ReadFile(filepath.Join(l.path("copy"), badFile)); err != nil || !bytes.Equal(got, old) {
			t.Errorf("left out, it has %d bytes, %v", len(got), err)
		}
		l.shows("copy", "L "+badFile)
	}
	edited := filepath.Join(l.path("copy"), badFile)
	l.check(os.WriteFile(edited, []byte("mine"), 0o666))
	l.shows("copy", "M "+badFile)
	l.run(7, "hc", "pull", l.path("copy"), "--exec", l.honest)
	l.check(os.WriteFile(edited, old, 0o666))
	l.run(0, "hc", "pull", l.path("copy"), "--exec", l.honest)
	l.has("copy")
	l.shows("copy")
}
