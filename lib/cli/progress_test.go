package cli

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"
)

func TestProgressLine(t *testing.T) {
	for _, test := range []struct {
		state state
		last  bool
		width int
		want  string
	}{
		{state{bytes: 0, elapsed: time.Second}, false, 80, "hc-x: 0 B, 0 B/s"},
		{state{bytes: 3 << 20, blocks: 1234, elapsed: 3 * time.Second, rate: 1 << 20}, false, 80, "hc-x: 3.0 MiB, 1,234 blocks, 1.0 MiB/s"},
		{state{bytes: 25 << 20, total: 100 << 20, blocks: 1, rate: 1 << 20}, false, 80,
			"hc-x: 25.0 MiB of 100.0 MiB (25%), 1 block, 1.0 MiB/s, 1m15s left"},
		{state{bytes: 100 << 20, total: 100 << 20, rate: 50 << 20, elapsed: 2 * time.Second}, true, 80,
			"hc-x: 100.0 MiB, 50.0 MiB/s, 2.0s"},
		{state{bytes: 2, total: 1, rate: 1}, false, 80, "hc-x: 2 B of 1 B (100%), 1 B/s"},
		{state{bytes: 25 << 20, total: 100 << 20, rate: 1 << 20}, false, 20, "hc-x: 25.0 MiB of 1"},
	} {
		if got := test.state.line("hc-x", test.last, test.width); got != test.want {
			t.Errorf("line(%+v) = %q, want %q", test.state, got, test.want)
		}
	}
}

func TestFormatSize(t *testing.T) {
	for bytes, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 1<<20 - 1: "1.0 MiB", 1 << 20: "1.0 MiB",
		1<<63 - 1: "8.0 EiB",
	} {
		if got := FormatSize(bytes); got != want {
			t.Errorf("FormatSize(%d) = %q, want %q", bytes, got, want)
		}
	}
}

// TestProgressShows checks who draws, and that Done has written the last state when it returns.
func TestProgressShows(t *testing.T) {
	for _, test := range []struct {
		name string
		std  IO
		opt  ProgressOptions
		want string // in the last line; empty: nothing at all
	}{
		{name: "terminal", std: IO{ErrTerminal: true}, want: "hc-x: 10 B, 2 blocks, "},
		{name: "no terminal"},
		{name: "quiet", std: IO{ErrTerminal: true, Quiet: true}},
		{name: "quiet and json", std: IO{JSON: true, Quiet: true}},
		{name: "another process shows its own", std: IO{ErrTerminal: true, OutPipe: true}},
		{name: "data on the terminal", std: IO{ErrTerminal: true, OutTerminal: true}, opt: ProgressOptions{DataOut: true}},
		{name: "words on the terminal", std: IO{ErrTerminal: true, OutTerminal: true}, want: "hc-x: 10 B, 2 blocks, "},
		{name: "dumb", std: IO{ErrTerminal: true, Env: func(string) string { return "dumb" }}},
		{name: "json", std: IO{JSON: true}, want: `{"type":"summary","tool":"hc-x","bytes":10,"blocks":2,"seconds":`},
	} {
		t.Run(test.name, func(t *testing.T) {
			var b bytes.Buffer
			test.std.Err, test.std.Name = newScreen(&b), "hc-x"
			p := NewProgress(&test.std, test.opt)
			p.Add(7, 1)
			p.Add(3, 1)
			p.Done()
			p.Done()
			switch got := b.String(); {
			case test.want == "" && got != "":
				t.Errorf("wrote %q", got)
			case test.want != "" && (!strings.HasPrefix(got, test.want) || !strings.HasSuffix(got, "\n")):
				t.Errorf("wrote %q, want %q…", got, test.want)
			case test.std.JSON && got != "" && !json.Valid(b.Bytes()):
				t.Errorf("not JSON: %q", got)
			}
			if strings.Contains(b.String(), "\x1b") {
				t.Errorf("an escape sequence: %q", b.String())
			}
		})
	}
	var none *Progress
	none.Add(1, 1)
	none.SetTotal(1)
	none.Done()
}

// TestScreen looks at the screen the way a terminal would.
func TestScreen(t *testing.T) {
	var b bytes.Buffer
	s := newScreen(&b)
	s.show("half way there")
	_, _ = io.WriteString(s, "a warning\n")
	s.show("more")
	_, _ = io.WriteString(s, "another\n")
	s.keep("done")
	_, _ = io.WriteString(s, "the end\n")
	if got, want := terminal(b.String()), "a warning\nanother\ndone\nthe end\n"; got != want {
		t.Errorf("shows %q, want %q; wrote %q", got, want, b.String())
	}
	b.Reset()
	s.show("gone soon")
	s.show("")
	_, _ = io.WriteString(s, "x\n")
	if got, want := terminal(b.String()), "x\n"; got != want {
		t.Errorf("shows %q, want %q; wrote %q", got, want, b.String())
	}
}

// terminal returns what stands on a terminal after text was written: \r goes back, letters replace what stands there.
func terminal(text string) string {
	var shown strings.Builder
	var row []byte
	col := 0
	for _, c := range []byte(text) {
		switch c {
		case '\r':
			col = 0
		case '\n':
			shown.WriteString(strings.TrimRight(string(row), " ") + "\n")
			row, col = nil, 0
		default:
			if col < len(row) {
				row[col] = c
			} else {
				row = append(row, c)
			}
			col++
		}
	}
	return shown.String() + strings.TrimRight(string(row), " ")
}
