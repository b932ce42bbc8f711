package tests

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

const waitLimit = 2 * time.Minute // how long waitfor waits on a loaded machine

func TestScript(t *testing.T) {
	t.Parallel()
	scripts, err := filepath.Glob("script/*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts in script/: %v", err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       update,
		Setup:               setup,
		Condition:           condition,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exit": cmdExit, "pipe": cmdPipe,
			"start": cmdStart, "signal": cmdSignal, "finish": cmdFinish, "waitfor": cmdWaitfor,
			"growto": cmdGrowto, "json": cmdJSON,
			"step":     cmdStep,
			"filesize": cmdFilesize, "flipbit": cmdFlipbit, "truncate": cmdTruncate,
		},
	})
}

func setup(env *testscript.Env) error {
	env.Setenv("PATH", bin+string(filepath.ListSeparator)+env.Getenv("PATH"))
	env.Setenv("PEERS", filepath.Join(root, "tests", "peers"))
	env.Setenv("EXAMPLES", filepath.Join(root, "examples"))
	env.Setenv("LC_ALL", "C")
	env.Setenv("BIN", bin)
	env.Setenv("HC_NO_DISCOVERY", "1")
	env.Values[jobsKey{}] = jobs{}
	if dir := os.Getenv("HC_COVERDIR"); dir != "" {
		env.Setenv("GOCOVERDIR", dir)
	}
	return nil
}

func condition(name string) (bool, error) {
	switch name {
	case "mount":
		return canMount(), nil
	case "networks":
		return canNetwork(), nil
	case "node":
		return haveNode()
	}
	return false, fmt.Errorf("unknown condition [%s]", name)
}

// canMount reports whether a process here can mount file systems that nobody else sees.
var canMount = sync.OnceValue(func() bool {
	return exec.Command("unshare", "-rm", "mount", "-t", "tmpfs", "none", "/tmp").Run() == nil
})

// canNetwork reports whether a process here can make networks that nobody else sees.
var canNetwork = sync.OnceValue(func() bool {
	return exec.Command("unshare", "-rn", "ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1").Run() == nil
})

func haveNode() (bool, error) {
	_, err := exec.LookPath("node")
	if err == nil {
		_, err = os.Stat(filepath.Join(root, "tests", "peers", "node_modules"))
	}
	if err != nil && os.Getenv("HC_REQUIRE_INTEROP") == "1" {
		return false, fmt.Errorf("HC_REQUIRE_INTEROP=1, but the stock peers are not there (npm ci in tests/peers): %w", err)
	}
	return err == nil, nil
}

func cmdExit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exit CODE program [ARG...]")
	}
	want := int(number(ts, args[0]))
	if got := codeOf(ts, ts.Exec(args[1], args[2:]...)); got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func cmdPipe(ts *testscript.TestScript, neg bool, args []string) {
	want := 0
	if len(args) == 2 {
		want = int(number(ts, args[0]))
		args = args[1:]
	}
	if neg || len(args) != 1 {
		ts.Fatalf("usage: pipe [CODE] 'a | b'")
	}
	if got := codeOf(ts, ts.Exec("bash", "-o", "pipefail", "-c", args[0])); got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// cmdStep runs a block of shell out of a workflow as the CI system does.
func cmdStep(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: step FILE HEADING [CODE]")
	}
	want := 0
	if len(args) == 3 {
		want = int(number(ts, args[2]))
	}
	text, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	shell := literalBlock(string(text), args[1])
	if shell == "" {
		ts.Fatalf("%s has no block of shell under %q", args[0], args[1])
	}
	if got := codeOf(ts, ts.Exec("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", shell)); got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// literalBlock returns the first YAML block that a | begins after the line of a heading, without its indentation; "" if there
// is none.
func literalBlock(text, heading string) string {
	_, rest, _ := strings.Cut("\n"+text, "\n"+heading+"\n")
	lines := strings.Split(rest, "\n")
	begin := slices.IndexFunc(lines, func(line string) bool { return strings.HasSuffix(line, "|") }) + 1
	if begin == 0 || begin == len(lines) {
		return ""
	}
	indent := lines[begin][:len(lines[begin])-len(strings.TrimLeft(lines[begin], " "))]
	var block []string
	for _, line := range lines[begin:] {
		inside, ok := strings.CutPrefix(line, indent)
		if !ok {
			break
		}
		block = append(block, inside)
	}
	return strings.Join(block, "\n")
}

func cmdWaitfor(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: waitfor FILE PATTERN [VAR...]")
	}
	pattern, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	if pattern.NumSubexp() < len(args)-2 {
		ts.Fatalf("the pattern has %d groups for %d variables", pattern.NumSubexp(), len(args)-2)
	}
	var text []byte
	for until := time.Now().Add(waitLimit); time.Now().Before(until); time.Sleep(5 * time.Millisecond) {
		text, err = os.ReadFile(ts.MkAbs(args[0]))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			ts.Fatalf("%v", err)
		}
		if found := pattern.FindSubmatch(text); found != nil {
			for i, name := range args[2:] {
				ts.Setenv(name, string(found[i+1]))
			}
			return
		}
	}
	ts.Fatalf("%s has no %q after %v:\n%s", args[0], args[1], waitLimit, text)
}

