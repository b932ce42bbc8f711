package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"

	urfave "github.com/urfave/cli/v2"
)

// tool runs an app with an action in buffers.
type tool struct {
	out, err bytes.Buffer
	env      map[string]string
	flags    []urfave.Flag
}

func (x *tool) run(ctx context.Context, action func(*urfave.Context, *IO) error, args ...string) int {
	std := &IO{In: strings.NewReader(""), Out: &x.out, Err: &x.err, Env: func(name string) string { return x.env[name] }}
	return Run(ctx, func(std *IO) *urfave.App {
		return &urfave.App{
			Name: "hc-test", Usage: "test", ArgsUsage: "[FILE]",
			Flags:    append([]urfave.Flag{StoreFlag(), JSONFlag(), &urfave.IntFlag{Name: "avg"}}, x.flags...),
			Metadata: Manual{Examples: []Example{{"try it", "hc-test -"}}}.Metadata(),
			Action:   func(c *urfave.Context) error { return action(c, std) },
		}
	}, std, append([]string{"hc-test"}, args...))
}

func TestRunReports(t *testing.T) {
	for _, test := range []struct {
		name string
		err  error
		args []string
		code int
		want string // on standard error
	}{
		{"done", nil, nil, 0, ""},
		{"plain", errors.New("reading pack: bad"), nil, 1, "hc-test: reading pack: bad\n"},
		{"usage", Usagef("two keys"), nil, 2, "hc-test: two keys: see 'hc-test --help'\n"},
		{"hint", Hint(Exitf(ErrConflict, "core %q has %d blocks, expected %d", "table", 12, 10), "fetch it and append again"),
			nil, 7, "hc-test: core \"table\" has 12 blocks, expected 10: fetch it and append again\n"},
		{"wrapped hint", fmt.Errorf("appending: %w", Hint(io.ErrUnexpectedEOF, "send it again")), nil, 1,
			"hc-test: appending: unexpected EOF: send it again\n"},
		{"lines and escapes", errors.New("peer says\n\x1b[2Jno\u202e"), nil, 1, "hc-test: peer says; \\x1b[2Jno\\u202e\n"},
		{"json", Hint(Exitf(ErrNotFound, "no core <a>"), "look"), []string{"--json"}, 5,
			`{"type":"error","tool":"hc-test","exit":5,"error":"no core <a>","hint":"look"}` + "\n"},
		{"unknown flag", nil, []string{"--dri", "x"}, 2, "hc-test: unknown flag --dri: did you mean --dir?\n"},
		{"bad value", nil, []string{"--avg", "many"}, 2, "hc-test: invalid value \"many\" for --avg: see 'hc-test --help'\n"},
		{"exit coder", urfave.Exit("no", 3), nil, 1, "hc-test: no\n"}, // codes come from the table alone
	} {
		t.Run(test.name, func(t *testing.T) {
			var x tool
			code := x.run(t.Context(), func(*urfave.Context, *IO) error { return test.err }, test.args...)
			if code != test.code || x.err.String() != test.want || x.out.Len() > 0 {
				t.Errorf("exit %d, stderr %q, stdout %q, want %d, %q", code, x.err.String(), x.out.String(), test.code, test.want)
			}
		})
	}
}

func TestRunArguments(t *testing.T) {
	var x tool
	x.flags = []urfave.Flag{&urfave.StringSliceFlag{Name: "peer"}}
	code := x.run(t.Context(), func(c *urfave.Context, std *IO) error {
		fmt.Fprintf(std.Out, "%q %q %s json=%v quiet=%v avg=%v", c.Args().Slice(), c.StringSlice("peer"), std.StoreDir(c), std.JSON, std.Quiet, c.IsSet("avg"))
		return nil
	}, "help", "--peer", "a,b", "-", "-q", "--peer=c", "-Cx", "--", "--json")
	if want := `["help" "-" "--json"] ["a,b" "c"] x json=false quiet=true avg=false`; code != 0 || x.out.String() != want {
		t.Errorf("exit %d, got %q, want %q; %s", code, x.out.String(), want, x.err.String())
	}
}

func TestRequiredFlag(t *testing.T) {
	x := tool{flags: []urfave.Flag{&urfave.StringFlag{Name: "listen", Usage: "on `ADDR`", Required: true}}}
	code := x.run(t.Context(), func(*urfave.Context, *IO) error { return nil })
	if want := "hc-test: --listen ADDR is required: see 'hc-test --help'\n"; code != 2 || x.err.String() != want || x.out.Len() > 0 {
		t.Errorf("exit %d, stderr %q, stdout %q, want 2, %q", code, x.err.String(), x.out.String(), want)
	}
	if code := x.run(t.Context(), nil, "--help"); code != 0 {
		t.Errorf("--help without a required flag: exit %d", code)
	}
}

func TestWords(t *testing.T) {
	for _, test := range []struct {
		args []string
		want string // a pattern for standard error
	}{
		{nil, `^hc-test: warning: two lines; here\nhc-test: 3 blocks\n$`},
		{[]string{"-q"}, `^hc-test: warning: two lines; here\n$`},
		{[]string{"-v"}, `level=DEBUG msg=dialling peer=x\n$`},
		{[]string{"--json"}, `^{"type":"warning","tool":"hc-test","text":"two lines; here"}\n{"type":"note","tool":"hc-test","text":"3 blocks"}\n$`},
		{[]string{"-v", "--json"}, `"level":"DEBUG","msg":"dialling","peer":"x"}\n$`},
	} {
		var x tool
		x.run(t.Context(), func(c *urfave.Context, std *IO) error {
			std.Warnf("two lines\nhere")
			std.Notef("%d blocks", 3)
			std.Log.Debug("dialling", "peer", "x")
			return nil
		}, test.args...)
		if !regexp.MustCompile(test.want).MatchString(x.err.String()) {
			t.Errorf("%q: stderr %q, want %q", test.args, x.err.String(), test.want)
		}
	}
}

