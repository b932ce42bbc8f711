package cli

import (
	"bytes"
	"context"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	urfave "github.com/urfave/cli/v2"
)

// outer is an app hc with the verbs greet and fail, which it runs as hc does.
func outer(std *IO) *urfave.App {
	verbs := Verbs{greet, fail}
	return &urfave.App{
		Name: "hc", Usage: "test verbs", Flags: []urfave.Flag{StoreFlag()},
		Metadata: Manual{Arguments: VerbArguments, FlagsFirst: true, Verbs: verbs}.Metadata(),
		Action: func(c *urfave.Context) error {
			return RunVerb(c.Context, verbs.Find(c.Args().First()), std, c.Args().Tail())
		},
	}
}

func greet(std *IO) *urfave.App {
	return &urfave.App{
		Name: "hc-greet", Usage: "say a word", ArgsUsage: "[WORD]",
		Flags:    []urfave.Flag{JSONFlag(), &urfave.StringFlag{Name: "tone", Usage: "in that `TONE`"}},
		Metadata: Manual{Choices: map[string][]string{"tone": {"high", "low"}}}.Metadata(),
		Action: func(c *urfave.Context) error {
			std.Warnf("%s %v", c.String("tone"), c.Args().Slice())
			_, err := std.Out.Write([]byte("hello\n"))
			return err
		},
	}
}

func fail(*IO) *urfave.App {
	return &urfave.App{
		Name: "hc-fail", Usage: "fail", Flags: []urfave.Flag{JSONFlag()},
		Action: func(c *urfave.Context) error {
			if c.Args().First() == "interrupted" {
				<-c.Context.Done()
				return c.Context.Err()
			}
			return Hint(Exitf(ErrConflict, "no luck"), "try again")
		},
	}
}

func TestVerbs(t *testing.T) {
	for _, test := range []struct {
		words        string
		code         int
		out, wantErr string
	}{
		{"greet you --tone low -- --json", 0, "hello\n", "hc greet: warning: low [you --json]\n"},
		{"fail", 7, "", "hc fail: no luck: try again\n"},
		{"fail --json", 7, "", `{"type":"error","tool":"hc fail","exit":7,"error":"no luck","hint":"try again"}` + "\n"},
		{"fail --nothing", 2, "", "hc fail: unknown flag --nothing: see 'hc fail --help'\n"},
		{"greet --tone", 2, "", "hc greet: --tone needs a value (TONE): see 'hc greet --help'\n"},
		{"--nothing", 2, "", "hc: unknown flag --nothing: see 'hc --help'\n"},
	} {
		t.Run(test.words, func(t *testing.T) {
			var out, words bytes.Buffer
			std := &IO{Out: &out, Err: &words}
			code := Run(t.Context(), outer, std, append([]string{"hc"}, strings.Fields(test.words)...))
			if code != test.code || out.String() != test.out || words.String() != test.wantErr {
				t.Errorf("exit %d, stdout %q, stderr %q, want %d, %q, %q",
					code, out.String(), words.String(), test.code, test.out, test.wantErr)
			}
		})
	}
}

func TestVerbHelp(t *testing.T) {
	for what, want := range map[string]string{
		"--help":    "hc greet: say a word\n\nusage: hc greet [FLAG...] [WORD]\n",
		"--version": "hc greet " + Version(),
	} {
		var out bytes.Buffer
		if code := Run(t.Context(), outer, &IO{Out: &out, Err: &out}, []string{"hc", "greet", what}); code != 0 ||
			!strings.HasPrefix(out.String(), want) {
			t.Errorf("hc greet %s: exit %d, %s", what, code, out.String())
		}
	}
}

func TestVerbSignalled(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(&signalError{syscall.SIGTERM})
	var words bytes.Buffer
	code := Run(ctx, outer, &IO{Out: &words, Err: &words}, []string{"hc", "fail", "interrupted"})
	if code != 143 || words.String() != "hc fail: ended by SIGTERM\n" {
		t.Errorf("exit %d, %q", code, words.String())
	}
}

func TestVerbBrokenOutput(t *testing.T) {
	var words bytes.Buffer
	code := Run(t.Context(), outer, &IO{Out: brokenPipe{}, Err: &words}, []string{"hc", "greet", "-q"})
	if code != 141 || words.String() != "hc greet: warning: []\n" {
		t.Errorf("exit %d, %q, want 141 and no error", code, words.String())
	}
}

func TestVerbPages(t *testing.T) {
	generated := func(args ...string) string {
		var out bytes.Buffer
		if code := Run(t.Context(), outer, &IO{Out: &out, Err: &out}, append([]string{"hc"}, args...)); code != 0 {
			t.Fatalf("%v: exit %d, %s", args, code, out.String())
		}
		return out.String()
	}
	if got := generated(generateFlag, "verbs"); got != "fail\ngreet\n" {
		t.Errorf("verbs: %q", got)
	}
	for _, test := range []struct{ page, want string }{
		{generated(generateFlag, "man"), ".TP\n.BR hc\\-greet (1)\nsay a word\n"},
		{generated("greet", generateFlag, "man"), ".SH NAME\nhc\\-greet \\- say a word\n.SH SYNOPSIS\n.B hc greet\n"},
		{generated(generateFlag, "zsh"), "verbs=(help version fail greet $"},
		{generated(generateFlag, "fish"), "complete -c hc -n '__fish_seen_subcommand_from greet' -l tone -x -a 'high low' -d 'in that TONE'\n"},
	} {
		if !strings.Contains(test.page, test.want) {
			t.Errorf("no %q in:\n%s", test.want, test.page)
		}
	}
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash")
	}
	scripts := generated(generateFlag, "bash") + generated("greet", generateFlag, "bash")
	for words, want := range map[string]string{
		"hc gree":                "greet",
		"hc -C x help gre":       "greet",
		"hc greet --to":          "--tone",
		"hc -C x greet --tone h": "high",
	} {
		run := `COMP_WORDS=(` + words + `); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _hc 2> /dev/null; echo "${COMPREPLY[*]}"`
		cmd := exec.Command(bash, "-c", scripts+"\n"+run)
		out, err := cmd.CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != want {
			t.Errorf("%s<TAB> gives %q, %v, want %q", words, got, err, want)
		}
	}
}
