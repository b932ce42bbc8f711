package packlog_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"hc/lib/store/packlog"
	"hc/lib/store/packlog/memfs"
)

const firstPack = storeDir + "/packs/1.0.pack"

// aheadStore is a store with three durable appends, and zeros behind the last one.
func aheadStore(t *testing.T) (m *memfs.Machine, l *packlog.Log, options packlog.Options) {
	t.Helper()
	m = memfs.New(1)
	options = packlog.Options{FS: m.Process(), Create: true, Program: "test"}
	l = open(t, storeDir, options)
	t.Cleanup(func() { l.Close() })
	l.WriteAheadAfter(2)
	for i := range 3 {
		if n := zerosBehind(t, m, l); n != 0 {
			t.Fatalf("%d zeros are ahead of append %d", n, i)
		}
		mustCommit(t, l, fmt.Sprint(i), true)
	}
	if n := zerosBehind(t, m, l); n != 16<<10 {
		t.Fatalf("%d zeros are ahead", n)
	}
	return m, l, options
}

// mustCommit has an append written and committed in one go.
func mustCommit(t *testing.T, l *packlog.Log, name string, durable bool) {
	t.Helper()
	a, err := l.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.WriteCommit(t.Context(), []packlog.Record{run(name, "some words")}, head(name), durable); err != nil {
		t.Fatal(err)
	}
}

