package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"hc/lib/chunk"
	"hc/lib/cli"
	"hc/lib/hash"
	"hc/lib/stream"
)

// result is what a run of the tool left.
type result struct {
	out, err string
	code     int
}

// tool runs hc-chunk as a user does.
func tool(t testing.TB, std cli.IO, args ...string) result {
	t.Helper()
	var out, words bytes.Buffer
	if std.In == nil {
		std.In = strings.NewReader("")
	}
	if std.Out == nil {
		std.Out = &out
	}
	std.Err = &words
	code := cli.Run(t.Context(), newApp, &std, append([]string{"hc-chunk"}, args...))
	return result{out.String(), words.String(), code}
}

func stdin(data []byte) cli.IO { return cli.IO{In: bytes.NewReader(data)} }

func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

// blocks returns the blocks of a whole stream.
func blocks(t testing.TB, s string) []string {
	t.Helper()
	r := stream.NewReader(strings.NewReader(s))
	var all []string
	for {
		b, err := r.Next()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(b))
	}
}

func write(t testing.TB, name string, data []byte) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// What is chunked and joined again is the input, whatever cut it.
func TestChunkAndJoin(t *testing.T) {
	text := bytes.Repeat([]byte("a line\n\nand another, without an end\n"), 5000)
	for _, algorithm := range algorithms {
		for name, data := range map[string][]byte{
			"empty": nil, "byte": {0}, "text": text, "tail": text[:len(text)-1], "noise": noise(3 << 20),
		} {
			t.Run(algorithm+"/"+name, func(t *testing.T) {
				cut := tool(t, stdin(data), "--algorithm", algorithm)
				if cut.code != 0 || cut.err != "" {
					t.Fatalf("hc-chunk: exit %d: %s", cut.code, cut.err)
				}
				joined := tool(t, stdin([]byte(cut.out)), "--join")
				if joined.code != 0 || joined.out != string(data) {
					t.Fatalf("hc-chunk --join: exit %d, %d bytes of %d: %s", joined.code, len(joined.out), len(data), joined.err)
				}
			})
		}
	}
}

func TestLinesAreBlocks(t *testing.T) {
	dir := t.TempDir()
	a, b := write(t, dir+"/a", []byte("one\ntwo")), write(t, dir+"/b", []byte("three\n"))
	got := tool(t, cli.IO{}, "--algorithm", "lines", a, b)
	if want := []string{"one\n", "two", "three\n"}; fmt.Sprintf("%q", blocks(t, got.out)) != fmt.Sprintf("%q", want) {
		t.Errorf("blocks %q, want %q", blocks(t, got.out), want)
	}
	long := tool(t, stdin([]byte("short\nlonger than that\n")), "--algorithm", "lines", "--max", "10", "--cuts")
	if want := "hc-chunk: reading standard input: line at byte 6: longer than a block may be: over 10 bytes: cut it with another --algorithm\n"; long.code != 1 || long.err != want || long.out != "0 6\n" {
		t.Errorf("exit %d, %q, stdout %q, want %q", long.code, long.err, long.out, want)
	}
}

// A file is cut in the same way whatever stands before it; offsets count all that was read.
func TestFilesAreCutByThemselves(t *testing.T) {
	dir := t.TempDir()
	data := noise(500_000)
	write(t, dir+"/first", data[:1234])
	write(t, dir+"/second", data)
	alone := blocks(t, tool(t, cli.IO{}, dir+"/second").out)
	both := tool(t, stdin([]byte("from stdin")), dir+"/first", "-", dir+"/second")
	got := blocks(t, both.out)
	want := append([]string{string(data[:1234]), "from stdin"}, alone...)
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("%d blocks, want %d", len(got), len(want))
	}
	cuts := tool(t, stdin([]byte("from stdin")), "--cuts", dir+"/first", "-", dir+"/second")
	if want := fmt.Sprintf("0 1234\n1234 10\n1244 %d\n", len(alone[0])); !strings.HasPrefix(cuts.out, want) {
		t.Errorf("cuts begin with %.40q, want %q", cuts.out, want)
	}
}

// wantList is what --list says of data, made the slow way.
func wantList(t testing.TB, data []byte, limits chunk.Limits) (text, objects string) {
	cutter, err := chunk.NewRabin(limits)
	if err != nil {
		t.Fatal(err)
	}
	var a, b strings.Builder
	for offset := 0; offset < len(data); {
		n := cutter.Cut(data[offset:], true)
		leaf, sum := hash.Leaf(data[offset:offset+n]), sha256.Sum256(data[offset:offset+n])
		fmt.Fprintf(&a, "%d %d %s %x\n", offset, n, leaf, sum)
		o, _ := json.Marshal(map[string]any{"offset": offset, "length": n, "leaf": leaf.String(), "sha256": fmt.Sprintf("%x", sum)})
		b.Write(append(o, '\n'))
		offset += n
	}
	return a.String(), b.String()
}

