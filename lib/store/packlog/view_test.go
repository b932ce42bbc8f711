package packlog_test

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"hc/lib/store/packlog"
	"hc/lib/store/packlog/memfs"
)

// halfStore returns a machine with one durable append, one that is only readable, and one whose process died in the
// sync after writing its head.
func halfStore(t *testing.T) *memfs.Machine {
	t.Helper()
	m := memfs.New(1)
	p := m.Process()
	l, err := packlog.Open(t.Context(), storeDir, packlog.Options{FS: p, Create: true})
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(t, l, "synced", "1", true)
	mustAppend(t, l, "readable", "2", false)
	m.Fault = func(c memfs.Call) memfs.Outcome { return memfs.Outcome{Kill: c.Op == "sync"} }
	if _, err := appendTo(t, l, "written", "3", true); !errors.Is(err, memfs.ErrKilled) {
		t.Fatalf("append = %v", err)
	}
	m.Fault = nil
	return m
}

// otherBoot is a file system after a restart that lost nothing.
type otherBoot struct{ packlog.FS }

func (otherBoot) BootID() (packlog.BootID, error) { return packlog.BootID{42}, nil }

func TestViewWithoutLocks(t *testing.T) {
	const synced, readable, written = "synced", "synced readable", "synced readable written"
	tear := func(m *memfs.Machine) {
		m.Edit(path.Join(storeDir, "mark"), func(b []byte) []byte { b[30]++; return b })
	}
	for _, test := range []struct {
		name          string
		reboot        bool
		change        func(*memfs.Machine)
		want, durable string
	}{
		{"same boot", false, func(*memfs.Machine) {}, readable, synced},
		{"another boot", true, func(*memfs.Machine) {}, written, synced},
		{"torn mark", false, tear, written, synced},
		{"torn mark and another boot", true, tear, written, synced},
		{"no mark", true, func(m *memfs.Machine) {
			m.Process().Remove(path.Join(storeDir, "mark"))
		}, written, synced},
		{"mark of a longer file", false, func(m *memfs.Machine) {
			m.Edit(path.Join(storeDir, "packs/1.0.pack"), func(b []byte) []byte { return b[:1300] })
		}, synced, synced},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := halfStore(t)
			test.change(m)
			var fs packlog.FS = m.Process()
			if test.reboot {
				fs = otherBoot{fs}
			}
			reader, err := packlog.Open(t.Context(), storeDir, packlog.Options{FS: fs, ReadOnly: true})
			if err != nil {
				t.Fatal(err)
			}
			before := m.Calls()
			for range 2 { // the second comes from memory
				view, err := reader.View(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if got := names(t, reader, view, view.Readable); got != test.want {
					t.Errorf("readable: %q, want %q", got, test.want)
				}
				if got := names(t, reader, view, view.Synced); got != test.durable {
					t.Errorf("synced: %q, want %q", got, test.durable)
				}
			}
			if m.Calls() != before {
				t.Error("a reader writes")
			}
			// A writer recovers; then the reader sees that, too.
			fs = m.Process()
			if test.reboot {
				fs = otherBoot{fs}
			}
			writer, err := packlog.Open(t.Context(), storeDir, packlog.Options{FS: fs})
			if err != nil {
				t.Fatal(err)
			}
			mustAppend(t, writer, "next", "4", true)
			if test.name == "mark of a longer file" {
				return // what was there is lost
			}
			view, err := reader.View(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got := names(t, reader, view, view.Synced); got != written+" next" {
				t.Errorf("after a recovery: %q", got)
			}
		})
	}
}

