package hypercore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"hc/lib/keys"
	"hc/lib/store"
)

// appendLines runs AppendLines in the background.
func appendLines(t *testing.T, ctx context.Context, in *store.Store, from io.Reader, options AppendOptions, flush Flush) (committed chan Result, done chan error) {
	t.Helper()
	committed, done = make(chan Result, 1000), make(chan error, 1)
	go func() {
		_, err := AppendLines(ctx, in, "log", from, options, flush, func(r Result) { committed <- r })
		done <- err
	}()
	return committed, done
}

func logged(t *testing.T, in *store.Store) []string {
	t.Helper()
	key, err := in.Resolve("log")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, block := range readBlocks(t, in, key) {
		lines = append(lines, string(block))
	}
	return lines
}

func wait[T any](t *testing.T, from <-chan T) (value T) {
	t.Helper()
	select {
	case value = <-from:
	case <-time.After(3 * time.Minute):
		t.Fatal("nothing came")
	}
	return value
}

func TestLinesAreBlocks(t *testing.T) {
	noLeaks(t)
	long := strings.Repeat("l", 700<<10)
	inputs := map[string]string{
		"empty":            "",
		"one":              "a\n",
		"no LF at the end": "a\nb",
		"only LFs":         "\n\n\n",
		"CR":               "a\r\nb\r\n",
		"NUL":              "\x00\n\x00",
		"long":             "a\n" + long + "\nb\n" + long,
		"many":             strings.Repeat("0123456789\n", 50_000),
	}
	for name, input := range inputs {
		for _, flush := range []Flush{{}, {Count: 1}, {Count: 7}, {Interval: time.Hour}} {
			if name == "many" && flush.Count > 0 {
				flush.Count *= 5000
			}
			in := newStore(t)
			result, err := AppendLines(t.Context(), in, "log", strings.NewReader(input), AppendOptions{}, flush, nil)
			if err != nil {
				t.Fatalf("%s, %+v: %v", name, flush, err)
			}
			want := strings.SplitAfter(input, "\n")
			if want[len(want)-1] == "" {
				want = want[:len(want)-1]
			}
			got := logged(t, in)
			if strings.Join(got, "|") != strings.Join(want, "|") || result.Length != uint64(len(want)) || result.Blocks != result.Length || result.Bytes != uint64(len(input)) {
				t.Errorf("%s, %+v: %d blocks, want %d; %+v", name, flush, len(got), len(want), result)
			}
		}
	}
}

// A line is published although no other follows, and the log is free for others after that.
func TestLinesAreFlushedInTime(t *testing.T) {
	noLeaks(t)
	in := newStore(t)
	from, feed := pipe(t)
	committed, done := appendLines(t, t.Context(), in, from, AppendOptions{}, Flush{})
	for i := range 3 {
		began := time.Now()
		fmt.Fprintf(feed, "line %d\nha", i)
		r := wait(t, committed)
		if took := time.Since(began); took < DefaultFlush {
			t.Errorf("flushed after %v, want %v", took, DefaultFlush)
		}
		if want := uint64(3*i + 1); r.Length != want || r.Blocks != 1 {
			t.Errorf("flush %d: %+v, want length %d", i, r, want)
		}
		appended(t, in, "log", AppendOptions{}, []byte("of another process"))
		fmt.Fprint(feed, "lf a line, which waits for its end")
		fmt.Fprint(feed, "\n")
		if r := wait(t, committed); r.Blocks != 1 || r.Bytes != uint64(len("half a line, which waits for its end\n")) {
			t.Errorf("flush %d: %+v", i, r)
		}
	}
	feed.Close()
	if err := wait(t, done); err != nil {
		t.Error(err)
	}
}

func TestLinesAreFlushedByCount(t *testing.T) {
	noLeaks(t)
	in := newStore(t)
	from, feed := pipe(t)
	committed, done := appendLines(t, t.Context(), in, from, AppendOptions{}, Flush{Count: 3})
	fmt.Fprint(feed, "1\n2\n3\n4\n5\n6\n7\n")
	for range 2 {
		if r := wait(t, committed); r.Blocks != 3 {
			t.Errorf("flushed %d lines, want 3", r.Blocks)
		}
	}
	feed.Close()
	if r := wait(t, committed); r.Blocks != 1 || r.Length != 7 {
		t.Errorf("the rest: %+v", r)
	}
	if err := wait(t, done); err != nil {
		t.Error(err)
	}
}

