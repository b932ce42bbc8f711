package cli

import (
	"os/exec"
	"strings"
	"testing"

	urfave "github.com/urfave/cli/v2"
)

func manualPage() *page {
	return pageOf(&urfave.App{
		Name: "hc-test", Usage: "test what's made", ArgsUsage: "[NAME|KEY]",
		Description: "One paragraph, on\ntwo lines.\n\n    .a literal line\n      and -- another\n\n'Quoted' and \\escaped.",
		Flags: []urfave.Flag{
			StoreFlag(), quietFlag(),
			&urfave.StringFlag{Name: "algorithm", Usage: "cut by `NAME`: it's [one]", Value: "rabin"},
			&urfave.StringSliceFlag{Name: "peer", Usage: "ask `ADDR`"},
			&urfave.BoolFlag{Name: "secret", Hidden: true},
		},
		Metadata: Manual{
			Examples:  []Example{{"do it", "hc-test 'a b' | cat"}},
			SeeAlso:   []string{"hc(1)", "hc-append(1)"},
			Choices:   map[string][]string{"algorithm": {"rabin", "lines"}},
			Arguments: CoreArguments,
		}.Metadata(),
	})
}

func TestMan(t *testing.T) {
	got := manualPage().man()
	for _, want := range []string{
		".TH HC\\-TEST 1 \"\" \"hc\" \"hc manual\"\n",
		".SH NAME\nhc\\-test \\- test what\\(aqs made\n",
		"One paragraph, on two lines.\n.PP\n.RS 4\n.nf\n\\&.a literal line\n  and \\-\\- another\n.fi\n.RE\n.PP\n\\(aqQuoted\\(aq and \\eescaped.\n",
		".TP\n\\fB\\-C\\fR, \\fB\\-\\-dir\\fR \\fIDIR\\fR\n",
		"(default rabin)\n",
		".TP\ndo it:\n.nf\nhc\\-test \\(aqa b\\(aq | cat\n.fi\n",
		".TP\n.B 4\nverification failed",
		".SH SEE ALSO\n.BR hc (1),\n.BR hc\\-append (1)\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the page lacks %q:\n%s", want, got)
		}
	}
	if strings.Contains(got, "secret") {
		t.Error("a hidden flag is shown")
	}
}

// TestManFormats has groff look for mistakes, where there is one.
func TestManFormats(t *testing.T) {
	groff, err := exec.LookPath("groff")
	if err != nil {
		t.Skip("no groff")
	}
	cmd := exec.Command(groff, "-man", "-Tascii", "-ww", "-z")
	cmd.Stdin = strings.NewReader(manualPage().man())
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("groff: %v\n%s", err, out)
	}
}

// TestBashCompletes presses the key: it loads the script into a bash and asks for the words.
func TestBashCompletes(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash")
	}
	script := manualPage().bash()
	for _, test := range []struct{ words, want string }{
		{"hc-test --al", "--algorithm"},
		{"hc-test --algorithm r", "rabin"},
		{"hc-test --algorithm = l", "lines"},
		{"hc-test --algorithm =", "rabin lines"},
		{"hc-test ta", "table"},
		{"hc-test -C else ''", "other"},
		{"hc-test -C ''", ""},
		{"hc-test --sec", ""},
	} {
		run := `mkdir -p .hc/names else/names; > .hc/names/table; > else/names/other
COMP_WORDS=(` + test.words + `); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _hc_test 2> /dev/null; echo "${COMPREPLY[*]}"`
		cmd := exec.Command(bash, "-c", script+"\n"+run)
		cmd.Dir = t.TempDir()
		out, err := cmd.CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != test.want {
			t.Errorf("%s<TAB> gives %q, %v, want %q", test.words, got, err, test.want)
		}
	}
}

func TestZshAndFish(t *testing.T) {
	zsh, fish := manualPage().zsh(), manualPage().fish()
	for _, want := range []string{
		"#compdef hc-test\n", "'(-C --dir)'{-C+,--dir=}'[", `'--algorithm=[cut by NAME\: it'\''s \[one\]]:NAME:(rabin lines)'`,
		"'*--peer=[ask ADDR]:ADDR: '", "'*:core:_hc_cores'",
	} {
		if !strings.Contains(zsh, want) {
			t.Errorf("the zsh completion lacks %q:\n%s", want, zsh)
		}
	}
	for _, want := range []string{
		"complete -c hc-test -l algorithm -x -a 'rabin lines' -d 'cut by NAME: it\\'s [one]'\n",
		"complete -c hc-test -s C -l dir -r -F -d ",
	} {
		if !strings.Contains(fish, want) {
			t.Errorf("the fish completion lacks %q:\n%s", want, fish)
		}
	}
	for shell, text := range map[string]string{"zsh": zsh, "fish": fish} {
		path, err := exec.LookPath(shell)
		if err != nil {
			continue
		}
		cmd := exec.Command(path, "-n")
		cmd.Stdin = strings.NewReader(text)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s -n: %v\n%s", shell, err, out)
		}
	}
}
