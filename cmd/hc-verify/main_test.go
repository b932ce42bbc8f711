package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hc/lib/cli"
)

const (
	exampleKey  = "d8c3a0597903b28d751c6e0b7107775e388ec5a3cf669bdd1e7ec41b8b8f6e72"
	driveKey    = "2301d868470184288fc796e7dcb9487b84b76a0666b932c13ff626e6e77272c2"
	exampleText = "apples,3\npears,7\nplums,2\nfigs,40\nnuts,9\n"
)

var update = flag.Bool("update", false, "write testdata/*.explain")

// proofOf returns a stream of lib/proof's testdata.
func proofOf(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "lib", "proof", "testdata", name+".proof"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

type result struct {
	code     int
	out, err string
}

// tool runs hc-verify as a user does.
func tool(t testing.TB, in []byte, args ...string) result {
	t.Helper()
	return toolOn(t, cli.IO{In: bytes.NewReader(in)}, args...)
}

func toolOn(t testing.TB, std cli.IO, args ...string) result {
	t.Helper()
	var out, words bytes.Buffer
	if std.Out == nil {
		std.Out = &out
	}
	std.Err = &words
	if std.Env == nil {
		dir := t.TempDir()
		std.Env = func(name string) string { return map[string]string{"HC_DIR": filepath.Join(dir, "none")}[name] }
	}
	code := cli.Run(t.Context(), newApp, &std, append([]string{"hc-verify"}, args...))
	return result{code, out.String(), words.String()}
}

func TestVerify(t *testing.T) {
	for _, test := range []struct {
		name, stream string
		args         []string
		code         int
		out          string
		err          string // is in standard error; empty: nothing is
	}{
		{"the whole log", "all", []string{exampleKey}, 0, exampleText, ""},
		{"a log that grew", "live", []string{exampleKey}, 0, exampleText, ""},
		{"no key", "all", nil, 0, exampleText, "no KEY was given: trusting the stream's own, " + exampleKey},
		{"no key, quietly", "all", []string{"--quiet"}, 0, exampleText, ""},
		{"another key", "block6", []string{exampleKey}, 4, "", "the stream is of "},
		{"blocks", "blocks", []string{exampleKey, "--blocks", "2-3"}, 0, "plums,2\nfigs,40\n", ""},
		{"blocks, flags first", "blocks", []string{"--blocks=2-3", exampleKey}, 0, "plums,2\nfigs,40\n", ""},
		{"a part for the whole", "blocks", []string{exampleKey}, 4, "",
			`the stream proves "blocks 2-3", not "all": if that is what you want, run hc-verify ` + exampleKey + " --blocks 2-3"},
		{"the whole for a part", "all", []string{exampleKey, "--blocks", "2-3"}, 4, "",
			`the stream proves "all", not "blocks 2-3": if that is what you want, run hc-verify ` + exampleKey},
		{"other blocks", "blocks", []string{exampleKey, "--blocks", "2-4"}, 4, "", `not "blocks 2-4"`},
		{"an open range", "blocks", []string{exampleKey, "--blocks", "2-"}, 4, "", `not "blocks 2-"`},
		{"one block", "block6", []string{"--blocks", "6", "--quiet"}, 0, "block 6;", ""},
		{"bytes", "bytes", []string{exampleKey, "--bytes", "10-30"}, 0, exampleText[10:31], ""},
		{"beyond the end", "beyond", []string{exampleKey, "--blocks", "3-9"}, 3, "figs,40\nnuts,9\n",
			"blocks 3-9 reaches beyond the end: the log has 5 blocks"},
		{"an empty log", "empty", []string{"--quiet"}, 3, "", "has no signed head"},
		{"a version", "at", []string{"0.3." + exampleKey}, 0, exampleText[:25], ""},
		{"another version", "at", []string{"0.4." + exampleKey}, 4, "", `not "all at 4"`},
		{"another fork", "at", []string{"1.3." + exampleKey}, 7, "", "the head is on fork 0, not on 1"},
		{"the newest where a version is wanted", "all", []string{"0.5." + exampleKey}, 4, "", `not "all at 5"`},
		{"another tree hash", "at", []string{"0.3." + exampleKey + "." + exampleKey}, 4, "", "the tree hash is "},
		{"long enough", "all", []string{exampleKey, "--min-length", "5"}, 0, exampleText, ""},
		{"not long enough", "all", []string{exampleKey, "--min-length", "6"}, 3, "", "the head has 5 blocks, at least 6 were asked for"},
		{"no stream at all", "", []string{exampleKey}, 3, "", "the input is empty"},

		{"the head", "head", []string{exampleKey, "--head"}, 0,
			"0.5." + exampleKey + ".a0a46e1f9fccd4d25f48cd768718b614e2e3e3cb75f88834125611d6a24dd70d\n", ""},
		{"the list", "bytes", []string{exampleKey, "--list"}, 0, "", ""},
		{"the list of other blocks than asked", "bytes", []string{exampleKey, "--list", "--blocks", "1-3"}, 4, "", `not "blocks 1-3"`},
		{"the list of another version", "at", []string{"0.2." + exampleKey, "--list"}, 4, "", `not "all at 2"`},

		{"a path", "path", []string{driveKey, "--path", "/data/table.csv"}, 0, "name,quantity\nnuts,3\n", ""},
		{"a path as people say it", "path", []string{"--path", "data//table.csv", "--quiet"}, 0, "name,quantity\nnuts,3\n", ""},
		{"a path of no key", "path", []string{"--path", "/data/table.csv"}, 0, "name,quantity\nnuts,3\n", "trusting the stream's own, " + driveKey},
		{"another path", "path", []string{driveKey, "--path", "/data"}, 4, "", `proves "path /data/table.csv", not "path /data"`},
		{"a path that is not there", "absent", []string{driveKey, "--path", "/data/table"}, 5, "", "proved not to exist"},
		{"a path where all is wanted", "path", []string{driveKey}, 4, "", "run hc-verify " + driveKey + " --path /data/table.csv"},
		{"a path, listed", "path", []string{driveKey, "--list"}, 4, "", "--path /data/table.csv"},
		{"a folder where all is wanted", "tree", []string{driveKey}, 4, "", "run hc-verify " + driveKey + " --tree / --tar"},
		{"another folder", "tree", []string{driveKey, "--tree", "/data", "--tar"}, 4, "", `not "tree /data"`},
		{"all where a folder is wanted", "all", []string{"--tar"}, 4, "", `not "tree /"`},
		{"a folder, as nothing", "tree", []string{driveKey, "--tree", "/"}, 2, "", "--tar and --sha256sums"},
		{"a folder, twice", "tree", []string{"--tar", "--sha256sums"}, 2, "", "one of --tar and --sha256sums"},
		{"a folder, listed", "tree", []string{"--tar", "--list"}, 2, "", "show blocks"},
		{"a path, as a tar", "path", []string{"--path", "/a", "--tar"}, 2, "", "cannot be used together"},
		{"the folder as a path", "path", []string{"--path", "/"}, 2, "", "use --tree"},
		{"a path that leads out", "path", []string{"--path", "../a"}, 2, "", "--path: "},
		{"two parts", "all", []string{"--blocks", "1-2", "--bytes", "1-2"}, 2, "", "cannot be used together"},
		{"two outputs", "all", []string{"--list", "--explain"}, 2, "", "cannot be used together"},
		{"a bad range", "all", []string{"--blocks", "2-1"}, 2, "", "range"},
		{"a range that no log has", "all", []string{"--blocks", "9007199254740992-"}, 2, "", "not a number"},
		{"two keys", "all", []string{exampleKey, exampleKey}, 2, "", "at most one KEY"},
		{"a name without a store", "all", []string{"table"}, 5, "", "there is no store"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var in []byte
			if test.stream != "" {
				in = proofOf(t, test.stream)
			}
			got := tool(t, in, test.args...)
			if got.code != test.code {
				t.Errorf("exit %d, want %d: %s", got.code, test.code, got.err)
			}
			if got.out != test.out && test.name != "the list" {
				t.Errorf("out %q, want %q", got.out, test.out)
			}
			if test.err == "" && got.err != "" || !strings.Contains(got.err, test.err) {
				t.Errorf("error %q, want %q", got.err, test.err)
			}
		})
	}
}