// Lines that came before an interrupt are published, and the interrupt is an error all the same.
func TestInterruptedLines(t *testing.T) {
	noLeaks(t)
	in := newStore(t)
	from, feed := pipe(t)
	ctx, cancel := context.WithCancel(t.Context())
	committed, done := appendLines(t, ctx, in, from, AppendOptions{}, Flush{Count: 2, Interval: time.Hour})
	fmt.Fprint(feed, "1\n2\n3\n")
	wait(t, committed) // the first two; the third came with them
	cancel()
	if err := wait(t, done); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	if got := logged(t, in); len(got) != 3 {
		t.Errorf("%q is there", got)
	}
	feed.Close()
}

func TestInterruptedWithoutALine(t *testing.T) {
	noLeaks(t)
	in := newStore(t)
	from, feed := pipe(t)
	ctx, cancel := context.WithCancel(t.Context())
	_, done := appendLines(t, ctx, in, from, AppendOptions{}, Flush{})
	cancel()
	if err := wait(t, done); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	if _, err := in.Resolve("log"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a log was made of nothing: %v", err)
	}
	feed.Close()
}

func TestFailingInputTakesNothingBack(t *testing.T) {
	noLeaks(t)
	in := newStore(t)
	broken := errors.New("broken")
	from := io.MultiReader(strings.NewReader("1\n2\n3"), errorReader{broken})
	if _, err := AppendLines(t.Context(), in, "log", from, AppendOptions{}, Flush{}, nil); !errors.Is(err, broken) {
		t.Errorf("%v, want %v", err, broken)
	}
	if got := logged(t, in); len(got) != 3 {
		t.Errorf("%q is there", got)
	}
}

type errorReader struct{ err error }

func (r errorReader) Read([]byte) (int, error) { return 0, r.err }

func TestTooLongLine(t *testing.T) {
	noLeaks(t)
	in := newStore(t)
	from := io.MultiReader(strings.NewReader("1\n"), bytes.NewReader(make([]byte, MaxBlock)), strings.NewReader("\n2\n"))
	if _, err := AppendLines(t.Context(), in, "log", from, AppendOptions{}, Flush{}, nil); !errors.Is(err, ErrTooLarge) {
		t.Errorf("%v, want %v", err, ErrTooLarge)
	}
	if got := logged(t, in); len(got) != 1 {
		t.Errorf("%d lines are there", len(got))
	}
}

// A secret key that is not in the store is used for every flush, not only for the first.
func TestLinesWithASecretFromOutside(t *testing.T) {
	in := newStore(t)
	secret, _ := keys.NewSecret(strings.NewReader(strings.Repeat("s", 64)))
	key, _ := appended(t, in, "log", AppendOptions{Secret: &secret}, []byte("a"))
	into := newStore(t)
	download(t, in, into, key)
	if err := into.SetName(t.Context(), "log", key); err != nil {
		t.Fatal(err)
	}
	_, err := AppendLines(t.Context(), into, "log", strings.NewReader("1\n2\n3\n"), AppendOptions{Secret: &secret}, Flush{Count: 1}, nil)
	if got := logged(t, into); err != nil || len(got) != 4 {
		t.Errorf("%q, %v", got, err)
	}
}

// Memory does not grow with the lines, nor keep the size of one long line.
func TestLinesTakeLittleMemory(t *testing.T) {
	in := newStore(t)
	long := bytes.Repeat([]byte("x"), MaxBlock-1)
	var inputs []io.Reader
	for range 6 {
		inputs = append(inputs, bytes.NewReader(long), strings.NewReader("\nshort\n"))
	}
	peak := uint64(0)
	from := readerFunc(func(p []byte) (int, error) {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		peak = max(peak, m.HeapAlloc)
		for len(inputs) > 0 {
			if n, err := inputs[0].Read(p); err == nil {
				return n, nil
			}
			inputs = inputs[1:]
		}
		return 0, io.EOF
	})
	defer debug.SetGCPercent(debug.SetGCPercent(20)) // little of the heap is garbage
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := AppendLines(t.Context(), in, "log", from, AppendOptions{}, Flush{}, nil); err != nil {
		t.Fatal(err)
	}
	grown := int64(peak) - int64(before.HeapAlloc)
	t.Logf("peak %d MiB for lines of %d MiB", grown>>20, MaxBlock>>20)
	if grown > 160<<20 {
		t.Errorf("%d MiB", grown>>20)
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
