package store

import (
	"errors"
	"fmt"
	"math"
	mathrand "math/rand/v2"
	"syscall"
	"testing"

	"hc/lib/hash"
	"hc/lib/store/packlog/memfs"
)

// fullWorld is a store of one log, on a disk that can be full.
type fullWorld struct {
	*checkWorld
	store  *Store
	log    *signed
	random *mathrand.Rand
}

func newFullWorld(t *testing.T) *fullWorld {
	w := &fullWorld{checkWorld: &checkWorld{machine: memfs.New(1)}, log: newSigned(t, 1), random: mathrand.New(mathrand.NewPCG(1, 1))}
	w.store = w.open(t, Options{Create: true, packSize: 4 << 20})
	t.Cleanup(func() { _ = w.store.Close() })
	w.log.append(t, w.store, false, randomBlocks(w.random, 5, 5000)...)
	if err := w.store.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w
}

// fill appends until an error, or until the disk has so many bytes, and gives up; leave: without telling the store,
// like a killed process.
func (w *fullWorld) fill(t *testing.T, most int, leave bool) error {
	t.Helper()
	tx, err := w.store.Begin(t.Context(), w.log.key(), TxOptions{Durable: true})
	if err != nil {
		t.Fatal(err)
	}
	if !leave {
		defer tx.Abort()
	}
	for w.machine.Used() < most {
		b := randomBytes(w.random, 3000)
		if err := tx.Append(t.Context(), hash.Leaf(b), b); err != nil {
			return err
		}
	}
	return nil
}

// restart continues as another process on the same disk.
func (w *fullWorld) restart(t *testing.T) {
	t.Helper()
	w.store = w.open(t, Options{packSize: 4 << 20})
}

func (w *fullWorld) sound(t *testing.T) {
	t.Helper()
	v, err := w.store.View(t.Context(), w.log.key(), false)
	if err == nil {
		err = sameBlocksAs(t.Context(), v, w.log)
	}
	if err != nil || len(w.store.Damage()) > 0 {
		t.Fatalf("%v, damaged is %v", err, w.store.Damage())
	}
	if found, _ := w.check(t); len(found) > 0 {
		t.Fatalf("a check found %+v", found)
	}
}

// TestFullDisk fills a disk in the middle of an append: the next append has the room again, except that of the packs
// that the failed one has sealed, which a gc frees with the room that there is then.
func TestFullDisk(t *testing.T) {
	for _, room := range []int{40 << 10, 2 << 20, 6 << 20} {
		w := newFullWorld(t)
		before := w.machine.Used()
		w.machine.Room = before + room
		if err := w.fill(t, math.MaxInt, false); !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("%d bytes of room: %v", room, err)
		}
		report, err := w.store.GC(t.Context(), GCOptions{})
		if err != nil {
			t.Fatalf("%d bytes of room: %v", room, err)
		}
		if now := w.machine.Used(); now > before+8<<10 {
			t.Errorf("%d bytes of room: %d are used, %d before, with %+v", room, now, before, report)
		}
		w.sound(t)
		w.machine.Room = 0
		w.log.append(t, w.store, false, randomBlocks(w.random, 2, 5000)...)
		w.sound(t)
	}
}

