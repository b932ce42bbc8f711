package packlog_test

import (
	"strings"
	"testing"

	"hc/lib/store/packlog"
	"hc/lib/store/packlog/memfs"
)

// An append begins while another goroutine waits for the disk: so those that come meanwhile share the next sync. It
// does not see what the first one has not committed yet.
func TestBeginDuringSync(t *testing.T) {
	m := memfs.New(1)
	syncing, goOn := make(chan struct{}), make(chan struct{})
	l, err := packlog.Open(t.Context(), storeDir, packlog.Options{FS: m.Process(), Create: true})
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(t, l, "before", "x", true)
	m.Fault = func(c memfs.Call) memfs.Outcome {
		if c.Op == "sync" {
			close(syncing)
			<-goOn
		}
		return memfs.Outcome{}
	}
	committed := make(chan packlog.Position)
	go func() {
		at, err := appendTo(t, l, "first", "x", true)
		if err != nil {
			t.Error(err)
		}
		committed <- at
	}()
	<-syncing
	m.Fault = nil
	second, err := l.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	seen := second.View().Readable
	close(goOn)
	if first := <-committed; first.Less(seen) {
		t.Errorf("the append that began at %v sees what was written at %v, before it was durable", seen, first)
	}
	if _, err := second.WriteCommit(t.Context(), []packlog.Record{run("second", "x")}, head("second"), true); err != nil {
		t.Error(err)
	}
}

// Begin mends what a process left that died between two calls, though it could do without the lock.
func TestBeginRecovers(t *testing.T) {
	for _, died := range []struct{ op, path string }{
		{"write", ".pack"}, // in the middle of a batch
		{"sync", ".pack"},  // after one
		{"write", "mark"},
	} {
		m := memfs.New(1)
		l, err := packlog.Open(t.Context(), storeDir, packlog.Options{FS: m.Process(), Create: true})
		if err != nil {
			t.Fatal(err)
		}
		mustAppend(t, l, "before", "x", true)
		other, err := packlog.Open(t.Context(), storeDir, packlog.Options{FS: m.Process()})
		if err != nil {
			t.Fatal(err)
		}
		m.Fault = func(c memfs.Call) memfs.Outcome {
			return memfs.Outcome{Kill: c.Op == died.op && strings.HasSuffix(c.Path, died.path)}
		}
		if _, err := appendTo(t, l, "dies", strings.Repeat("x", 1000), true); err == nil {
			t.Fatalf("%v: nobody died", died)
		}
		m.Fault = nil
		a, err := other.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.WriteCommit(t.Context(), nil, head("after"), true); err != nil {
			t.Errorf("%v: what began behind a recovery: %v", died, err)
		}
	}
}
