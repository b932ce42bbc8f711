package packlog_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"hc/lib/store/packlog"
)

const writerVariable = "HC_PACKLOG_TEST_WRITER" // "<folder> <name>": this process is a writer

func TestMain(m *testing.M) {
	if dir, name, ok := strings.Cut(os.Getenv(writerVariable), " "); ok {
		fmt.Fprintln(os.Stderr, writeUntilKilled(dir, name))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// writeUntilKilled appends for ever, and prints the name of each durable append.
func writeUntilKilled(dir, name string) error {
	ctx := context.Background()
	l, err := packlog.Open(ctx, dir, packlog.Options{Create: true, PackSize: 256 << 10})
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		id := fmt.Sprint(name, "-", i)
		err := appendRuns(ctx, l, id, 1+i%4, i%3 != 0)
		if errors.Is(err, packlog.ErrOvertaken) {
			continue
		}
		if err != nil {
			return err
		}
		if i%3 != 0 {
			fmt.Println(id)
		}
	}
}

func appendRuns(ctx context.Context, l *packlog.Log, id string, runs int, durable bool) error {
	a, err := l.Begin(ctx)
	if err != nil {
		return err
	}
	for i := range runs {
		if _, err := a.Write(ctx, run(id, bigPayload(id, i)), run(id, "small")); err != nil {
			return err
		}
	}
	_, err = a.Commit(ctx, head(fmt.Sprint(id, " ", runs)), durable)
	return err
}

func bigPayload(id string, i int) string { return strings.Repeat(fmt.Sprint(id, i), 2000+i*9000) }

// startWriter starts a process that writes, and passes what it acknowledges to acked until the process ends.
func startWriter(t *testing.T, dir, name string, acked func(string)) (kill func()) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), writerVariable+"="+dir+" "+name)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var reading sync.WaitGroup
	reading.Go(func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			acked(lines.Text())
		}
		io.Copy(io.Discard, out)
	})
	return func() {
		cmd.Process.Kill()
		reading.Wait()
		cmd.Wait()
		if said.Len() > 0 {
			t.Errorf("%s: %s", name, said.String())
		}
	}
}

// TestKill9 kills processes that write to one store at any moment, again and again.
func TestKill9(t *testing.T) {
	dir := filepath.Join(t.TempDir(), ".hc")
	rounds := 12
	if testing.Short() {
		rounds = 3
	}
	var mu sync.Mutex
	acked := map[string]bool{}
	for round := range rounds {
		enough := make(chan struct{}, 1)
		left := 1 + rand.IntN(20)
		ack := func(id string) {
			mu.Lock()
			defer mu.Unlock()
			acked[id] = true
			if left--; left == 0 {
				enough <- struct{}{}
			}
		}
		first := startWriter(t, dir, fmt.Sprint("a", round), ack)
		second := startWriter(t, dir, fmt.Sprint("b", round), ack)
		select {
		case <-enough:
		case <-time.After(time.Minute):
			t.Error("nothing is acknowledged")
		}
		first()
		if round%2 == 0 {
			mu.Lock()
			left = 3 // the other one continues
			mu.Unlock()
			select {
			case <-enough:
			case <-time.After(time.Minute):
				t.Error("nothing is acknowledged after the other process was killed")
			}
		}
		second()
		if t.Failed() {
			return
		}
		checkKilled(t, dir, acked)
	}
	t.Logf("%d appends acknowledged", len(acked))
}

func checkKilled(t *testing.T, dir string, acked map[string]bool) {
	t.Helper()
	l := open(t, dir, packlog.Options{})
	defer l.Close()
	if _, err := l.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	view, err := l.View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	runs := map[packlog.AppendID][]packlog.Record{}
	err = l.Scan(t.Context(), view, packlog.Position{}, true, func(r packlog.Record) error {
		if !r.Commit {
			runs[r.Append] = append(runs[r.Append], packlog.Record{Meta: []byte(string(r.Meta)), Payload: []byte(string(r.Payload))})
			return nil
		}
		var id string
		var n int
		if _, err := fmt.Sscan(string(r.Meta), &id, &n); err != nil {
			return err
		}
		found[id] = true
		if len(runs[r.Append]) != 2*n {
			t.Errorf("append %s has %d records, want %d", id, len(runs[r.Append]), 2*n)
			return nil
		}
		for i, run := range runs[r.Append] {
			if string(run.Meta) != id || i%2 == 0 && string(run.Payload) != bigPayload(id, i/2) {
				t.Errorf("append %s: run %d is wrong", id, i)
			}
		}
		delete(runs, r.Append)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for id := range acked {
		if !found[id] {
			t.Errorf("append %s was acknowledged and is gone", id)
		}
	}
	if d := l.Damage(); len(d) > 0 {
		t.Errorf("damage: %v", d)
	}
}
