package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"hc/lib/keyfile"
)

// newTerminal returns both ends of a pseudo-terminal, of which opening gives the one where programs are.
func newTerminal(t *testing.T) (person *os.File, opening func() (*os.File, error)) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no pseudo-terminals here: ", err)
	}
	t.Cleanup(func() { person.Close() })
	if err := unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	return person, func() (*os.File, error) {
		return os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	}
}

// untilPrompt reads what the terminal shows up to a colon and a space, and then waits until it shows nothing more that
// is typed.
func untilPrompt(t *testing.T, person *os.File) string {
	t.Helper()
	shown := ""
	for b := make([]byte, 1); !strings.HasSuffix(shown, "key of core "+testKey.String()+": ") && !strings.HasSuffix(shown, "the same again: "); {
		if _, err := person.Read(b); err != nil {
			t.Error(err)
			return shown
		}
		shown += string(b)
	}
	for echoes(t, person) {
	}
	return shown
}

func echoes(t *testing.T, terminal *os.File) bool {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
	if err != nil {
		t.Error(err)
		return false
	}
	return state.Lflag&unix.ECHO != 0
}

// What is typed is not shown, and no other word comes between.
func TestPassphraseOnATerminal(t *testing.T) {
	for _, test := range []struct {
		name    string
		typed   []string
		get     func(*Passphrases, context.Context) (string, error)
		want    string
		wantErr error
	}{
		{"current", []string{"geheim\n"}, func(p *Passphrases, ctx context.Context) (string, error) { return p.Current(ctx, testKey) }, "geheim", nil},
		{"new", []string{"geheim\n", "geheim\n"}, func(p *Passphrases, ctx context.Context) (string, error) { return p.New(ctx, testKey) }, "geheim", nil},
		{"not the same", []string{"geheim\n", "geheimnis\n"}, func(p *Passphrases, ctx context.Context) (string, error) { return p.New(ctx, testKey) }, "", keyfile.ErrPassphrase},
		{"empty", []string{"\n"}, func(p *Passphrases, ctx context.Context) (string, error) { return p.New(ctx, testKey) }, "", keyfile.ErrPassphrase},
	} {
		t.Run(test.name, func(t *testing.T) {
			person, opening := newTerminal(t)
			held, err := opening() // else the terminal hangs up between two questions
			if err != nil {
				t.Fatal(err)
			}
			defer held.Close()
			p := &Passphrases{std: &IO{Name: "hc-test", Err: newScreen(io.Discard), terminal: opening}, fd: -1}
			typing := make(chan string)
			go func() {
				shown := ""
				for _, line := range test.typed {
					shown += untilPrompt(t, person)
					if _, err := io.WriteString(person, line); err != nil {
						t.Error(err)
					}
				}
				typing <- shown
			}()
			got, err := test.get(p, t.Context())
			shown := <-typing
			if got != test.want || !errors.Is(err, test.wantErr) || (err == nil) != (test.wantErr == nil) {
				t.Errorf("%q, %v, want %q, %v", got, err, test.want, test.wantErr)
			}
			if strings.Contains(shown, "geheim") || !strings.HasPrefix(shown, "hc-test: ") {
				t.Errorf("the terminal shows %q", shown)
			}
			if !echoes(t, held) {
				t.Error("the terminal shows nothing from now on")
			}
		})
	}
}

// Who is asked may go away; the terminal is left as it was.
func TestPassphraseOnATerminalIsInterrupted(t *testing.T) {
	person, opening := newTerminal(t)
	held, err := opening()
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	ctx, cancel := context.WithCancel(t.Context())
	p := &Passphrases{std: &IO{Err: newScreen(io.Discard), terminal: opening}, fd: -1}
	go func() {
		untilPrompt(t, person)
		cancel()
	}()
	if _, err := p.Current(ctx, testKey); !errors.Is(err, context.Canceled) {
		t.Errorf("Current = %v", err)
	}
	if !echoes(t, held) {
		t.Error("the terminal shows nothing from now on")
	}
}
