package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	urfave "github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"hc/lib/keyfile"
	"hc/lib/keys"
)

var (
	testSecret = keys.SecretFromSeed([32]byte{1, 2, 3})
	testKey    = keys.DefaultManifest(testSecret.Public()).Key()
	testSeed   = keys.Key(testSecret.Seed()).String()
	testText   = string(keyfile.New(testKey, testSecret).Encode())
)

// inherit returns the number of a descriptor that has text, as a shell would have opened it for us.
func inherit(t *testing.T, text string) int {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	w.Close()
	n, err := unix.Dup(int(r.Fd())) // without close-on-exec
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	return n
}

// private returns a folder that nobody else can write to, whatever the umask.
func private(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestSecret(t *testing.T) {
	dir := private(t)
	file := func(name, text string, mode fs.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := file("good", testText, 0o600)
	stock := file("stock", testSeed+testSecret.Public().String()+"\n", 0o600)
	open := file("open", testText, 0o644)
	for _, test := range []struct {
		name    string
		env     map[string]string
		args    []string
		want    string // the text of the key, empty: none
		wantErr error
		word    string // in the error
	}{
		{name: "none"},
		{name: "flag", args: []string{"--secret-key-file", good}, want: testText},
		{name: "as stock keeps it", args: []string{"--secret-key-file", stock}, want: "hc-secret 1 " + testSeed},
		{name: "file in the environment", env: map[string]string{"HC_SECRET_KEY_FILE": good}, want: testText},
		{name: "environment", env: map[string]string{"HC_SECRET_KEY": testText}, want: testText},
		{name: "environment, a seed", env: map[string]string{"HC_SECRET_KEY": testSeed}, want: "hc-secret 1 " + testSeed},
		{name: "a descriptor's path", args: []string{"--secret-key-file", fmt.Sprintf("/dev/fd/%d", inherit(t, testText))}, want: testText},
		{name: "a descriptor", args: []string{"--secret-key-fd", fmt.Sprint(inherit(t, testText))}, want: testText},
		{name: "a descriptor in the environment", env: map[string]string{"HC_SECRET_KEY_FILE": fmt.Sprintf("/dev/fd/%d", inherit(t, testText))}, want: testText},
		{name: "the flag wins", env: map[string]string{"HC_SECRET_KEY": "bad", "HC_SECRET_KEY_FILE": "bad"}, args: []string{"--secret-key-file", good}, want: testText},
		{name: "the descriptor wins", env: map[string]string{"HC_SECRET_KEY": "bad", "HC_SECRET_KEY_FILE": "bad"}, args: []string{"--secret-key-fd", fmt.Sprint(inherit(t, testText))}, want: testText},
		{name: "the file wins", env: map[string]string{"HC_SECRET_KEY": "bad", "HC_SECRET_KEY_FILE": good}, want: testText},
		{name: "both flags", args: []string{"--secret-key-file", good, "--secret-key-fd", "3"}, wantErr: ErrUsage},
		{name: "readable by others", args: []string{"--secret-key-file", open}, wantErr: keyfile.ErrNotPrivate, word: "chmod 600 " + open},
		{name: "readable by others, from the environment", env: map[string]string{"HC_SECRET_KEY_FILE": open}, wantErr: keyfile.ErrNotPrivate, word: "chmod 600 " + open},
		{name: "digits", args: []string{"--secret-key-file", file("digits", strings.Repeat("zz", 32), 0o600)}, wantErr: keyfile.ErrFormat, word: "--secret-key-file"},
		{name: "length", env: map[string]string{"HC_SECRET_KEY": testSeed[:63]}, wantErr: keyfile.ErrFormat, word: "$HC_SECRET_KEY"},
		{name: "halves", env: map[string]string{"HC_SECRET_KEY": testSeed + testSeed}, wantErr: keyfile.ErrFormat},
		{name: "far too much", args: []string{"--secret-key-fd", fmt.Sprint(inherit(t, strings.Repeat(testSeed, 100)))}, wantErr: keyfile.ErrFormat},
		{name: "no file", args: []string{"--secret-key-file", filepath.Join(dir, "none")}, wantErr: fs.ErrNotExist},
		{name: "itself", args: []string{"--secret-key-file", testSeed}, wantErr: ErrUsage, word: "put it into a file"},
		{name: "standard input", args: []string{"--secret-key-file", "-"}, wantErr: ErrUsage},
		{name: "standard input by its path", args: []string{"--secret-key-file", "/dev/stdin"}, wantErr: ErrUsage},
		{name: "standard input by its number", args: []string{"--secret-key-fd", "0"}, wantErr: ErrUsage},
		{name: "standard output", args: []string{"--secret-key-fd", "1"}, wantErr: ErrUsage},
		{name: "not open", args: []string{"--secret-key-fd", "987"}, wantErr: ErrUsage, word: "not open"},
		{name: "the passphrase's", args: []string{"--secret-key-fd", "9", "--passphrase-fd", "9"}, wantErr: ErrUsage},
	} {
		t.Run(test.name, func(t *testing.T) {
			x := tool{env: test.env, flags: SecretFlags()}
			var err error
			x.run(t.Context(), func(c *urfave.Context, std *IO) error {
				var got *keyfile.File
				if got, err = std.Secret(c); (got != nil) != (test.want != "") || got != nil && !strings.HasPrefix(string(got.Encode()), test.want) {
					t.Errorf("Secret() = %v, %v", got, err)
				}
				_, _ = io.WriteString(std.Out, "ran")
				return nil
			}, test.args...)
			if x.out.String() != "ran" || !errors.Is(err, test.wantErr) || err != nil && !strings.Contains(err.Error(), test.word) {
				t.Errorf("error %v, want %v with %q; %s", err, test.wantErr, test.word, x.err.String())
			}
			if err != nil && (strings.Contains(err.Error(), testSeed[:8]) || strings.Contains(err.Error(), "zz")) {
				t.Errorf("the error has the key: %v", err)
			}
			if x.err.Len() > 0 {
				t.Errorf("stderr %q", x.err.String())
			}
		})
	}
}

// What the runtime has opened is not ours to read.
func TestOwnDescriptorIsNotInherited(t *testing.T) {
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := (&IO{}).openDescriptor(t.Context(), int(f.Fd())); !errors.Is(err, ErrUsage) {
		t.Errorf("openDescriptor of our own = %v", err)
	}
}

// A child would inherit the secret key, so it is taken away at once; not from hc, which hands it to its verb.
func TestSecretLeavesTheEnvironment(t *testing.T) {
	for _, verbs := range []bool{false, true} {
		unset, seen := "", ""
		std := &IO{
			In: strings.NewReader(""), Out: io.Discard, Err: io.Discard,
			Env:   func(name string) string { return map[string]string{"HC_SECRET_KEY": testText}[name] },
			Unset: func(name string) { unset += name },
		}
		code := Run(t.Context(), func(std *IO) *urfave.App {
			return &urfave.App{Name: "hc-test", Metadata: Manual{FlagsFirst: verbs}.Metadata(), Action: func(*urfave.Context) error {
				seen = unset
				return nil
			}}
		}, std, []string{"hc-test"})
		want := "HC_SECRET_KEY"
		if verbs {
			want = ""
		}
		if code != 0 || seen != want {
			t.Errorf("exit %d, removed %q from the environment, want %q", code, seen, want)
		}
	}
}

func TestPassphrases(t *testing.T) {
	long := strings.Repeat("p", keyfile.MaxPassphrase)
	for _, test := range []struct {
		name, text string
		want       []string // what one after the other gives
		wantErr    error    // of the one behind them
	}{
		{"a line", "one\n", []string{"one"}, ErrKey},
		{"no LF", "one", []string{"one"}, ErrKey},
		{"CR LF", "one\r\ntwo\r\n", []string{"one", "two"}, ErrKey},
		{"spaces count", " one \n\n", []string{" one ", ""}, ErrKey},
		{"nothing", "", nil, ErrKey},
		{"the longest", long + "\n", []string{long}, ErrKey},
		{"more than that", long + long, []string{long + "p", long[1:]}, ErrKey},
	} {
		t.Run(test.name, func(t *testing.T) {
			x := tool{flags: []urfave.Flag{PassphraseFlag()}}
			ran := false
			x.run(t.Context(), func(c *urfave.Context, std *IO) error {
				ran = true
				p, err := std.Passphrases(c, true)
				if err != nil {
					t.Fatal(err)
				}
				for i, want := range test.want {
					get := p.Current
					if i > 0 {
						get = p.New
					}
					if got, err := get(c.Context, testKey); got != want || err != nil {
						t.Errorf("passphrase %d = %q, %v, want %q", i, got, err, want)
					}
				}
				if got, err := p.Current(c.Context, testKey); !errors.Is(err, test.wantErr) {
					t.Errorf("then %q, %v, want %v", got, err, test.wantErr)
				}
				return nil
			}, "--passphrase-fd", fmt.Sprint(inherit(t, test.text)))
			if !ran {
				t.Error(x.err.String())
			}
		})
	}
}

func TestPassphrasesRefuse(t *testing.T) {
	x := tool{flags: []urfave.Flag{PassphraseFlag()}}
	code := x.run(t.Context(), func(c *urfave.Context, std *IO) error {
		p, err := std.Passphrases(c, true)
		if err != nil {
			return err
		}
		_, err = p.Current(c.Context, testKey)
		return err
	})
	if want := "hc-test: the secret key is locked, and there is no terminal to ask for its passphrase: give it with --passphrase-fd\n"; code != ExitKey || x.err.String() != want {
		t.Errorf("without a terminal: exit %d, %q", code, x.err.String())
	}
	for _, fd := range []string{"0", "-1"} {
		code := x.run(t.Context(), func(c *urfave.Context, std *IO) error {
			_, err := std.Passphrases(c, true)
			return err
		}, "--passphrase-fd="+fd)
		if code != ExitUsage {
			t.Errorf("descriptor %s: exit %d", fd, code)
		}
	}
	x.run(t.Context(), func(c *urfave.Context, std *IO) error {
		std.In = strings.NewReader("from standard input\n")
		p, err := std.Passphrases(c, false)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := p.Current(c.Context, testKey); got != "from standard input" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		return nil
	}, "--passphrase-fd=0")
}

// A descriptor that nobody writes to is waited for no longer than the context lasts.
func TestPassphraseIsInterrupted(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	n, err := unix.Dup(int(r.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	ctx, cancel := context.WithCancel(t.Context())
	p := &Passphrases{std: &IO{}, fd: n}
	done := make(chan error)
	go func() {
		_, err := p.Current(ctx, testKey)
		done <- err
	}()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Current = %v", err)
	}
}