// zerosBehind returns how many zeros follow the mark's end in the first pack, and fails if anything else does.
func zerosBehind(t *testing.T, m *memfs.Machine, l *packlog.Log) int {
	t.Helper()
	mark, err := l.Mark(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	behind := m.Read(firstPack)[mark.End.Offset:]
	if len(bytes.Trim(behind, "\x00")) > 0 {
		t.Fatalf("behind the end stands %x", behind)
	}
	return len(behind)
}

func packsOf(t *testing.T, m *memfs.Machine) int {
	t.Helper()
	names, err := m.Process().ReadDir(storeDir + "/packs")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

// Commits take the place of zeros until there are none left; then one of them writes more. Whoever closes the log cuts off the rest.
func TestZerosAhead(t *testing.T) {
	m, l, _ := aheadStore(t)
	size, longer := len(m.Read(firstPack)), 0
	for i := range 300 {
		mustCommit(t, l, fmt.Sprint("more", i), true)
		zerosBehind(t, m, l)
		if now := len(m.Read(firstPack)); now != size {
			size, longer = now, longer+1
		}
	}
	if longer < 1 || longer > 5 {
		t.Errorf("of 300 appends %d made the pack longer", longer)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, storeDir, packlog.Options{FS: m.Process()})
	defer l.Close()
	if n := zerosBehind(t, m, l); n != 0 {
		t.Errorf("%d zeros are there behind the end", n)
	}
	if n := len(committed(t, l)); n != 303 || packsOf(t, m) != 1 {
		t.Errorf("there are %d appends in %d packs", n, packsOf(t, m))
	}
}

// Who commits once, much, or without a sync writes no zeros.
func TestNoZerosAhead(t *testing.T) {
	m := memfs.New(1)
	l := open(t, storeDir, packlog.Options{FS: m.Process(), Create: true, Program: "test"})
	defer l.Close()
	large := string(bytes.Repeat([]byte("words "), 1000))
	for i := range 30 {
		mustCommit(t, l, fmt.Sprint("a", i), i%8 > 0)
		mustAppend(t, l, fmt.Sprint("b", i), large, i%8 == 0)
		if n := zerosBehind(t, m, l); n != 0 {
			t.Fatalf("%d zeros are ahead of append %d", n, i)
		}
	}
}

// Who writes what is not synced at once cuts the zeros off first, for a failed sync may leave zeros of that.
func TestSoftBehindZeros(t *testing.T) {
	for name, write := range map[string]func(*packlog.Log){
		"batch":       func(l *packlog.Log) { mustAppend(t, l, "behind", "x", true) },
		"soft commit": func(l *packlog.Log) { mustCommit(t, l, "behind", false) },
		"none": func(l *packlog.Log) {
			a, err := l.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			none := func() (packlog.Record, error) { return packlog.Record{}, errors.New("no head") }
			if _, err := a.WriteCommit(t.Context(), []packlog.Record{run("void", "")}, none, true); err == nil {
				t.Fatal("it is committed")
			}
			mustCommit(t, l, "behind", false)
		},
	} {
		m, l, _ := aheadStore(t)
		write(l)
		if n := zerosBehind(t, m, l); n != 0 {
			t.Errorf("%s: %d zeros are there behind the end", name, n)
		}
		if got, packs := fmt.Sprint(committed(t, l)), packsOf(t, m); got != "[0 1 2 behind]" || packs != 1 {
			t.Errorf("%s: there are %s in %d packs", name, got, packs)
		}
	}
}

// Another process goes on where one died that had written zeros: nothing has to be recovered.
func TestZerosAheadOfAnother(t *testing.T) {
	m, _, options := aheadStore(t)
	options.FS.(*memfs.Process).Kill()
	options.FS = m.Process()
	l := open(t, storeDir, options)
	defer l.Close()
	mustAppend(t, l, "another", "x", true)
	if got, packs := fmt.Sprint(committed(t, l)), packsOf(t, m); got != "[0 1 2 another]" || packs != 1 {
		t.Errorf("there are %s in %d packs", got, packs)
	}
}

// Two processes that commit by turns use the same zeros, and one that closes leaves alone what the other has written.
func TestZerosAheadOfTwo(t *testing.T) {
	m, l, options := aheadStore(t)
	options.FS = m.Process()
	other := open(t, storeDir, options)
	for i := range 100 {
		mustCommit(t, l, fmt.Sprint("one", i), true)
		mustCommit(t, other, fmt.Sprint("two", i), true)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, other, "last", "x", true)
	if n := len(committed(t, other)); n != 204 || packsOf(t, m) != 1 {
		t.Errorf("there are %d appends in %d packs", n, packsOf(t, m))
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
}

// Where a sync failed and left zeros of what it was for, and who met that died when he had closed the log in a new pack, but before
// the mark said so, the others see that pack: nobody goes on in the one that is closed.
func TestClosedBeforeZeros(t *testing.T) {
	left := 0
	for seed := range uint64(60) {
		m := memfs.New(seed)
		options := packlog.Options{FS: m.Process(), Create: true, Program: "test"}
		l := open(t, storeDir, options)
		l.WriteAheadAfter(0)
		mustCommit(t, l, "first", true)
		options.FS = m.Process()
		other := open(t, storeDir, options)
		failed := false
		m.Fault = func(c memfs.Call) memfs.Outcome {
			switch {
			case c.Op == "sync" && c.Path == firstPack:
				failed = true
				return memfs.Outcome{Err: syscall.EIO}
			case failed && c.Op == "write" && strings.HasSuffix(c.Path, "/mark"):
				return memfs.Outcome{Kill: true}
			}
			return memfs.Outcome{}
		}
		a, err := other.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.WriteCommit(t.Context(), []packlog.Record{run("lost", "x")}, head("lost"), true); err == nil {
			t.Fatal("it is committed")
		}
		m.Fault = nil
		if packsOf(t, m) != 2 {
			t.Fatalf("there are %d packs", packsOf(t, m))
		}
		if mark, err := l.Mark(t.Context()); err == nil && len(bytes.Trim(m.Read(firstPack)[mark.End.Offset:], "\x00")) == 0 {
			left++
		}
		mustCommit(t, l, "second", true)
		m.PowerLoss()
		options.FS = m.Process()
		l = open(t, storeDir, options)
		mustCommit(t, l, "third", true)
		if got := fmt.Sprint(committed(t, l)); got != "[first second third]" && got != "[first lost second third]" {
			t.Errorf("seed %d: there are %s", seed, got)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if left == 0 {
		t.Error("no sync left zeros")
	}
}

// Anything else that stands behind the end is what somebody left who died, wherever it stands: the log is recovered into another pack, and so it
// is behind a power loss.
func TestNotOnlyZerosAhead(t *testing.T) {
	edit := func(at int) func([]byte) []byte {
		return func(b []byte) []byte {
			b[len(b)-1-at] = 1
			return b
		}
	}
	for name, died := range map[string]func(*memfs.Machine){
		"the last byte":    func(m *memfs.Machine) { m.Edit(firstPack, edit(0)) },
		"one in between":   func(m *memfs.Machine) { m.Edit(firstPack, edit(5000)) },
		"the first one":    func(m *memfs.Machine) { m.Edit(firstPack, edit(16<<10-1)) },
		"too many of them": func(m *memfs.Machine) { m.Edit(firstPack, func(b []byte) []byte { return append(b, 0) }) },
		"a power loss":     func(m *memfs.Machine) { m.PowerLoss() },
	} {
		m, l, options := aheadStore(t)
		died(m)
		if name == "a power loss" {
			options.FS = m.Process()
			l = open(t, storeDir, options)
			defer l.Close()
		}
		mustAppend(t, l, "behind", "x", true)
		if got, packs := fmt.Sprint(committed(t, l)), packsOf(t, m); got != "[0 1 2 behind]" || packs != 2 {
			t.Errorf("%s: there are %s in %d packs", name, got, packs)
		}
		if damage := l.Damage(); len(damage) > 0 {
			t.Errorf("%s: damaged is %v", name, damage)
		}
	}
}

// A pack that is full has no zeros behind its seal, nor ever is made longer than packs are by them.
func TestSealedWithoutZeros(t *testing.T) {
	m := memfs.New(1)
	l := open(t, storeDir, packlog.Options{FS: m.Process(), Create: true, PackSize: 3000, Program: "test"})
	defer l.Close()
	l.WriteAheadAfter(0)
	for i := range 40 {
		mustAppend(t, l, fmt.Sprint(i), "some words", true)
		if packsOf(t, m) == 1 && len(m.Read(firstPack)) > 3000 {
			t.Fatalf("a pack has %d bytes", len(m.Read(firstPack)))
		}
	}
	if n := len(committed(t, l)); n != 40 || packsOf(t, m) < 3 || len(l.Damage()) > 0 {
		t.Errorf("there are %d appends in %d packs, damaged is %v", n, packsOf(t, m), l.Damage())
	}
}
