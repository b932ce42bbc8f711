package packlog_test

import (
	"bytes"
	"errors"
	"fmt"
	"syscall"
	"testing"

	"hc/lib/store/packlog"
	"hc/lib/store/packlog/memfs"
)

const firstPack = storeDir + "/packs/1.0.pack"

// aheadStore returns a store with three durable appends, and zeros after the last one.
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
	if n := zerosBehind(t, m, l); n != 16<<10-1 {
		t.Fatalf("%d zeros are ahead", n)
	}
	return m, l, options
}

// afterDeath returns such a store, opened by another process after the one that wrote the zeros has died.
func afterDeath(t *testing.T) (*memfs.Machine, *packlog.Log) {
	t.Helper()
	m, _, options := aheadStore(t)
	options.FS.(*memfs.Process).Kill()
	options.FS = m.Process()
	l := open(t, storeDir, options)
	t.Cleanup(func() { l.Close() })
	return m, l
}

// mustCommit writes and commits an append in one step.
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

// behindEnd returns what follows the mark's end in the first pack.
func behindEnd(t *testing.T, m *memfs.Machine, l *packlog.Log) []byte {
	t.Helper()
	mark, err := l.Mark(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return m.Read(firstPack)[mark.End.Offset:]
}

// zerosBehind returns how many zeros follow the mark's end in the first pack, and fails if anything else does.
func zerosBehind(t *testing.T, m *memfs.Machine, l *packlog.Log) int {
	t.Helper()
	behind := behindEnd(t, m, l)
	if !isZeros(behind) {
		t.Fatalf("behind the end stands %x", behind)
	}
	return len(behind)
}

func isZeros(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }

func packsOf(t *testing.T, m *memfs.Machine) int {
	t.Helper()
	names, err := m.Process().ReadDir(storeDir + "/packs")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

// Commits overwrite zeros until none are left; then one of them writes more. Closing the log cuts off the rest.
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

// A process that commits once, much, or without a sync writes no zeros.
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

// A process that writes what is not synced at once cuts the zeros off first, since a failed sync may leave zeros in
// place of it.
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

// Another process continues after one has died that had written zeros: nothing must be recovered.
func TestZerosAheadOfAnother(t *testing.T) {
	m, l := afterDeath(t)
	mustAppend(t, l, "another", "x", true)
	if got, packs := fmt.Sprint(committed(t, l)), packsOf(t, m); got != "[0 1 2 another]" || packs != 1 {
		t.Errorf("there are %s in %d packs", got, packs)
	}
}

// A dead process has left zeros after its last commit; sweeping frees them.
func TestZerosAheadAreSwept(t *testing.T) {
	m, l := afterDeath(t)
	used := m.Used()
	freed, err := l.Sweep(t.Context())
	if err != nil || freed != 16<<10-1 || m.Used() != used-16<<10+1 || zerosBehind(t, m, l) != 0 {
		t.Errorf("freed %d bytes, %v; %d are used of %d", freed, err, m.Used(), used)
	}
	if freed, err := l.Sweep(t.Context()); err != nil || freed != 0 {
		t.Errorf("freed %d bytes more, %v", freed, err)
	}
	mustCommit(t, l, "behind", true)
	if got, packs := fmt.Sprint(committed(t, l)), packsOf(t, m); got != "[0 1 2 behind]" || packs != 1 {
		t.Errorf("there are %s in %d packs", got, packs)
	}
}

// Two processes that commit in turn use the same zeros, and one that closes leaves those of the other alone.
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

// closedBeforeZeros returns a store of two logs in whose pack a sync failed and left zeros in place of its data. The
// process that met that has closed the log in a new pack, and died before the mark said so. It returns no logs if
// anything but zeros is left.
func closedBeforeZeros(t *testing.T, seed uint64) (m *memfs.Machine, logs []*packlog.Log) {
	t.Helper()
	m = memfs.New(seed)
	for range 3 {
		logs = append(logs, open(t, storeDir, packlog.Options{FS: m.Process(), Create: true, Program: "test"}))
	}
	logs[0].WriteAheadAfter(0)
	mustCommit(t, logs[0], "first", true)
	mustCommit(t, logs[0], "second", true)
	if _, err := logs[1].CloseVoid(t.Context()); err != nil { // so it has seen the mark
		t.Fatal(err)
	}
	closed := false
	m.Fault = func(c memfs.Call) memfs.Outcome {
		switch {
		case c.Op == "sync" && c.Path == firstPack:
			return memfs.Outcome{Err: syscall.EIO}
		case c.Op == "rename":
			closed = true
		case closed && c.Op == "syncdir":
			return memfs.Outcome{Kill: true}
		}
		return memfs.Outcome{}
	}
	a, err := logs[2].Begin(t.Context())
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
	if !isZeros(behindEnd(t, m, logs[0])) {
		return m, nil
	}
	return m, logs[:2]
}

// The others see the new pack: none continues in the closed one, begins to, or makes it look as if it was not closed.
func TestClosedBeforeZeros(t *testing.T) {
	for name, last := range map[string]func([]*packlog.Log) *packlog.Log{
		"who wrote the zeros": func(logs []*packlog.Log) *packlog.Log { return logs[0] },
		"another":             func(logs []*packlog.Log) *packlog.Log { return logs[1] },
		"behind a sweep": func(logs []*packlog.Log) *packlog.Log {
			if _, err := logs[1].Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			return logs[1]
		},
		"behind a close": func(logs []*packlog.Log) *packlog.Log {
			if err := logs[0].Close(); err != nil {
				t.Fatal(err)
			}
			return logs[1]
		},
	} {
		left := 0
		for seed := range uint64(60) {
			m, logs := closedBeforeZeros(t, seed)
			if logs == nil {
				continue
			}
			left++
			mustCommit(t, last(logs), "third", true)
			m.PowerLoss()
			l := open(t, storeDir, packlog.Options{FS: m.Process(), Program: "test"})
			mustCommit(t, l, "fourth", true)
			if got := fmt.Sprint(committed(t, l)); got != "[first second third fourth]" {
				t.Errorf("%s, seed %d: there are %s", name, seed, got)
			}
		}
		if left == 0 {
			t.Errorf("%s: no sync left zeros", name)
		}
	}
}

// Zeros for which there is no room are not there in part: the commit is there, and no further pack.
func TestNoRoomForZeros(t *testing.T) {
	for _, room := range []int{0, 8, 13, 4096, 16<<10 - 2} {
		m := memfs.New(1)
		options := packlog.Options{FS: m.Process(), Create: true, Program: "test"}
		l := open(t, storeDir, options)
		before := m.Used()
		mustCommit(t, l, "a", true)
		m.Room = m.Used() + m.Used() - before + room
		l.WriteAheadAfter(0)
		mustCommit(t, l, "b", true)
		if n := zerosBehind(t, m, l); n != 0 {
			t.Errorf("room for %d: %d zeros are ahead", room, n)
		}
		m.Room = 0
		options.FS = m.Process()
		other := open(t, storeDir, options)
		mustCommit(t, other, "c", true)
		if got, packs := fmt.Sprint(committed(t, other)), packsOf(t, m); got != "[a b c]" || packs != 1 {
			t.Errorf("room for %d: there are %s in %d packs", room, got, packs)
		}
	}
}

// Anything else after the end was left by a dead process, wherever it is: the log is recovered into another pack, as it
// is after a power loss.
func TestNotOnlyZerosAhead(t *testing.T) {
	edit := func(at int) func([]byte) []byte {
		return func(b []byte) []byte {
			b[len(b)-1-at] = 1
			return b
		}
	}
	for name, died := range map[string]func(*memfs.Machine){
		"the last byte":  func(m *memfs.Machine) { m.Edit(firstPack, edit(0)) },
		"one in between": func(m *memfs.Machine) { m.Edit(firstPack, edit(5000)) },
		"the first one":  func(m *memfs.Machine) { m.Edit(firstPack, edit(16<<10-2)) },
		"too many of them": func(m *memfs.Machine) {
			m.Edit(firstPack, func(b []byte) []byte { return append(b, make([]byte, 8)...) })
		},
		"as if of records": func(m *memfs.Machine) { m.Edit(firstPack, func(b []byte) []byte { return b[:len(b)-7] }) },
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

// A full pack has no zeros after its seal, and they never make a pack longer than packs may be.
func TestSealedWithoutZeros(t *testing.T) {
	m := memfs.New(1)
	l := open(t, storeDir, packlog.Options{FS: m.Process(), Create: true, PackSize: 3000, Program: "test"})
	defer l.Close()
	l.WriteAheadAfter(0)
	for i := range 40 {
		mustCommit(t, l, fmt.Sprint(i), true)
		if packsOf(t, m) == 1 && len(m.Read(firstPack)) > 3000 {
			t.Fatalf("a pack has %d bytes", len(m.Read(firstPack)))
		}
	}
	if n := len(committed(t, l)); n != 40 || packsOf(t, m) < 3 || len(l.Damage()) > 0 {
		t.Errorf("there are %d appends in %d packs, damaged is %v", n, packsOf(t, m), l.Damage())
	}
	if view, err := l.View(t.Context()); err != nil || view.Closer != 0 {
		t.Errorf("pack %d was made by a recovery, %v", view.Closer, err)
	}
}
