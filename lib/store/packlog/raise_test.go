package packlog_test

import (
	"errors"
	"strings"
	"testing"

	"hc/lib/store/packlog"
	"hc/lib/store/packlog/memfs"
)

// TestRaiseFormat kills a process, or cuts its power, at each call as it raises a store's format: the store has either
// version, and can be raised; once RaiseFormat has returned, it has the new one whatever happens.
func TestRaiseFormat(t *testing.T) {
	for n := 1; ; n++ {
		for _, outcome := range []memfs.Outcome{{Kill: true}, {Crash: true}} {
			machine := memfs.New(uint64(n))
			open := func() *packlog.Log {
				l, err := packlog.Open(t.Context(), "/store", packlog.Options{FS: machine.Process(), Create: true})
				if err != nil {
					t.Fatalf("call %d: %v", n, err)
				}
				return l
			}
			l := open()
			from := machine.Calls()
			machine.Fault = func(call memfs.Call) memfs.Outcome {
				if call.N == from+n {
					return outcome
				}
				return memfs.Outcome{}
			}
			err := l.RaiseFormat(t.Context())
			machine.Fault = nil
			if err == nil {
				machine.PowerLoss()
				if text := string(machine.Read("/store/format")); text != "hc-store 2\n" {
					t.Fatalf("raised, it says %q", text)
				}
				if n < 5 {
					t.Fatalf("it makes %d calls", n-1)
				}
				return
			}
			if text := string(machine.Read("/store/format")); text != "hc-store 1\n" && text != "hc-store 2\n" {
				t.Fatalf("call %d: it says %q", n, text)
			}
			if err := open().RaiseFormat(t.Context()); err != nil {
				t.Fatalf("call %d, again: %v", n, err)
			}
			machine.PowerLoss()
			if text := string(machine.Read("/store/format")); text != "hc-store 2\n" {
				t.Fatalf("call %d, again: it says %q", n, text)
			}
		}
	}
}

// TestNewerFormat has a store of a version that does not exist yet: it is refused, and the error names its version.
func TestNewerFormat(t *testing.T) {
	machine := memfs.New(1)
	open := func() error {
		l, err := packlog.Open(t.Context(), "/store", packlog.Options{FS: machine.Process(), Create: true})
		if err == nil {
			err = l.Close()
		}
		return err
	}
	if err := open(); err != nil {
		t.Fatal(err)
	}
	machine.Edit("/store/format", func([]byte) []byte { return []byte("hc-store 3\n") })
	if err := open(); !errors.Is(err, packlog.ErrNotStore) || !strings.Contains(err.Error(), "hc-store 3") {
		t.Fatalf("it is opened: %v", err)
	}
	if _, newer, err := packlog.CheckFormat(machine.Process(), "/store"); !newer || err != nil {
		t.Fatalf("newer is %v, %v", newer, err)
	}
}