func TestWatchInMemory(t *testing.T) {
	m := memfs.New(1)
	open := func(options packlog.Options) *packlog.Log {
		options.FS = m.Process()
		l, err := packlog.Open(t.Context(), storeDir, options)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	open(packlog.Options{Create: true}).Close()
	for _, marked := range []bool{true, false} {
		if !marked {
			m.Process().Remove(path.Join(storeDir, "mark"))
		}
		ctx, cancel := context.WithCancel(t.Context())
		signals, err := open(packlog.Options{ReadOnly: true}).Watch(ctx)
		if err != nil {
			t.Fatal(err)
		}
		<-signals
		mustAppend(t, open(packlog.Options{}), "a", "x", true)
		<-signals
		cancel()
		for range signals {
		}
	}
}

// names returns the heads before a limit.
func names(t *testing.T, l *packlog.Log, view packlog.View, limit packlog.Position) string {
	t.Helper()
	var found []string
	err := l.Scan(context.Background(), view, packlog.Position{}, false, func(r packlog.Record) error {
		if r.Commit && r.Position.Less(limit) {
			found = append(found, string(r.Meta))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(found, " ")
}

// TestViewDoubtsNewPack has a recovery die before it has synced its pack's name. A power loss may take that pack, so a
// reader must not say that a position in it is synced: derived state would name it.
func TestViewDoubtsNewPack(t *testing.T) {
	for _, mark := range []bool{true, false} {
		m := halfStore(t)
		if !mark {
			m.Edit(path.Join(storeDir, "mark"), func([]byte) []byte { return nil })
		}
		renamed := false
		m.Fault = func(c memfs.Call) memfs.Outcome {
			renamed = renamed || c.Op == "rename"
			return memfs.Outcome{Kill: renamed && c.Op == "syncdir"}
		}
		writer, err := packlog.Open(t.Context(), storeDir, packlog.Options{FS: otherBoot{m.Process()}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := writer.Begin(t.Context()); !errors.Is(err, memfs.ErrKilled) {
			t.Fatalf("Begin = %v", err)
		}
		m.Fault = nil
		if m.Read(path.Join(storeDir, "packs/2.0.pack")) == nil {
			t.Fatal("there is no second pack")
		}
		reader, err := packlog.Open(t.Context(), storeDir, packlog.Options{FS: otherBoot{m.Process()}, ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		view, err := reader.View(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := names(t, reader, view, view.Synced); view.Synced.Pack != 1 || got != "synced" {
			t.Errorf("synced: %v, %q", view.Synced, got)
		}
	}
}

func TestApplied(t *testing.T) {
	m := halfStore(t)
	// The mark is lost, and with it what is known to be synced; derived state was made up to the end of "readable".
	m.Edit(path.Join(storeDir, "mark"), func([]byte) []byte { return nil })
	reader, err := packlog.Open(t.Context(), storeDir, packlog.Options{FS: m.Process(), ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	var applied packlog.Position
	all := m.Read(path.Join(storeDir, "packs/1.0.pack"))
	_, records, err := packlog.DecodePack(all)
	if err != nil || len(records) != 6 {
		t.Fatalf("%d records, %v", len(records), err)
	}
	applied = records[4].Position
	reader.Close()
	reader, err = packlog.Open(t.Context(), storeDir, packlog.Options{FS: m.Process(), ReadOnly: true, Applied: func() packlog.Position { return applied }})
	if err != nil {
		t.Fatal(err)
	}
	view, err := reader.View(t.Context())
	if err != nil || view.Synced != applied {
		t.Errorf("View = %v, %v; want synced %v", view.Synced, err, applied)
	}
}

func TestScanFrom(t *testing.T) {
	m := memfs.New(1)
	l, err := packlog.Open(t.Context(), storeDir, packlog.Options{FS: m.Process(), Create: true, PackSize: 1700})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 9 {
		mustAppend(t, l, fmt.Sprint(i), "x", i < 8)
	}
	view, err := l.View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var all []packlog.Position
	scan := func(from packlog.Position) (found []packlog.Position, err error) {
		err = l.Scan(t.Context(), view, from, true, func(r packlog.Record) error {
			found = append(found, r.Position)
			return nil
		})
		return found, err
	}
	if all, err = scan(packlog.Position{}); err != nil || len(all) != 18 || all[17].Pack < 3 {
		t.Fatalf("%d records, %v", len(all), err)
	}
	for i, at := range all {
		if got, err := scan(at); err != nil || !slices.Equal(got, all[i:]) {
			t.Errorf("from record %d: %v, %v", i, got, err)
		}
	}
	if got, err := scan(view.Readable); err != nil || len(got) > 0 {
		t.Errorf("from the end: %v, %v", got, err)
	}
	other := all[5]
	other.ID++
	if got, err := scan(other); err != nil || got[0].Pack != other.Pack || got[0].Offset != 1024 {
		t.Errorf("from a pack that was rewritten: %v, %v", got, err)
	}
	if _, err := l.ReadRecord(t.Context(), other); !errors.Is(err, packlog.ErrMoved) {
		t.Errorf("ReadRecord of a pack that was rewritten = %v", err)
	}
	if !l.Current(all[5]) || l.Current(other) {
		t.Error("Current does not look at the id")
	}
	stop := errors.New("stop")
	if err := l.Scan(t.Context(), view, packlog.Position{}, false, func(packlog.Record) error { return stop }); err != stop {
		t.Errorf("Scan = %v, want fn's error", err)
	}
	// A process dies in a batch after the last commit, which was not synced; the recovery closes before that.
	m.Edit(path.Join(storeDir, fmt.Sprintf("packs/%d.0.pack", view.Readable.Pack)), func(b []byte) []byte { return append(b, "torn"...) })
	mustAppend(t, l, "next", "x", true)
	old, end := view, view.Readable
	if view, err = l.View(t.Context()); err != nil || view.Closer == old.Closer {
		t.Fatalf("View = %+v, %v", view, err)
	}
	if _, err := scan(end); !errors.Is(err, packlog.ErrOvertaken) {
		t.Errorf("from behind a close: %v", err)
	}
	if _, err := l.ReadRecord(t.Context(), all[17]); !errors.Is(err, packlog.ErrMoved) {
		t.Errorf("ReadRecord behind a close: %v", err)
	}
	if got, err := scan(old.Synced); err != nil || len(got) != 4 {
		t.Errorf("from the close: %v, %v", got, err)
	}
}

// TestGroupCommit has many goroutines commit at once: some syncs serve several of them, and a head that fails harms
// nobody else.
func TestGroupCommit(t *testing.T) {
	m := memfs.New(1)
	var mu sync.Mutex
	syncs := 0
	const writers, each = 8, 20
	var written, waiting sync.WaitGroup
	written.Add(writers)
	waiting.Add(writers)
	m.Fault = func(c memfs.Call) memfs.Outcome {
		if c.Op == "sync" && strings.HasSuffix(c.Path, ".pack") {
			mu.Lock()
			defer mu.Unlock()
			if syncs++; syncs == 1 {
				waiting.Wait() // the first sync takes until all are about to commit
			}
		}
		return memfs.Outcome{}
	}
	l, err := packlog.Open(t.Context(), storeDir, packlog.Options{FS: m.Process(), Create: true})
	if err != nil {
		t.Fatal(err)
	}
	refused := errors.New("not signed")
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for i := range each {
				name := fmt.Sprint(w, "-", i)
				a, err := l.Begin(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := a.Write(t.Context(), run(name, "x")); err != nil {
					t.Error(err)
					return
				}
				if i == 0 {
					written.Done()
					written.Wait()
					waiting.Done()
				}
				if i == 7 {
					if _, err := a.Commit(t.Context(), func() (packlog.Record, error) { return packlog.Record{}, refused }, true); err != refused {
						t.Errorf("Commit = %v, want the head's error", err)
					}
				}
				if _, err := a.Commit(t.Context(), head(name), i%5 != 4); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if got := committed(t, l); len(got) != writers*each {
		t.Errorf("%d appends, want %d", len(got), writers*each)
	}
	if syncs >= writers*each*4/5 {
		t.Errorf("%d syncs for %d durable commits", syncs, writers*each*4/5)
	}
	t.Logf("%d syncs for %d durable commits", syncs, writers*each*4/5)
}

func TestCommitErrors(t *testing.T) {
	m := memfs.New(1)
	l, err := packlog.Open(t.Context(), storeDir, packlog.Options{FS: m.Process(), Create: true, LockWait: -1})
	if err != nil {
		t.Fatal(err)
	}
	a, err := l.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]packlog.Record{
		"seal":        {Kind: packlog.KindSeal},
		"no kind":     {},
		"meta":        {Kind: packlog.KindRun, Meta: make([]byte, packlog.MaxMeta+1)},
		"payload":     {Kind: packlog.KindRun, Payload: make([]byte, packlog.MaxPayload+1)},
		"commit flag": {Kind: packlog.KindRun, Commit: true},
	} {
		if _, err := a.Write(t.Context(), r); err == nil {
			t.Errorf("%s: Write takes it", name)
		}
	}
	refused := errors.New("not signed")
	if _, err := a.WriteCommit(t.Context(), []packlog.Record{run("void", "x")}, func() (packlog.Record, error) { return packlog.Record{}, refused }, true); err != refused {
		t.Errorf("WriteCommit = %v, want the head's error", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.Commit(ctx, head("cancelled"), true); !errors.Is(err, context.Canceled) {
		t.Errorf("Commit = %v, want cancelled", err)
	}
	if !panics(func() { a.Commit(t.Context(), func() (packlog.Record, error) { panic("head") }, true) }) {
		t.Error("a panic in a head is lost")
	}
	if _, err := a.Commit(t.Context(), head("a"), true); err != nil {
		t.Errorf("Commit after a panic, which let go of the lock: %v", err)
	}
	if _, err := a.Commit(t.Context(), head("a"), true); err == nil {
		t.Error("an append commits twice")
	}
	if m.Read(storeDir+"/packs/2.0.pack") != nil {
		t.Error("somebody recovered, for nothing")
	}
	// A failed sync: the append is not acknowledged, and the log continues in another pack.
	m.Fault = func(c memfs.Call) memfs.Outcome {
		if c.Op == "sync" && strings.HasSuffix(c.Path, "1.0.pack") {
			return memfs.Outcome{Err: syscall.EIO}
		}
		return memfs.Outcome{}
	}
	if _, err := appendTo(t, l, "failed", "x", true); !errors.Is(err, syscall.EIO) {
		t.Errorf("Commit = %v, want EIO", err)
	}
	if at := mustAppend(t, l, "b", "x", true); at.Pack != 2 {
		t.Errorf("after a failed sync a record is at %v", at)
	}
}

// TestCutPack cuts the last pack short before the derived position, where nobody scans: a recovery reports it
// nevertheless.
func TestCutPack(t *testing.T) {
	m := memfs.New(1)
	writer, err := packlog.Open(t.Context(), storeDir, packlog.Options{FS: m.Process(), Create: true})
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(t, writer, "kept", "1", true)
	kept, err := writer.View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(t, writer, "lost", "2", true)
	all, err := writer.View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m.Edit(path.Join(storeDir, "packs/1.0.pack"), func(b []byte) []byte { return b[:kept.Synced.Offset] })
	another, err := packlog.Open(t.Context(), storeDir, packlog.Options{FS: m.Process(), Applied: func() packlog.Position { return all.Synced }})
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(t, another, "next", "3", true)
	damage := another.Damage()
	if len(damage) != 1 || damage[0].Position != kept.Synced || damage[0].Length != all.Synced.Offset-kept.Synced.Offset {
		t.Errorf("damage: %v, expected from %v to %v", damage, kept.Synced, all.Synced)
	}
}
