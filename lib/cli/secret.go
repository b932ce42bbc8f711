package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"hc/lib/keyfile"
)

// Secrets come in here and nowhere else: from a file, a descriptor, the environment or a terminal, and never from a command
// line, which everybody can see. No error contains a part of one.

const secretVariable = "HC_SECRET_KEY"

// SecretFlags are --secret-key-file FILE, --secret-key-fd N and --passphrase-fd N, for a tool whose standard input is
// data; read them with [IO.Secret] and [IO.Passphrases].
func SecretFlags() []urfave.Flag {
	return []urfave.Flag{
		&urfave.StringFlag{Name: "secret-key-file", TakesFile: true, Usage: "read the secret key from `FILE`, as 'hc keys export' writes it"},
		&urfave.IntFlag{Name: "secret-key-fd", Usage: "read the secret key from the open descriptor `N`"},
		PassphraseFlag(),
	}
}

// Secret returns a secret key that comes from outside the store, nil if there is none: from --secret-key-file, or
// --secret-key-fd, else from the file $HC_SECRET_KEY_FILE, else from $HC_SECRET_KEY. It may be locked. The error is
// keyfile.ErrFormat if it is not a secret key, and keyfile.ErrNotPrivate, with the command that fixes it, if others can access
// the file.
func (std *IO) Secret(c *urfave.Context) (*keyfile.File, error) {
	name, source := c.String("secret-key-file"), "--secret-key-file"
	switch {
	case c.IsSet("secret-key-fd") && name != "":
		return nil, Usagef("--secret-key-file and --secret-key-fd cannot be used together")
	case c.IsSet("secret-key-fd"):
		name, source = fmt.Sprintf("%s%d", descriptors[0], c.Int("secret-key-fd")), "--secret-key-fd"
	case name == "":
		name, source = std.Getenv("HC_SECRET_KEY_FILE"), "$HC_SECRET_KEY_FILE"
	}
	if name == "" {
		return std.secretOfEnvironment()
	}
	n, isDescriptor := descriptorOf(name)
	if name == "-" || isDescriptor && n == 0 {
		return nil, Usagef("%s: standard input carries data: name a file, or another descriptor (--secret-key-fd 3)", source)
	}
	if isDescriptor && c.IsSet("passphrase-fd") && n == c.Int("passphrase-fd") {
		return nil, Usagef("%s: the passphrase comes from descriptor %d, too", source, n)
	}
	file, err := std.ReadSecret(c.Context, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, Exitf(ErrKey, "reading the secret key: %s: %w", source, err)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the secret key: %s: %w", source, err)
	}
	return &file, nil
}

func (std *IO) secretOfEnvironment() (*keyfile.File, error) {
	text := std.secretText
	if text == "" {
		return nil, nil
	}
	file, err := keyfile.Parse([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("reading the secret key: $%s: %w", secretVariable, err)
	}
	return &file, nil
}

// hideSecret takes the secret key out of the environment, so that no child of this process inherits it.
func (std *IO) hideSecret() {
	if text := std.Getenv(secretVariable); text != "" {
		std.secretText = text
		if std.Unset != nil {
			std.Unset(secretVariable)
		}
	}
}

// ReadSecret reads a secret key from a file that must be private, from a descriptor (/dev/fd/3) that was opened for this
// process, or from standard input (-).
func (std *IO) ReadSecret(ctx context.Context, name string) (keyfile.File, error) {
	in, what, err := std.openSecret(ctx, name)
	if err != nil {
		return keyfile.File{}, err
	}
	defer in.Close()
	text, err := io.ReadAll(io.LimitReader(in, keyfile.MaxSize+1))
	if err != nil {
		return keyfile.File{}, err
	}
	file, err := keyfile.Parse(text)
	if err != nil {
		return keyfile.File{}, fmt.Errorf("%s: %w", what, err)
	}
	return file, nil
}

func (std *IO) openSecret(ctx context.Context, name string) (in io.ReadCloser, what string, err error) {
	if name == "-" {
		return io.NopCloser(std.In), "standard input", nil
	}
	if n, ok := descriptorOf(name); ok {
		in, err := std.openDescriptor(ctx, n)
		return in, fmt.Sprintf("descriptor %d", n), err
	}
	if _, err := keyfile.Parse([]byte(name)); err == nil { // an error would show it once more
		return nil, "", Usagef("this looks like a key, not a file's name, and a secret key on a command line is no secret: put it into a file")
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, "", err
	}
	info, err := f.Stat()
	if err == nil {
		err = keyfile.CheckPrivate(name, info)
	}
	if err != nil {
		return nil, "", errors.Join(err, f.Close())
	}
	return f, strconv.Quote(name), nil
}

// descriptors are folders whose files are this process's open descriptors.
var descriptors = []string{"/dev/fd/", "/proc/self/fd/"}

// descriptorOf returns the number of the descriptor that a path stands for.
func descriptorOf(path string) (n int, ok bool) {
	if path == "/dev/stdin" {
		return 0, true
	}
	for _, folder := range descriptors {
		if digits, found := strings.CutPrefix(path, folder); found {
			n, err := strconv.Atoi(digits)
			return n, err == nil
		}
	}
	return 0, false
}

// openDescriptor returns what was opened for this process under that number; a read of it ends when ctx does.
func (std *IO) openDescriptor(ctx context.Context, n int) (io.ReadCloser, error) {
	if n == 0 {
		return io.NopCloser(std.In), nil
	}
	if n < 3 {
		return nil, Usagef("descriptor %d is for output, or not one: use 3 or higher", n)
	}
	if !inherited(n) {
		return nil, Usagef("descriptor %d is not open: open it in the shell, as in %d< FILE", n, n)
	}
	f := os.NewFile(uintptr(n), fmt.Sprintf("descriptor %d", n))
	return descriptorReader{interruptible(ctx, f), f}, nil
}

// descriptorReader closes the descriptor, too, so that no child gets it.
type descriptorReader struct {
	io.ReadCloser
	f *os.File
}

func (r descriptorReader) Close() error { return errors.Join(r.ReadCloser.Close(), r.f.Close()) }

// WarnOfReaders warns if standard output goes to a file that others can read, as a shell creates it by default: a secret is
// about to be written there.
func (std *IO) WarnOfReaders() {
	if std.outFile == nil {
		return
	}
	if info, err := std.outFile.Stat(); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		std.Warnf("others can read the file that standard output goes to (mode %04o): chmod 600 it, or use --out FILE", info.Mode().Perm())
	}
}