func cmdGrowto(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: growto FILE BYTES")
	}
	size := int64(-1)
	for until := time.Now().Add(waitLimit); time.Now().Before(until); time.Sleep(5 * time.Millisecond) {
		if info, err := os.Stat(ts.MkAbs(args[0])); err == nil {
			size = info.Size()
		}
		if size >= number(ts, args[1]) {
			return
		}
	}
	ts.Fatalf("%s has %d bytes after %v, want %s", args[0], size, waitLimit, args[1])
}

func cmdJSON(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: json FILE KEY...")
	}
	lines := strings.Split(strings.TrimSuffix(ts.ReadFile(args[0]), "\n"), "\n")
	for _, line := range lines {
		got, err := objectKeys(line)
		if err != nil {
			ts.Fatalf("%q: %v", line, err)
		}
		if !slices.Equal(got, args[1:]) {
			ts.Fatalf("%s has the keys %q, want %q", line, got, args[1:])
		}
	}
}

// objectKeys returns the keys of the one JSON object that line is, in their order.
func objectKeys(line string) (keys []string, err error) {
	if err := json.Unmarshal([]byte(line), &map[string]any{}); err != nil {
		return nil, err
	}
	d := json.NewDecoder(strings.NewReader(line))
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		keys = append(keys, key.(string))
		if err := d.Decode(new(any)); err != nil {
			return nil, err
		}
	}
	return keys, nil
}

func cmdFilesize(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: filesize FILE OP BYTES")
	}
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	got, want := info.Size(), number(ts, args[2])
	ok, known := map[string]bool{
		"==": got == want, "!=": got != want, "<=": got <= want, ">=": got >= want, "<": got < want, ">": got > want,
	}[args[1]]
	if !known {
		ts.Fatalf("unknown comparison %q", args[1])
	}
	if !ok {
		ts.Fatalf("%s has %d bytes, want %s %d", args[0], got, args[1], want)
	}
}

func cmdFlipbit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: flipbit FILE BIT")
	}
	path := ts.MkAbs(args[0])
	data, err := os.ReadFile(path)
	ts.Check(err)
	bit := number(ts, args[1])
	if bit < 0 {
		bit += int64(len(data)) * 8
	}
	if bit < 0 || bit >= int64(len(data))*8 {
		ts.Fatalf("%s has %d bits", args[0], len(data)*8)
	}
	data[bit/8] ^= 1 << (bit % 8)
	ts.Check(os.WriteFile(path, data, 0o666))
}

func cmdTruncate(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: truncate FILE BYTES")
	}
	path := ts.MkAbs(args[0])
	size := number(ts, args[1])
	if size < 0 {
		info, err := os.Stat(path)
		ts.Check(err)
		size += info.Size()
	}
	ts.Check(os.Truncate(path, size))
}
