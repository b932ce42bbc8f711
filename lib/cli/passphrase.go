package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	urfave "github.com/urfave/cli/v2"
	"golang.org/x/term"

	"hc/lib/keyfile"
	"hc/lib/keys"
)

// PassphraseFlag is --passphrase-fd N; read it with [IO.Passphrases].
func PassphraseFlag() urfave.Flag {
	return &urfave.IntFlag{Name: "passphrase-fd", Usage: "read the passphrase of a locked secret key from the open descriptor `N`, one line, instead of asking on the terminal"}
}

// Passphrases is where passphrases come from: the lines of --passphrase-fd, one each, or else the user at the terminal.
// Not for concurrent use.
type Passphrases struct {
	std    *IO
	fd     int // -1: the terminal
	opened io.Reader
}

// Passphrases returns them. inputIsData says that standard input is taken, so that they cannot come from there.
func (std *IO) Passphrases(c *urfave.Context, inputIsData bool) (*Passphrases, error) {
	p := &Passphrases{std: std, fd: -1}
	if !c.IsSet("passphrase-fd") {
		return p, nil
	}
	p.fd = c.Int("passphrase-fd")
	if p.fd == 0 && inputIsData {
		return nil, Usagef("--passphrase-fd 0: standard input carries data: use another descriptor, as in --passphrase-fd 3 3< FILE")
	}
	if p.fd < 0 {
		return nil, Usagef("--passphrase-fd %d is not a descriptor", p.fd)
	}
	return p, nil
}

// Current returns the passphrase that the secret key of core key is locked with.
func (p *Passphrases) Current(ctx context.Context, key keys.Key) (string, error) {
	if p.fd >= 0 {
		return p.line(ctx)
	}
	return p.std.ask(ctx, fmt.Sprintf("passphrase of the secret key of core %v: ", key))
}

// New returns one to lock the secret key of core key with. On a terminal it is asked for twice.
func (p *Passphrases) New(ctx context.Context, key keys.Key) (string, error) {
	if p.fd >= 0 {
		return p.line(ctx)
	}
	first, err := p.std.ask(ctx, fmt.Sprintf("new passphrase for the secret key of core %v: ", key))
	if err != nil {
		return "", err
	}
	if err := keyfile.CheckPassphrase(first); err != nil {
		return "", err
	}
	again, err := p.std.ask(ctx, "the same again: ")
	if err != nil {
		return "", err
	}
	if first != again {
		return "", fmt.Errorf("%w: the two are not the same", keyfile.ErrPassphrase)
	}
	return first, nil
}

// line reads one line, and nothing after it: the next passphrase may come later.
func (p *Passphrases) line(ctx context.Context) (string, error) {
	if p.opened == nil {
		in, err := p.std.openDescriptor(ctx, p.fd)
		if err != nil {
			return "", fmt.Errorf("--passphrase-fd: %w", err)
		}
		p.opened = in
	}
	var line []byte
	for b := make([]byte, 1); len(line) <= keyfile.MaxPassphrase; {
		n, err := p.opened.Read(b)
		if n > 0 && b[0] == '\n' {
			break
		}
		line = append(line, b[:n]...)
		if errors.Is(err, io.EOF) && len(line) > 0 {
			break
		}
		if err != nil {
			return "", fmt.Errorf("reading a passphrase from descriptor %d: %w", p.fd, noEOF(err))
		}
	}
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	return string(line), nil
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return Exitf(ErrKey, "there is none")
	}
	return err
}

// ask asks on the terminal, wherever standard input and output go, and does not show the answer.
func (std *IO) ask(ctx context.Context, prompt string) (string, error) {
	if std.terminal == nil {
		return "", errNobody
	}
	tty, err := std.terminal()
	if err != nil {
		return "", errNobody
	}
	defer tty.Close()
	if s, ok := std.Err.(*screen); ok {
		defer s.hold()()
	}
	fmt.Fprintf(tty, "%s: %s", std.Name, prompt)
	answer, err := readUnseen(ctx, tty)
	fmt.Fprintln(tty)
	if err != nil {
		return "", fmt.Errorf("asking for a passphrase: %w", err)
	}
	return answer, nil
}

var errNobody error = Hint(Exitf(keyfile.ErrLocked, "the secret key is locked, and there is no terminal to ask for its passphrase"), "give it with --passphrase-fd")

// readUnseen reads a line from a terminal that does not show it.
func readUnseen(ctx context.Context, tty *os.File) (string, error) {
	fd := int(tty.Fd())
	shown, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	type answer struct {
		text []byte
		err  error
	}
	came := make(chan answer, 1)
	go func() { // waits in the kernel, and ends with the process, if nobody answers
		text, err := term.ReadPassword(fd)
		came <- answer{text, err}
	}()
	select {
	case a := <-came:
		return string(a.text), a.err
	case <-ctx.Done():
		_ = term.Restore(fd, shown) // a terminal that shows nothing would outlive us
		return "", context.Cause(ctx)
	}
}
