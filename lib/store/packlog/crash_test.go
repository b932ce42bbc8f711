package packlog_test

import (
	"flag"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"strings"
	"syscall"
	"testing"
	"time"

	"hc/lib/store/packlog"
	"hc/lib/store/packlog/memfs"
)

func init() { packlog.BelieveMark() }

// twoWriters is a workload of two processes whose batches interleave, with seals in the middle and a reader throughout.
func twoWriters(w *world) {
	for range 14 {
		for _, p := range w.writers {
			w.step(p)
		}
		w.announce()
	}
}

// faultAt runs a workload in which one call fails, and what follows.
func faultAt(seed uint64, n int, out memfs.Outcome, workload func(*world)) *world {
	w := newWorld(seed, "a", "soft")
	w.machine.Fault = func(c memfs.Call) memfs.Outcome {
		if c.N == n {
			w.note("--- call %d: %s %s by %d: %+v", n, c.Op, c.Path, c.Process, out)
			return out
		}
		return memfs.Outcome{}
	}
	workload(w)
	w.check()
	w.crash()
	w.check()
	workload(w)
	w.check()
	return w
}

var outcomes = map[string]memfs.Outcome{
	"crash": {Crash: true},
	"kill":  {Kill: true},
	"EIO":   {Err: syscall.EIO},
	"full":  {Err: syscall.ENOSPC},
}

func TestFaultAtEveryCall(t *testing.T) {
	clean := newWorld(1, "a", "soft")
	twoWriters(clean)
	calls := clean.machine.Calls()
	if len(clean.needed) < 3 || calls < 50 {
		t.Fatalf("the workload makes %d appends in %d calls", len(clean.needed), calls)
	}
	for kind, out := range outcomes {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			for n := 1; n <= calls; n += stride {
				for seed := range uint64(6) {
					if w := faultAt(seed, n, out, twoWriters); len(w.problems) > 0 {
						t.Fatalf("call %d, seed %d:\n%s", n, seed, strings.Join(w.trace, "\n"))
					}
				}
			}
		})
	}
}

// TestRecoveryCrashedAtEveryCall crashes in the middle, then again at each call of the recovery, then recovers with two
// openers.
func TestRecoveryCrashedAtEveryCall(t *testing.T) {
	for _, first := range []int{25, 40, 55, 70, 85} {
		for kind, out := range outcomes {
			for n := first + 1; n < first+20; n += stride {
				w := newWorld(uint64(n), "a", "soft")
				w.machine.Fault = func(c memfs.Call) memfs.Outcome {
					switch c.N {
					case first:
						return memfs.Outcome{Crash: true}
					case n:
						return out
					}
					return memfs.Outcome{}
				}
				for w.machine.Calls() < first {
					for _, p := range w.writers {
						w.step(p)
					}
				}
				for range 3 {
					w.check()
					w.announce()
				}
				w.crash()
				w.check()
				if len(w.problems) > 0 {
					t.Fatalf("crash at call %d, %s at call %d:\n%s", first, kind, n, strings.Join(w.trace, "\n"))
				}
			}
		}
	}
}

// TestReadErrors lets each read of a recovery fail once: bytes that the disk cannot read are not taken for a torn end.
func TestReadErrors(t *testing.T) {
	for _, first := range []int{25, 40, 55, 70, 85} {
		for _, mark := range []bool{true, false} {
			for n := 1; ; n++ {
				w := newWorld(uint64(first), "a", "soft")
				w.machine.Fault = func(c memfs.Call) memfs.Outcome { return memfs.Outcome{Kill: c.N == first} }
				for w.machine.Calls() < first {
					for _, p := range w.writers {
						w.step(p)
					}
				}
				if !mark {
					w.machine.Edit(storeDir+"/mark", func([]byte) []byte { return nil })
				}
				reads := 0
				w.machine.Fault = func(c memfs.Call) memfs.Outcome {
					if c.Op != "read" || strings.HasPrefix(c.Path, storeDir+"/locks") {
						return memfs.Outcome{}
					}
					if reads++; reads == n {
						w.note("--- read %d of %s fails", n, c.Path)
						return memfs.Outcome{Err: syscall.EIO}
					}
					return memfs.Outcome{}
				}
				w.writers[0].process.Kill()
				w.step(w.writers[0])
				w.step(w.writers[0])
				w.machine.Fault = nil
				w.check()
				if len(w.problems) > 0 {
					t.Fatalf("kill at call %d, read %d fails:\n%s", first, n, strings.Join(w.trace, "\n"))
				}
				if reads < n {
					break
				}
			}
		}
	}
}

var historyTime = flag.Duration("histories", 3*time.Second, "how long TestHistories runs")