// TestFullDiskOfDeadProcess kills the process that filled the disk, in the middle of a write or after one: a gc frees
// the room if it has a few KiB to work with, and says what to do if not.
func TestFullDiskOfDeadProcess(t *testing.T) {
	for _, torn := range []bool{false, true} {
		w := newFullWorld(t)
		before := w.machine.Used()
		if torn {
			w.machine.Fault = func(c memfs.Call) memfs.Outcome {
				return memfs.Outcome{Kill: c.Op == "write" && w.machine.Used() > before+1_000_000}
			}
		}
		if err := w.fill(t, before+1_500_000, true); torn == (err == nil) {
			t.Fatal(err)
		}
		w.machine.Fault = nil
		w.store.fs.(*memfs.Process).Kill()
		full := w.machine.Used()
		w.restart(t)
		would, err := w.store.GC(t.Context(), GCOptions{DryRun: true})
		if err != nil || w.machine.Used() < full {
			t.Fatalf("torn %v: a dry run left %d bytes of %d, %v", torn, w.machine.Used(), full, err)
		}
		w.machine.Room = full
		if _, err := w.store.GC(t.Context(), GCOptions{}); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("torn %v: without any room: %v", torn, err)
		}
		w.machine.Room = w.machine.Used() + 12<<10
		report, err := w.store.GC(t.Context(), GCOptions{})
		if err != nil {
			t.Fatalf("torn %v: %v", torn, err)
		}
		if now := w.machine.Used(); now > before+12<<10 || report.Freed() < int64(full-before)/2 {
			t.Errorf("torn %v: %d bytes are used, %d before it was full with %d: %+v", torn, now, before, full, report)
		}
		if off := would.Freed() - report.Freed(); off < -4<<10 || off > 4<<10 {
			t.Errorf("torn %v: %d bytes would be freed, and were %d", torn, would.Freed(), report.Freed())
		}
		w.sound(t)
		w.machine.Room = 0
		w.log.append(t, w.store, false, randomBlocks(w.random, 2, 5000)...)
		w.sound(t)
	}
}

// TestFullDiskPackByPack has a disk with less room than what is left of all packs to be rewritten: they are rewritten
// one by one, until there is no room for any.
func TestFullDiskPackByPack(t *testing.T) {
	for _, test := range []struct {
		room int
		err  error
	}{{400_000, nil}, {100_000, syscall.ENOSPC}} {
		w := &fullWorld{checkWorld: &checkWorld{machine: memfs.New(1)}, log: newSigned(t, 1), random: mathrand.New(mathrand.NewPCG(1, 1))}
		w.store = w.open(t, Options{Create: true, packSize: 300_000})
		t.Cleanup(func() { _ = w.store.Close() })
		gone := newSigned(t, 2)
		for range 8 {
			w.log.append(t, w.store, false, randomBlocks(w.random, 20, 6000)...)
			gone.append(t, w.store, false, randomBlocks(w.random, 20, 6000)...)
		}
		if err := w.store.Drop(t.Context(), gone.key()); err != nil {
			t.Fatal(err)
		}
		if err := w.store.Checkpoint(t.Context()); err != nil {
			t.Fatal(err)
		}
		full := w.machine.Used()
		w.machine.Room = full + test.room
		report, err := w.store.GC(t.Context(), GCOptions{})
		if !errors.Is(err, test.err) {
			t.Fatalf("%d bytes of room: %v", test.room, err)
		}
		if now := w.machine.Used(); err == nil && now > full*2/3 || now > full+20_000 {
			t.Errorf("%d bytes of room: %d bytes became %d, with %+v", test.room, full, now, report)
		}
		w.sound(t)
	}
}

// TestFullDiskToBegin has a disk so full that a gc cannot even find what is dead: it says how much room that takes,
// which is enough.
func TestFullDiskToBegin(t *testing.T) {
	w := newFullWorld(t)
	var err error
	if w.store, err = Open(t.Context(), "/store", Options{fs: w.machine.Process(), packSize: 4 << 20}); err != nil { // tables of usual size
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.store.Close() })
	gone := newSigned(t, 2)
	for range 20 {
		gone.append(t, w.store, false, randomBlocks(w.random, 20, 6000)...)
	}
	if err := w.store.Drop(t.Context(), gone.key()); err != nil {
		t.Fatal(err)
	}
	full := w.machine.Used()
	w.machine.Room = full
	_, err = w.store.GC(t.Context(), GCOptions{})
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	const words = "collecting garbage: finding what can be freed takes about %d bytes on this disk"
	wanted := 0
	if n, _ := fmt.Sscanf(err.Error(), words, &wanted); n != 1 || wanted > full/4 {
		t.Fatalf("%d bytes of %d: %v", wanted, full, err)
	}
	const left = 5*5000 + 10_000 // of the pack
	w.machine.Room = w.machine.Used() + wanted + left
	report, err := w.store.GC(t.Context(), GCOptions{})
	if err != nil || w.machine.Used() > full/4 {
		t.Errorf("with %d bytes of room: %d of %d are used, %+v, %v", wanted+left, w.machine.Used(), full, report, err)
	}
	w.sound(t)
}