func TestList(t *testing.T) {
	data := append(noise(6<<20), make([]byte, 100_000)...)
	for _, size := range []string{"64", "8k", "64KiB"} {
		limits, args := chunk.Limits{}, []string{"--list", "--avg", size}
		switch size {
		case "64":
			limits.Average = 64
			data = data[len(data)-2<<20:]
		case "8k":
			limits.Average = 8 << 10
		}
		text, objects := wantList(t, data, limits)
		if got := tool(t, stdin(data), args...); got.code != 0 || got.out != text {
			t.Fatalf("avg %s: exit %d, differs: %s", size, got.code, got.err)
		}
		got := tool(t, stdin(data), append(args, "--json", "--quiet")...)
		if got.code != 0 || !sameObjects(t, got.out, objects) {
			t.Fatalf("avg %s, json: exit %d, differs: %s", size, got.code, got.err)
		}
	}
	if got := tool(t, stdin(nil), "--list"); got.code != 0 || got.out != "" {
		t.Errorf("list of nothing: exit %d, %q", got.code, got.out)
	}
}

// sameObjects compares JSON Lines, whatever the order of their keys.
func sameObjects(t testing.TB, a, b string) bool {
	t.Helper()
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	if len(x) != len(y) {
		return false
	}
	for i := range x[:len(x)-1] {
		var p, q map[string]any
		if json.Unmarshal([]byte(x[i]), &p) != nil || json.Unmarshal([]byte(y[i]), &q) != nil || fmt.Sprint(p) != fmt.Sprint(q) {
			return false
		}
	}
	return true
}

func TestListStopsOnErrors(t *testing.T) {
	data := noise(4 << 20)
	broken := errors.New("disk on fire")
	got := tool(t, cli.IO{In: io.MultiReader(bytes.NewReader(data), iotest.ErrReader(broken))}, "--list")
	if got.code != 1 || got.err != "hc-chunk: reading standard input: disk on fire\n" {
		t.Errorf("exit %d, %q", got.code, got.err)
	}
	full := writerFunc(func([]byte) (int, error) { return 0, errors.New("no space left") })
	got = tool(t, cli.IO{In: bytes.NewReader(data), Out: full}, "--list")
	if got.code != 1 || got.err != "hc-chunk: no space left\n" {
		t.Errorf("exit %d, %q", got.code, got.err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// A stream that fails on its way has no end.
func TestFailedStreamHasNoEnd(t *testing.T) {
	broken := errors.New("disk on fire")
	got := tool(t, cli.IO{In: io.MultiReader(bytes.NewReader(noise(4<<20)), iotest.ErrReader(broken))})
	if got.code != 1 || !strings.HasPrefix(got.out, "hc-stream/1\n") || strings.Contains(got.out, "\nend ") {
		t.Errorf("exit %d, %d bytes", got.code, len(got.out))
	}
	joined := tool(t, stdin([]byte(got.out)), "--join")
	if joined.code != 1 || !strings.Contains(joined.err, "stops before its end frame") {
		t.Errorf("join: exit %d, %s", joined.code, joined.err)
	}
}

func TestJoinRejects(t *testing.T) {
	good := tool(t, stdin([]byte("some text\n"))).out
	for name, in := range map[string]string{
		"empty": "", "text": "some text\n", "cut": good[:len(good)-1], "more": good + "x", "twice": good + good,
		"flipped": strings.Replace(good, "text", "tent", 1),
	} {
		got := tool(t, cli.IO{In: strings.NewReader(in)}, "--join")
		if got.code != 1 || !strings.Contains(got.err, "hc-stream") {
			t.Errorf("%s: exit %d, %q", name, got.code, got.err)
		}
	}
	got := tool(t, cli.IO{In: strings.NewReader("hc-stream/1\ntree\n")}, "--join")
	if got.code != 2 || !strings.Contains(got.err, "hc-append NAME --drive") {
		t.Errorf("folder: exit %d, %q", got.code, got.err)
	}
}

func TestStats(t *testing.T) {
	got := tool(t, stdin(make([]byte, 1000)), "--algorithm", "fixed", "--avg", "300", "--cuts", "--stats")
	if want := "chunks    4\nbytes     1000\naverage   250\nshortest  100\nlongest   300\n"; got.code != 0 || got.err != want {
		t.Errorf("exit %d, %q, want %q", got.code, got.err, want)
	}
	got = tool(t, stdin(nil), "--stats", "--json", "--quiet")
	if want := `{"type":"stats","chunks":0,"bytes":0,"average":0,"shortest":0,"longest":0}` + "\n"; got.err != want {
		t.Errorf("%q, want %q", got.err, want)
	}
}
