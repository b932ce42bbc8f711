package packlog_test

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"hc/lib/store/packlog"
	"hc/lib/store/packlog/memfs"
)

// fullDisk is a store on a disk that has little room left.
type fullDisk struct {
	machine *memfs.Machine
	options packlog.Options
	log     *packlog.Log
}

func newFullDisk(t *testing.T, room int) *fullDisk {
	t.Helper()
	d := &fullDisk{machine: memfs.New(1)}
	d.options = packlog.Options{FS: d.machine.Process(), Create: true, PackSize: 8000, Program: "test"}
	d.log = open(t, storeDir, d.options)
	t.Cleanup(func() { d.log.Close() })
	mustAppend(t, d.log, "first", "of the store", true)
	d.machine.Room = d.machine.Used() + room
	return d
}

// fill appends until the disk is full, and returns the error.
func (d *fullDisk) fill(t *testing.T, a *packlog.Append) error {
	t.Helper()
	for i := range 1000 {
		if _, err := a.Write(t.Context(), run("x", strings.Repeat("many bytes ", 10+i%7))); err != nil {
			return err
		}
	}
	t.Fatal("the disk is not full")
	return nil
}

func (d *fullDisk) begin(t *testing.T) *packlog.Append {
	t.Helper()
	a, err := d.log.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// What an append wrote to a disk that became full is freed by the append itself, in its last pack, and whoever comes
// next finds the log as it was, in another process, too, and after a power loss.
func TestFullDiskIsTakenBack(t *testing.T) {
	for room := 0; room < 3000; room += 100 {
		t.Run(fmt.Sprint(room), func(t *testing.T) {
			d := newFullDisk(t, room)
			used := d.machine.Used()
			a := d.begin(t)
			if err := d.fill(t, a); !errors.Is(err, syscall.ENOSPC) {
				t.Fatal(err)
			}
			if now := d.machine.Used(); now != used {
				t.Errorf("%d bytes are used, %d before", now, used)
			}
			if _, err := a.Commit(t.Context(), head("x"), true); err == nil {
				t.Error("the append goes on")
			}
			if _, err := a.Write(t.Context(), run("x", "y")); err == nil {
				t.Error("the append goes on")
			}
			d.machine.Room = 0
			mustAppend(t, d.log, "second", "behind it", true)
			for range 2 {
				other := open(t, storeDir, d.options)
				if got := fmt.Sprint(committed(t, other)); got != "[first second]" || len(other.Damage()) > 0 {
					t.Errorf("there are %s, damaged is %v", got, other.Damage())
				}
				if err := other.Close(); err != nil {
					t.Fatal(err)
				}
				d.machine.PowerLoss()
				d.options.FS = d.machine.Process()
			}
		})
	}
}

// A commit for which there is no room is taken back, too.
func TestFullDiskAtCommit(t *testing.T) {
	for room := 0; room < 300; room += 20 {
		d := newFullDisk(t, room)
		used := d.machine.Used()
		_, err := d.begin(t).WriteCommit(t.Context(), []packlog.Record{run("x", strings.Repeat("x", 200))}, head("x"), room%40 == 0)
		if now := d.machine.Used(); !errors.Is(err, syscall.ENOSPC) || now != used {
			t.Errorf("%d bytes of room: %d are used, %d before, %v", room, now, used, err)
		}
		d.machine.Room = 0
		mustAppend(t, d.log, "second", "behind it", true)
		if got := fmt.Sprint(committed(t, d.log)); got != "[first second]" {
			t.Errorf("%d bytes of room: there are %s", room, got)
		}
	}
}

// What another append has written in between is not taken back, nor what was written before that.
func TestFullDiskLeavesOthers(t *testing.T) {
	d := newFullDisk(t, 3000)
	a, other := d.begin(t), d.begin(t)
	write := func(a *packlog.Append, name string) {
		t.Helper()
		if _, err := a.Write(t.Context(), run(name, "a batch of "+name)); err != nil {
			t.Fatal(err)
		}
	}
	write(a, "a")
	write(other, "b")
	used := d.machine.Used()
	if err := d.fill(t, a); !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	if now := d.machine.Used(); now != used {
		t.Errorf("%d bytes are used, %d before", now, used)
	}
	d.machine.Room = 0
	write(other, "c")
	if _, err := other.Commit(t.Context(), head("other"), true); err != nil {
		t.Fatal(err)
	}
	view, err := d.log.View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var metas []string
	err = d.log.Scan(t.Context(), view, packlog.Position{}, true, func(r packlog.Record) error {
		metas = append(metas, string(r.Meta))
		return nil
	})
	if got := strings.Join(metas, " "); err != nil || got != "first first a b c other" {
		t.Errorf("the log has %s, %v", got, err)
	}
}

// If the process cannot take it back, since it was killed, closing the log takes little more than a pack's header, and
// then sweeping frees the rest.
func TestFullDiskIsSwept(t *testing.T) {
	for _, torn := range []bool{false, true} {
		d := newFullDisk(t, 6000)
		used := d.machine.Used()
		writes, killed := 0, d.options.FS.(*memfs.Process)
		d.machine.Fault = func(c memfs.Call) memfs.Outcome {
			if c.Op == "write" && strings.HasSuffix(c.Path, ".pack") {
				writes++
			}
			return memfs.Outcome{Kill: torn && writes == 12}
		}
		a := d.begin(t)
		for writes < 11 || torn && !killed.Dead() {
			if _, err := a.Write(t.Context(), run("x", strings.Repeat("many bytes ", 20))); err != nil && !killed.Dead() {
				t.Fatal(err)
			}
		}
		killed.Kill()
		d.machine.Fault = nil
		d.options.FS = d.machine.Process()
		d.log = open(t, storeDir, d.options)
		d.machine.Room = d.machine.Used()
		sweep := func() (uint64, error) {
			if _, err := d.log.CloseVoid(t.Context()); err != nil {
				return 0, err
			}
			return d.log.Sweep(t.Context())
		}
		if _, err := sweep(); !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "make some room on this disk") {
			t.Errorf("torn=%v: without room: %v", torn, err)
		}
		d.machine.Room += 2048
		freed, err := sweep()
		if now := d.machine.Used(); err != nil || freed < 2000 || now > used+1024+256 {
			t.Errorf("torn=%v: %d bytes are used, %d before; %d were freed, %v", torn, now, used, freed, err)
		}
		mustAppend(t, d.log, "second", "behind it", true)
		if got := fmt.Sprint(committed(t, d.log)); got != "[first second]" || len(d.log.Damage()) > 0 {
			t.Errorf("torn=%v: there are %s, damaged is %v", torn, got, d.log.Damage())
		}
	}
}

