package cli

import (
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	urfave "github.com/urfave/cli/v2"
)

func TestSecret(t *testing.T) {
	seed := [32]byte{1, 2, 3}
	short := hex.EncodeToString(seed[:])
	long := hex.EncodeToString(ed25519.NewKeyFromSeed(seed[:]))
	dir := t.TempDir()
	file := func(name, text string, mode fs.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := file("good", long+"\n", 0o600)
	for _, test := range []struct {
		name      string
		env       map[string]string
		args      []string
		want      bool // the seed
		wantErr   error
		wantWords string // on standard error
	}{
		{name: "none"},
		{name: "flag", args: []string{"--secret-key-file", good}, want: true},
		{name: "file in the environment", env: map[string]string{"HC_SECRET_KEY_FILE": good}, want: true},
		{name: "environment", env: map[string]string{"HC_SECRET_KEY": short}, want: true},
		{name: "flag wins", env: map[string]string{"HC_SECRET_KEY": "bad"}, args: []string{"--secret-key-file", good}, want: true},
		{name: "readable by others", args: []string{"--secret-key-file", file("open", short, 0o644)}, want: true, wantWords: "others may read the secret key"},
		{name: "digits", args: []string{"--secret-key-file", file("digits", strings.Repeat("zz", 32), 0o600)}, wantErr: ErrKey},
		{name: "length", env: map[string]string{"HC_SECRET_KEY": short[:63]}, wantErr: ErrKey},
		{name: "halves", env: map[string]string{"HC_SECRET_KEY": short + short}, wantErr: ErrKey},
		{name: "no file", args: []string{"--secret-key-file", filepath.Join(dir, "none")}, wantErr: fs.ErrNotExist},
		{name: "standard input", args: []string{"--secret-key-file", "-"}, wantErr: ErrUsage},
	} {
		t.Run(test.name, func(t *testing.T) {
			x := tool{env: test.env, flags: []urfave.Flag{SecretFlag()}}
			var err error
			x.run(t.Context(), func(c *urfave.Context, std *IO) error {
				unset := ""
				std.Unset = func(name string) { unset = name }
				var got *[32]byte
				got, err = std.Secret(c)
				if (got != nil) != test.want || got != nil && *got != seed {
					t.Errorf("Secret() = %v, %v", got, err)
				}
				if test.env["HC_SECRET_KEY"] != "" && unset != "HC_SECRET_KEY" {
					t.Error("the key stays in the environment")
				}
				_, _ = io.WriteString(std.Out, "ran")
				return nil
			}, test.args...)
			if x.out.String() != "ran" || !errors.Is(err, test.wantErr) {
				t.Errorf("error %v, want %v; %s", err, test.wantErr, x.err.String())
			}
			if err != nil && (strings.Contains(err.Error(), short[:8]) || strings.Contains(err.Error(), "zz")) {
				t.Errorf("the error has the key: %v", err)
			}
			if !strings.Contains(x.err.String(), test.wantWords) || test.wantWords == "" && x.err.Len() > 0 {
				t.Errorf("stderr %q, want %q", x.err.String(), test.wantWords)
			}
		})
	}
}