func TestStoreDir(t *testing.T) {
	for _, test := range []struct {
		env, want string
		args      []string
	}{
		{"", ".hc", nil},
		{"/e", "/e", nil},
		{"/e", "/f", []string{"-C", "/f"}},
	} {
		x := tool{env: map[string]string{"HC_DIR": test.env}}
		x.run(t.Context(), func(c *urfave.Context, std *IO) error {
			_, err := io.WriteString(std.Out, std.StoreDir(c))
			return err
		}, test.args...)
		if got := x.out.String(); got != test.want {
			t.Errorf("StoreDir with HC_DIR=%s, args %q = %q, want %q", test.env, test.args, got, test.want)
		}
	}
}

func TestHelpAndVersion(t *testing.T) {
	var x tool
	if code := x.run(t.Context(), nil, "x", "--help"); code != 0 || x.err.Len() > 0 {
		t.Fatalf("exit %d, stderr %q", code, x.err.String())
	}
	for _, want := range []string{
		"usage: hc-test [FLAG...] [FILE]\n", "-C, --dir DIR", "      --avg VALUE", "HC_DIR", "  hc-test -\n",
		"    4  verification failed", "  130  interrupted\n",
	} {
		if !strings.Contains(x.out.String(), want) {
			t.Errorf("help lacks %q:\n%s", want, x.out.String())
		}
	}
	x = tool{}
	if code := x.run(t.Context(), nil, "--version"); code != 0 || !strings.HasPrefix(x.out.String(), "hc-test "+Version()+" (go1.") {
		t.Errorf("version: exit %d, %q", code, x.out.String())
	}
}

func TestSignalled(t *testing.T) {
	for _, test := range []struct {
		name   string
		signal syscall.Signal
		err    error
		code   int
		want   string
	}{
		{"cancelled", syscall.SIGINT, context.Canceled, 130, "hc-test: interrupted\n"},
		{"cause", syscall.SIGTERM, fmt.Errorf("reading: %w", &signalError{syscall.SIGTERM}), 143, "hc-test: ended by SIGTERM\n"},
		{"said it was done", syscall.SIGINT, nil, 130, "hc-test: interrupted\n"},
		{"other trouble", syscall.SIGINT, errors.New("closing: no space"), 130, "hc-test: closing: no space\n"},
		{"unverified all the same", syscall.SIGINT, Exitf(ErrUnverified, "block 3"), 4, "hc-test: block 3\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			var x tool
			code := x.run(ctx, func(*urfave.Context, *IO) error {
				cancel(&signalError{test.signal})
				return test.err
			})
			if code != test.code || x.err.String() != test.want {
				t.Errorf("exit %d, stderr %q, want %d, %q", code, x.err.String(), test.code, test.want)
			}
		})
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, fmt.Errorf("write: %w", syscall.EPIPE) }

func TestBrokenOutput(t *testing.T) {
	ctx := t.Context()
	run := func(action func(std *IO) error) (int, string) {
		var stderr bytes.Buffer
		std := &IO{Out: brokenPipe{}, Err: &stderr}
		code := Run(ctx, func(std *IO) *urfave.App {
			return &urfave.App{Name: "hc-test", Action: func(*urfave.Context) error { return action(std) }}
		}, std, []string{"hc-test"})
		return code, stderr.String()
	}
	if code, text := run(func(std *IO) error {
		_, err := io.WriteString(std.Out, "x")
		return fmt.Errorf("writing: %w", err)
	}); code != 141 || text != "" {
		t.Errorf("broken output: exit %d, stderr %q, want 141 and silence", code, text)
	}
	if code, text := run(func(std *IO) error {
		return fmt.Errorf("sending: %w", syscall.EPIPE)
	}); code == 141 || text == "" {
		t.Errorf("a socket's broken pipe: exit %d, stderr %q, want an error", code, text)
	}
	if code, _ := run(func(std *IO) error {
		_, _ = io.WriteString(std.Out, "x")
		return nil
	}); code != 0 {
		t.Errorf("broken output that the action takes for its end: exit %d, want 0", code)
	}
	signalled, cancel := context.WithCancelCause(ctx)
	cancel(&signalError{syscall.SIGTERM})
	ctx = signalled
	if code, text := run(func(std *IO) error {
		_, _ = io.WriteString(std.Out, "x")
		return fmt.Errorf("reading: %w", os.ErrClosed) // as reading ends where the reader of the output is gone
	}); code != 143 || text != "hc-test: ended by SIGTERM\n" {
		t.Errorf("a signal that ended the reader of the output, too: exit %d, stderr %q, want 143 and the signal", code, text)
	}
}

func TestRefuseTerminal(t *testing.T) {
	for _, test := range []struct{ terminal, force, ok bool }{
		{false, false, true}, {true, true, true}, {true, false, false},
	} {
		err := RefuseTerminal(&IO{OutTerminal: test.terminal}, test.force)
		if (err == nil) != test.ok || err != nil && !errors.Is(err, ErrUsage) {
			t.Errorf("RefuseTerminal(%v, %v) = %v", test.terminal, test.force, err)
		}
	}
}
