package packlog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hc/lib/store/packlog"
)

func open(t testing.TB, dir string, options packlog.Options) *packlog.Log {
	t.Helper()
	l, err := packlog.Open(t.Context(), dir, options)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func run(meta string, payload string) packlog.Record {
	return packlog.Record{Kind: packlog.KindRun, Meta: []byte(meta), Payload: []byte(payload)}
}

func head(meta string) func() (packlog.Record, error) {
	return func() (packlog.Record, error) {
		return packlog.Record{Kind: packlog.KindHead, Meta: []byte(meta)}, nil
	}
}

// appendTo makes one whole append of one run and a head.
func appendTo(t testing.TB, l *packlog.Log, name, payload string, durable bool) (packlog.Position, error) {
	t.Helper()
	ctx := context.Background()
	a, err := l.Begin(ctx)
	if err != nil {
		return packlog.Position{}, err
	}
	positions, err := a.Write(ctx, run(name, payload))
	if err != nil {
		return packlog.Position{}, err
	}
	if _, err := a.Commit(ctx, head(name), durable); err != nil {
		return packlog.Position{}, err
	}
	return positions[0], nil
}

func mustAppend(t testing.TB, l *packlog.Log, name, payload string, durable bool) packlog.Position {
	t.Helper()
	at, err := appendTo(t, l, name, payload, durable)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// committed returns the metas of the heads that count, in order.
func committed(t testing.TB, l *packlog.Log) []string {
	t.Helper()
	view, err := l.View(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	err = l.Scan(context.Background(), view, packlog.Position{}, true, func(r packlog.Record) error {
		if r.Commit {
			names = append(names, string(r.Meta))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestAppendAndRead(t *testing.T) {
	dir := filepath.Join(t.TempDir(), ".hc")
	if _, err := packlog.Open(t.Context(), dir, packlog.Options{}); !errors.Is(err, packlog.ErrNotStore) {
		t.Fatalf("Open of nothing = %v, want ErrNotStore", err)
	}
	l := open(t, dir, packlog.Options{Create: true})
	big := strings.Repeat("0123456789", 20_000)
	var at []packlog.Position
	for i, payload := range []string{"", "x", "12345678", big} {
		at = append(at, mustAppend(t, l, fmt.Sprint("r", i), payload, true))
	}
	other := open(t, dir, packlog.Options{ReadOnly: true})
	for _, l := range []*packlog.Log{l, other} {
		if got, want := strings.Join(committed(t, l), " "), "r0 r1 r2 r3"; got != want {
			t.Errorf("committed = %q, want %q", got, want)
		}
		payload, err := l.ReadPayload(t.Context(), at[3])
		if err != nil || string(payload) != big {
			t.Errorf("ReadPayload = %d bytes, %v", len(payload), err)
		}
		r, err := l.ReadRecord(t.Context(), at[1])
		if err != nil || string(r.Payload) != "x" || string(r.Meta) != "r1" || r.PayloadLen != 1 {
			t.Errorf("ReadRecord = %+v, %v", r, err)
		}
		if d := l.Damage(); len(d) > 0 {
			t.Errorf("damage: %v", d)
		}
	}
	m, err := other.Mark(t.Context())
	if err != nil || m.Synced != m.End || m.Readable != m.End {
		t.Errorf("Mark = %+v, %v", m, err)
	}
	for _, l := range []*packlog.Log{l, other} {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := other.Begin(t.Context()); !errors.Is(err, packlog.ErrReadOnly) {
		t.Errorf("Begin on a read-only log = %v", err)
	}
}

// A payload is read into its reader's room, after what is there; if it is damaged, or gone, that is reported, and
// nothing there changes.
func TestAppendPayload(t *testing.T) {
	dir := filepath.Join(t.TempDir(), ".hc")
	l := open(t, dir, packlog.Options{Create: true})
	payloads := []string{"", "x", "12345678", strings.Repeat("0123456789", 20_000)}
	var stored []packlog.Payload
	var at []packlog.Position
	for i, payload := range payloads {
		at = append(at, mustAppend(t, l, fmt.Sprint("r", i), payload, true))
		meta, err := l.ReadMeta(t.Context(), at[i])
		if err != nil || meta.Stored.Len() != len(payload) {
			t.Fatalf("ReadMeta = %+v, %v", meta, err)
		}
		record, err := l.ReadRecord(t.Context(), at[i])
		if err != nil || record.Stored != meta.Stored {
			t.Fatalf("ReadRecord = %+v, %v", record.Stored, err)
		}
		short, err := l.ReadShort(t.Context(), at[i])
		isShort := len(payload) < 4000
		if err != nil || short.Stored != meta.Stored || string(short.Meta) != string(meta.Meta) || isShort != (short.Payload != nil) || isShort && string(short.Payload) != payload {
			t.Errorf("ReadShort of %d bytes = %d bytes, %v", len(payload), len(short.Payload), err)
		}
		stored = append(stored, meta.Stored)
	}
	const before = "before"
	room := append(make([]byte, 0, 300_000), before...)
	for i, payload := range payloads {
		b, err := l.AppendPayload(t.Context(), stored[i], room)
		if err != nil || string(b) != before+payload || &b[0] != &room[0] {
			t.Errorf("payload %d: %d bytes, %v", i, len(b), err)
		}
		b, err = l.AppendPayload(t.Context(), stored[i], []byte(before))
		if err != nil || string(b) != before+payload {
			t.Errorf("payload %d, without room: %d bytes, %v", i, len(b), err)
		}
		file, offset := l.File(t.Context(), stored[i])
		if file == nil {
			t.Fatalf("payload %d stands in no file", i)
		}
		b = make([]byte, len(payload))
		if _, err := file.ReadAt(b, offset); err != nil || string(b) != payload {
			t.Errorf("payload %d is said to stand at %d, where %d other bytes do, %v", i, offset, len(b), err)
		}
	}
	if file, _ := l.File(t.Context(), packlog.Payload{}); file != nil {
		t.Error("the payload of no record stands in a file")
	}

	if b, err := l.AppendPayload(t.Context(), packlog.Payload{}, room); !errors.Is(err, packlog.ErrMoved) || string(b) != before {
		t.Errorf("of no record: %q, %v, want ErrMoved", b, err)
	}
	packs, err := filepath.Glob(filepath.Join(dir, "packs", "*.pack"))
	if err != nil || len(packs) != 1 {
		t.Fatal(packs, err)
	}
	content, err := os.ReadFile(packs[0])
	if err != nil {
		t.Fatal(err)
	}
	content[at[3].Offset+1000] ^= 1
	if err := os.WriteFile(packs[0], content, 0o644); err != nil {
		t.Fatal(err)
	}
	b, err := l.AppendPayload(t.Context(), stored[3], room)
	if damage := new(packlog.DamageError); !errors.As(err, &damage) || damage.Position != at[3] || string(b) != before || len(l.Damage()) != 1 {
		t.Errorf("of a damaged one: %d bytes, %v", len(b), err)
	}
	if err := os.Truncate(packs[0], int64(at[3].Offset+1000)); err != nil {
		t.Fatal(err)
	}
	if b, err := l.AppendPayload(t.Context(), stored[3], room); !errors.Is(err, packlog.ErrDamaged) || string(b) != before {
		t.Errorf("of one that was cut off: %d bytes, %v", len(b), err)
	}
	if b, err := l.AppendPayload(t.Context(), stored[2], room); err != nil || string(b) != before+payloads[2] {
		t.Errorf("of a sound one before it: %q, %v", b, err)
	}
}

func TestReadOnlyFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), ".hc")
	l := open(t, dir, packlog.Options{Create: true})
	mustAppend(t, l, "a", "data", true)
	l.Close()
	chmod(t, dir, 0o555, 0o444)
	defer chmod(t, dir, 0o755, 0o644)
	l = open(t, dir, packlog.Options{ReadOnly: true})
	defer l.Close()
	if got := committed(t, l); len(got) != 1 {
		t.Errorf("committed = %v", got)
	}
}

func chmod(t *testing.T, dir string, dirMode, fileMode os.FileMode) {
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return os.Chmod(path, dirMode)
		}
		return os.Chmod(path, fileMode)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestSealing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), ".hc")
	l := open(t, dir, packlog.Options{Create: true, PackSize: 4096})
	defer l.Close()
	var want []string
	for i := range 40 {
		name := fmt.Sprint("n", i)
		mustAppend(t, l, name, strings.Repeat("p", i*37), i%3 == 0)
		want = append(want, name)
	}
	a, err := l.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var records []packlog.Record
	for i := range 30 {
		records = append(records, run(fmt.Sprint("batch", i), strings.Repeat("b", 400)))
	}
	positions, err := a.Write(t.Context(), records...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Commit(t.Context(), head("batch"), true); err != nil {
		t.Fatal(err)
	}
	if positions[0].Pack == positions[29].Pack {
		t.Error("a batch of 12 KB fits into a pack of 4 KB")
	}
	for i, at := range positions {
		r, err := l.ReadRecord(t.Context(), at)
		if err != nil || string(r.Meta) != fmt.Sprint("batch", i) {
			t.Errorf("record %d = %q, %v", i, r.Meta, err)
		}
	}
	want = append(want, "batch")
	if got := committed(t, l); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("committed = %v, want %v", got, want)
	}
	if d := l.Damage(); len(d) > 0 {
		t.Errorf("damage: %v", d)
	}
}

func TestTornBatchIsRecovered(t *testing.T) {
	dir := filepath.Join(t.TempDir(), ".hc")
	l := open(t, dir, packlog.Options{Create: true})
	defer l.Close()
	mustAppend(t, l, "synced", "1", true)
	mustAppend(t, l, "readable", "2", false)
	live, err := l.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := live.Write(t.Context(), run("live", "3")); err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(filepath.Join(dir, "packs", "1.0.pack"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	file.Write(bytes.Repeat([]byte("hcr\x01"), 50))
	file.Close()
	if got := strings.Join(committed(t, l), " "); got != "synced readable" {
		t.Errorf("a reader sees %q", got)
	}
	mustAppend(t, l, "next", "4", true)
	if _, err := live.Commit(t.Context(), head("live"), true); !errors.Is(err, packlog.ErrOvertaken) {
		t.Errorf("Commit of an overtaken append = %v", err)
	}
	if got := strings.Join(committed(t, l), " "); got != "synced readable next" {
		t.Errorf("after a recovery: %q", got)
	}
	if names, _ := os.ReadDir(filepath.Join(dir, "packs")); len(names) != 2 {
		t.Errorf("packs: %v", names)
	}
	if d := l.Damage(); len(d) > 0 {
		t.Errorf("damage: %v", d)
	}
}

func TestWatch(t *testing.T) {
	dir := filepath.Join(t.TempDir(), ".hc")
	open(t, dir, packlog.Options{Create: true}).Close()
	for _, marked := range []bool{true, false} {
		if !marked {
			if err := os.Remove(filepath.Join(dir, "mark")); err != nil {
				t.Fatal(err)
			}
		}
		watch(t, dir)
	}
}

// watch watches a log while others write to it, who make its mark again if it is gone.
func watch(t *testing.T, dir string) {
	t.Helper()
	reader := open(t, dir, packlog.Options{ReadOnly: true})
	defer reader.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	signals, err := reader.Watch(ctx)
	if err != nil {
		t.Fatal(err)
	}
	<-signals
	before := len(committed(t, reader))
	l := open(t, dir, packlog.Options{})
	defer l.Close()
	for i := range 3 {
		mustAppend(t, l, fmt.Sprint(i), "x", true)
		for len(committed(t, reader)) <= before+i {
			if _, ok := <-signals; !ok {
				t.Fatal("no signal")
			}
		}
	}
	cancel()
	for range signals {
	}
}

func TestLocks(t *testing.T) {
	dir := filepath.Join(t.TempDir(), ".hc")
	l := open(t, dir, packlog.Options{Create: true, LockWait: -1, Program: "hc-append"})
	defer l.Close()
	ctx := t.Context()
	core, err := l.Lock(ctx, "core-0a", false)
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.Lock(ctx, "core-0a", false)
	var locked *packlog.LockedError
	if !errors.As(err, &locked) || !errors.Is(err, packlog.ErrLocked) || locked.PID != os.Getpid() || locked.Program != "hc-append" {
		t.Errorf("second Lock = %v", err)
	}
	use, err := l.Lock(ctx, packlog.LockUse, true, core)
	if err != nil {
		t.Fatal(err)
	}
	if use2, err := l.Lock(ctx, packlog.LockUse, true); err != nil {
		t.Error(err)
	} else {
		use2.Unlock()
	}
	if _, err := l.Lock(ctx, packlog.LockUse, false); !errors.Is(err, packlog.ErrLocked) {
		t.Errorf("exclusive Lock beside a shared one = %v", err)
	}
	for _, name := range []string{"append", "Use", "core-", "core-../x"} {
		if !panics(func() { l.Lock(ctx, name, false) }) {
			t.Errorf("Lock(%q) does not panic", name)
		}
	}
	if !panics(func() { l.Lock(ctx, "core-0b", false, use) }) {
		t.Error("a core's lock behind use does not panic")
	}
	if err := errors.Join(use.Unlock(), core.Unlock(), core.Unlock()); err != nil {
		t.Error(err)
	}
	if core, err = l.Lock(ctx, "core-0a", false); err != nil {
		t.Fatal(err)
	}
	core.Unlock()
}

func panics(f func()) (did bool) {
	defer func() { did = recover() != nil }()
	f()
	return false
}

func TestLockWaits(t *testing.T) {
	dir := filepath.Join(t.TempDir(), ".hc")
	l := open(t, dir, packlog.Options{Create: true, LockWait: time.Minute})
	defer l.Close()
	first, err := l.Lock(t.Context(), packlog.LockUse, false)
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan error, 1)
	go func() {
		second, err := l.Lock(t.Context(), packlog.LockUse, true)
		if err == nil {
			err = second.Unlock()
		}
		got <- err
	}()
	ctx, cancel := context.WithCancel(t.Context())
	cancelled := make(chan error, 1)
	go func() {
		_, err := l.Lock(ctx, packlog.LockUse, true)
		cancelled <- err
	}()
	cancel()
	if err := <-cancelled; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled Lock = %v", err)
	}
	first.Unlock()
	if err := <-got; err != nil {
		t.Errorf("Lock that waits = %v", err)
	}
}

// BenchmarkCommit compares one durable append (begin, one batch, commit) with what it is based on: a write of as many
// bytes and an fdatasync.
func BenchmarkCommit(b *testing.B) {
	payload := strings.Repeat("p", 1000)
	b.Run("log", func(b *testing.B) {
		l := open(b, filepath.Join(b.TempDir(), ".hc"), packlog.Options{Create: true})
		defer l.Close()
		for b.Loop() {
			a, err := l.Begin(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			if _, err := a.WriteCommit(b.Context(), []packlog.Record{run("name", payload)}, head("name"), true); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("raw", func(b *testing.B) {
		f, err := packlog.OS().OpenFile(filepath.Join(b.TempDir(), "file"), os.O_RDWR|os.O_CREATE, 0o666)
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		record := bytes.Repeat([]byte("p"), 1144)
		for at := int64(0); b.Loop(); at += int64(len(record)) {
			if _, err := f.WriteAt(record, at); err != nil {
				b.Fatal(err)
			}
			if err := f.Sync(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkWrite is one large append, not synced.
func BenchmarkWrite(b *testing.B) {
	l := open(b, filepath.Join(b.TempDir(), ".hc"), packlog.Options{Create: true})
	defer l.Close()
	a, err := l.Begin(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	payload := strings.Repeat("p", 256<<10)
	b.SetBytes(int64(len(payload)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Write(b.Context(), run("meta", payload)); err != nil {
			b.Fatal(err)
		}
	}
}