func TestCutAndFlipped(t *testing.T) {
	whole := proofOf(t, "all")
	cut := tool(t, whole[:len(whole)-1], exampleKey)
	if cut.code != 3 || cut.out != exampleText || !strings.Contains(cut.err, "run the same hc-fetch again") {
		t.Errorf("cut: exit %d, out %q, error %q", cut.code, cut.out, cut.err)
	}
	flipped := bytes.Replace(whole, []byte("pears,7"), []byte("pears,9"), 1)
	if got := tool(t, flipped, exampleKey); got.code != 4 || got.out != "" {
		t.Errorf("flipped: exit %d, out %q, error %q", got.code, got.out, got.err)
	}
	if got := tool(t, append(whole, "more\n"...), exampleKey); got.code != 4 {
		t.Errorf("more: exit %d, error %q", got.code, got.err)
	}
}

func TestList(t *testing.T) {
	got := tool(t, proofOf(t, "bytes"), "--list", "--quiet")
	lines := strings.Split(strings.TrimSuffix(got.out, "\n"), "\n")
	if got.code != 0 || len(lines) != 3 {
		t.Fatalf("exit %d, %q", got.code, got.out)
	}
	for i, line := range lines {
		var block, offset, length int
		var leaf string
		if _, err := fmt.Sscan(line, &block, &offset, &length, &leaf); err != nil || len(leaf) != 64 {
			t.Errorf("%q: %v", line, err)
		}
		text := strings.SplitAfter(exampleText, "\n")
		if block != i+1 || length != len(text[block]) || !strings.HasPrefix(exampleText[offset:], text[block]) {
			t.Errorf("%q is not block %d", line, i+1)
		}
	}
	got = tool(t, proofOf(t, "bytes"), "--list", "--json", "--quiet")
	d := json.NewDecoder(strings.NewReader(got.out))
	for i := range 3 {
		var line struct {
			Block, Offset, Length int
			Leaf                  string
		}
		if err := d.Decode(&line); err != nil || line.Block != i+1 || len(line.Leaf) != 64 || line.Length == 0 {
			t.Errorf("line %d: %+v, %v", i, line, err)
		}
	}
	if err := d.Decode(new(any)); err != io.EOF {
		t.Errorf("%v behind three lines", err)
	}
}

func TestStoreIsKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	got := tool(t, proofOf(t, "all"), exampleKey, "--store", "-C", dir)
	if got.code != 0 || got.out != exampleText {
		t.Fatalf("exit %d, out %q, error %q", got.code, got.out, got.err)
	}
	// A head that goes on from the stored one, and an older one, which says nothing new.
	for _, name := range []string{"live", "at", "blocks"} {
		args := map[string][]string{"live": {exampleKey}, "at": {"0.3." + exampleKey}, "blocks": {exampleKey, "--blocks", "2-3"}}[name]
		if got := tool(t, proofOf(t, name), append(args, "--store", "-C", dir)...); got.code != 0 {
			t.Errorf("%s: exit %d, error %q", name, got.code, got.err)
		}
	}
	if got := tool(t, proofOf(t, "all"), "nothing", "-C", dir); got.code != 5 {
		t.Errorf("a name that is not there: exit %d, error %q", got.code, got.err)
	}
}

func TestTerminal(t *testing.T) {
	var out bytes.Buffer
	std := cli.IO{In: bytes.NewReader(proofOf(t, "all")), Out: &out, OutTerminal: true}
	if got := toolOn(t, std, exampleKey); got.code != 0 || out.String() != exampleText {
		t.Errorf("text: exit %d, out %q, error %q", got.code, out.String(), got.err)
	}
}

// The file's text is what the tool writes; -update writes it.
func TestExplain(t *testing.T) {
	for _, name := range []string{"block6", "all", "live", "at", "head"} {
		got := tool(t, proofOf(t, name), "--explain", "--quiet")
		if got.code != 0 || got.err != "" {
			t.Errorf("%s: exit %d, error %q", name, got.code, got.err)
		}
		path := filepath.Join("testdata", name+".explain")
		if *update {
			if err := os.WriteFile(path, []byte(got.out), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got.out != string(want) {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got.out, want)
		}
	}
}