// history is a random history: any process takes its next step, with kills, power losses, failed syncs and full disks
// at any call.
func history(seed uint64, mutate func(*world)) *world {
	random := rand.New(rand.NewPCG(seed, 2))
	w := newWorld(seed, "a", "b", "soft")
	if mutate != nil {
		mutate(w)
	}
	harm := random.IntN(5) // none but at the end, few, many, failed syncs, those on a full disk
	rates := [][4]int{{0, 0, 0, 0}, {2, 1, 2, 1}, {8, 4, 8, 4}, {4, 2, 60, 0}, {4, 2, 60, 30}}[harm]
	depth := 0
	w.machine.Fault = func(c memfs.Call) memfs.Outcome {
		if depth > 0 || c.N == 0 {
			return memfs.Outcome{}
		}
		if random.IntN(12) == 0 {
			depth++
			w.announce()
			depth--
		}
		dice := random.IntN(400)
		for i, rate := range rates {
			if dice -= rate; dice >= 0 {
				continue
			}
			out := []memfs.Outcome{{Kill: true}, {Crash: true}, {Err: syscall.EIO}, {Err: syscall.ENOSPC}}[i]
			if out.Err == syscall.EIO && c.Op != "sync" {
				return memfs.Outcome{}
			}
			w.note("--- %s %s by %d: %+v", c.Op, path.Base(c.Path), c.Process, out)
			return out
		}
		return memfs.Outcome{}
	}
	for range 120 {
		switch dice := random.IntN(40); {
		case dice == 0:
			w.crash()
		case dice == 1:
			w.end(w.writers[random.IntN(len(w.writers))], random.IntN(2) == 0)
		case dice <= 3:
			w.check()
		case dice <= 5:
			w.checkpoint()
		case dice <= 7:
			w.rewrite(random)
		default:
			w.step(w.writers[random.IntN(len(w.writers))])
		}
		if len(w.problems) > 0 {
			return w
		}
	}
	w.machine.Fault = nil
	w.check()
	w.crash()
	w.check()
	return w
}

func TestHistories(t *testing.T) {
	base := rand.Uint64()
	count, appends, packs, rewritten, ahead := 0, 0, 0, 0, 0
	some := func() bool { return appends > 0 && rewritten > 0 && ahead > 0 } // however slow the machine
	for stop := time.Now().Add(*historyTime); time.Now().Before(stop) || !some() && count < 1000; count++ {
		w := history(base+uint64(count), nil)
		if len(w.problems) > 0 {
			t.Fatalf("seed %d:\n%s", w.seed, strings.Join(w.trace, "\n"))
		}
		appends += len(w.needed)
		names, _ := w.machine.Process().ReadDir(storeDir + "/packs")
		packs += len(names)
		rewritten += w.rewritten
		ahead += w.ahead
	}
	t.Logf("seed %d: %d histories, %d appends, %d packs, %d rewritten, %d commits beside zeros", base, count, appends, packs, rewritten, ahead)
	if !some() {
		t.Error("no history did anything")
	}
}

// mutant is a file system that deviates from the protocol.
type mutant struct {
	packlog.FS
	retrySync, noSync, noSyncDir, noBootID, noSyncOfCut, noLookAhead bool
}

func (m mutant) OpenFile(name string, flag int, perm fs.FileMode) (packlog.File, error) {
	f, err := m.FS.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return &mutantFile{File: f, m: m, name: name, writes: flag&os.O_RDWR != 0}, nil
}

func (m mutant) SyncDir(name string) error {
	if m.noSyncDir && path.Base(name) == "packs" {
		return nil
	}
	return m.FS.SyncDir(name)
}

func (m mutant) BootID() (packlog.BootID, error) {
	if m.noBootID {
		return packlog.BootID{1}, nil
	}
	return m.FS.BootID()
}

type mutantFile struct {
	packlog.File
	m      mutant
	name   string
	writes bool
	cut    bool // and not synced since
}

// ReadAt of a pack that is being written checks whether anything follows the log's end.
func (f *mutantFile) ReadAt(b []byte, offset int64) (int, error) {
	if f.m.noLookAhead && f.writes && strings.HasSuffix(f.name, ".pack") {
		clear(b)
		return len(b), nil
	}
	return f.File.ReadAt(b, offset)
}

func (f *mutantFile) Truncate(size int64) error {
	before, err := f.Size()
	if err == nil {
		err = f.File.Truncate(size)
	}
	f.cut = err == nil && before-size > 8 // the last 8 bytes go once everything is synced
	return err
}

func (f *mutantFile) Sync() error {
	if f.m.noSyncOfCut && f.cut {
		f.cut = false
		return nil
	}
	if f.m.noSync && strings.HasSuffix(f.name, ".pack") {
		return nil
	}
	err := f.File.Sync()
	if err != nil && f.m.retrySync {
		err = f.File.Sync()
	}
	return err
}

// TestMutations shows that the histories can fail: each deviation from the protocol loses data in one of them.
func TestMutations(t *testing.T) {
	if testing.Short() {
		t.Skip("it tests the test")
	}
	wrap := func(m mutant) func(*world) {
		return func(w *world) {
			w.wrap = func(fs packlog.FS) packlog.FS { m.FS = fs; return m }
		}
	}
	for name, mutate := range map[string]func(*world){
		"retry-fsync":              wrap(mutant{retrySync: true}),
		"raise-mark-before-sync":   wrap(mutant{noSync: true}),
		"seal-without-folder-sync": wrap(mutant{noSyncDir: true}),
		"no-boot-id":               wrap(mutant{noBootID: true}),
		"zeros-not-looked-at":      wrap(mutant{noLookAhead: true}),
		"append-survives-recovery": func(w *world) { w.survive = true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(3000) {
				if w := history(seed, mutate); len(w.problems) > 0 {
					t.Logf("history %d: %s", seed, w.problems[0])
					return
				}
			}
			t.Error("not caught")
		})
	}
}