// A reader that does not know yet that the end was closed does not report damage where that was cut off.
func TestCutOffIsNoDamage(t *testing.T) {
	machine := memfs.New(1)
	options := packlog.Options{FS: machine.Process(), Create: true, Program: "test"}
	l := open(t, storeDir, options)
	mustAppend(t, l, "first", "of the store", true)
	at := mustAppend(t, l, "soft", "which a recovery copies", false)
	options.FS, options.ReadOnly = machine.Process(), true
	reader := open(t, storeDir, options)
	defer reader.Close()
	view, err := reader.View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	a, err := l.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Write(t.Context(), run("void", "")); err != nil {
		t.Fatal(err)
	}
	if !machine.Edit(storeDir+"/packs/1.0.pack", func(b []byte) []byte { return append(b, 0) }) { // as a process leaves it that died in a write
		t.Fatal("there is no pack")
	}
	if _, err := l.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	if freed, err := l.Sweep(t.Context()); err != nil || freed == 0 {
		t.Fatalf("freed %d bytes, %v", freed, err)
	}
	if _, err := reader.ReadPayload(t.Context(), at); !errors.Is(err, packlog.ErrMoved) {
		t.Errorf("reading it: %v", err)
	}
	if err := reader.Scan(t.Context(), view, packlog.Position{}, true, func(packlog.Record) error { return nil }); !errors.Is(err, packlog.ErrMoved) {
		t.Errorf("a scan: %v", err)
	}
	if len(reader.Damage()) > 0 {
		t.Errorf("damaged is %v", reader.Damage())
	}
	if got := fmt.Sprint(committed(t, reader)); got != "[first soft]" {
		t.Errorf("there are %s", got)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// mixed writes an append and takes it back, writes another of the same size in its place, which is not synced when the
// power fails, and reports whether that one counts then, and whether with all its records. Each record fills whole
// sectors.
func mixed(t *testing.T, seed uint64, noSync bool) (counts, whole bool) {
	machine := memfs.New(seed)
	options := packlog.Options{FS: mutant{FS: machine.Process(), noSyncOfCut: noSync}, Create: true, Program: "test"}
	l := open(t, storeDir, options)
	record := func(name string) packlog.Record { return run(name+"-------", strings.Repeat(name, 56)) }
	first, err := l.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := first.Write(t.Context(), record("a")); err != nil {
		t.Fatal(err)
	}
	machine.Room = machine.Used()
	if _, err := first.Write(t.Context(), record("a")); !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	machine.Room = 0
	second, err := l.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := second.WriteCommit(t.Context(), []packlog.Record{record("b")}, head("b"), false); err != nil {
		t.Fatal(err)
	}
	machine.PowerLoss()
	options.FS, options.ReadOnly = machine.Process(), true
	l = open(t, storeDir, options)
	view, err := l.View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = l.Scan(t.Context(), view, packlog.Position{}, true, func(r packlog.Record) error {
		counts = counts || r.Commit
		whole = whole || string(r.Meta) == "b-------"
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return counts, whole
}

// Nothing that was taken back reappears in place of what was written there since; that depends on the sync in between.
func TestTakenBackIsGone(t *testing.T) {
	count := 0
	for seed := range uint64(3000) {
		counts, whole := mixed(t, seed, false)
		if counts && !whole {
			t.Fatalf("seed %d: an append counts without its run", seed)
		}
		if counts {
			count++
		}
	}
	if count == 0 {
		t.Error("no append counts")
	}
	for seed := range uint64(30000) {
		if counts, whole := mixed(t, seed, true); counts && !whole {
			t.Logf("seed %d: not synced, an append counts without its run", seed)
			return
		}
	}
	t.Error("that it is not synced is not noticed")
}

// If the sync of what was cut off fails, and leaves zeros there, and the disk has no room to close the log after that,
// the next process does so: these are not zeros ahead, since what was cut off may come back after a power loss.
func TestTakenBackWithoutSync(t *testing.T) {
	left := 0
	for seed := range uint64(60) {
		machine := memfs.New(seed)
		options := packlog.Options{FS: machine.Process(), Create: true, Program: "test"}
		l := open(t, storeDir, options)
		mustAppend(t, l, "first", "of the store", true)
		full := false
		machine.Fault = func(c memfs.Call) memfs.Outcome {
			switch {
			case c.Op == "write" && c.Path == firstPack:
				full = true
				return memfs.Outcome{Err: syscall.ENOSPC}
			case full && c.Op == "sync":
				return memfs.Outcome{Err: syscall.EIO}
			case full && c.Op == "create":
				return memfs.Outcome{Err: syscall.ENOSPC}
			}
			return memfs.Outcome{}
		}
		a, err := l.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.Write(t.Context(), run("x", strings.Repeat("many bytes ", 200))); !errors.Is(err, syscall.ENOSPC) || !errors.Is(err, syscall.EIO) {
			t.Fatal(err)
		}
		machine.Fault = nil
		if isZeros(behindEnd(t, machine, l)) {
			left++
		}
		mustAppend(t, l, "second", "behind it", false)
		if got, packs := fmt.Sprint(committed(t, l)), packsOf(t, machine); got != "[first second]" || packs != 2 {
			t.Errorf("seed %d: there are %s in %d packs", seed, got, packs)
		}
	}
	if left == 0 {
		t.Error("no sync left zeros")
	}
}

// A check that began before an append was taken back does not report damage there, even if another append writes there
// since.
func TestTakenBackIsNoDamage(t *testing.T) {
	for _, again := range []bool{false, true} {
		machine := memfs.New(1)
		options := packlog.Options{FS: machine.Process(), Create: true, Program: "test"}
		l := open(t, storeDir, options)
		t.Cleanup(func() { l.Close() })
		mustAppend(t, l, "first", "of the store", true)
		a, err := l.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if _, err := a.Write(t.Context(), run("void", strings.Repeat("x", 300<<10))); err != nil {
				t.Fatal(err)
			}
		}
		options.FS, options.ReadOnly = machine.Process(), true
		reader := open(t, storeDir, options)
		t.Cleanup(func() { reader.Close() })
		view, err := reader.View(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		takeBack := func(*packlog.Record) error {
			if machine.Room > 0 || again && machine.Used() > 2<<20 {
				return nil
			}
			machine.Room = machine.Used()
			if _, err := a.Write(t.Context(), run("void", strings.Repeat("x", 100<<10))); !errors.Is(err, syscall.ENOSPC) {
				t.Fatal(err)
			}
			if again {
				machine.Room = 0
				mustAppend(t, l, "second", strings.Repeat("y", 2<<20), true)
			}
			return nil
		}
		err = reader.Check(t.Context(), view, func(f *packlog.Fault) error {
			t.Errorf("again %v: damage: %v", again, f)
			return nil
		}, takeBack)
		if err != nil || machine.Room == 0 && !again {
			t.Errorf("again %v: %v", again, err)
		}
	}
}

// Closing the end makes no copies of what was committed and not synced, for which a full disk may have no room: it is
// synced where it is, and stays there.
func TestFullDiskIsClosedBehindSoft(t *testing.T) {
	d := newFullDisk(t, 6000)
	at := mustAppend(t, d.log, "soft", strings.Repeat("not synced ", 300), false)
	if _, err := d.begin(t).Write(t.Context(), run("x", strings.Repeat("many bytes ", 50))); err != nil {
		t.Fatal(err)
	}
	d.options.FS.(*memfs.Process).Kill()
	d.options.FS = d.machine.Process()
	d.log = open(t, storeDir, d.options)
	d.machine.Room = d.machine.Used() + 1500
	if closed, err := d.log.CloseVoid(t.Context()); !closed || err != nil {
		t.Fatalf("closed %v, %v", closed, err)
	}
	if freed, err := d.log.Sweep(t.Context()); freed < 500 || err != nil {
		t.Errorf("%d bytes were freed, %v", freed, err)
	}
	if !d.log.Current(at) {
		t.Error("what was committed has moved")
	}
	d.machine.PowerLoss()
	d.options.FS = d.machine.Process()
	d.log = open(t, storeDir, d.options)
	if got := fmt.Sprint(committed(t, d.log)); got != "[first soft]" || len(d.log.Damage()) > 0 {
		t.Errorf("there are %s, damaged is %v", got, d.log.Damage())
	}
}

// A durable commit whose sync fails is reported as uncertain: the recovery after it may have found it, and kept it
// elsewhere.
func TestUnsynced(t *testing.T) {
	kept, tries := 0, 60
	for seed := range uint64(tries) {
		machine := memfs.New(seed)
		l := open(t, storeDir, packlog.Options{FS: machine.Process(), Create: true, Program: "test"})
		machine.Fault = func(c memfs.Call) memfs.Outcome {
			if c.Op == "sync" && c.Path == firstPack {
				return memfs.Outcome{Err: syscall.ENOSPC}
			}
			return memfs.Outcome{}
		}
		if _, err := appendTo(t, l, "first", "of the store", true); !errors.Is(err, packlog.ErrUnsynced) || !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
		machine.Fault = nil
		if got := fmt.Sprint(committed(t, l)); got == "[first]" {
			kept++
		}
	}
	if kept == 0 || kept == tries {
		t.Errorf("%d of %d are there", kept, tries)
	}
}
