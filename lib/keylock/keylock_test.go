package keylock

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"hc/lib/keyfile"
	"hc/lib/keys"
)

const passphrase = "correct horse battery staple" // of keyfile's FORMAT.md and testdata/locked

var (
	seed    = [32]byte(bytes.Repeat([]byte{1}, 32))
	secret  = keys.SecretFromSeed(seed)
	key     = keys.DefaultManifest(secret.Public()).Key()
	seedHex = keys.Key(seed).String()
)

func sample(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../keyfile/testdata/locked", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestLock(t *testing.T) {
	const work = 4
	for _, pass := range []string{"x", passphrase, " spaces ", "ünïcode", strings.Repeat("p", keyfile.MaxPassphrase)} {
		locked, err := lock(key, secret, pass, work)
		if err != nil {
			t.Fatalf("lock with %q: %v", pass, err)
		}
		text := locked.Encode()
		if bytes.Contains(text, []byte(seedHex)) || len(text) > keyfile.MaxSize {
			t.Errorf("locked: %s", text)
		}
		again, err := keyfile.Decode(text)
		if err != nil || !again.Locked() {
			t.Fatalf("Decode = %v, %v", again, err)
		}
		if _, err := again.Secret(); !errors.Is(err, keyfile.ErrLocked) {
			t.Errorf("Secret of a locked file = %v", err)
		}
		plain, err := unlock(again, pass, work)
		if err != nil || plain.Locked() || !bytes.Equal(plain.Encode(), keyfile.New(key, secret).Encode()) {
			t.Errorf("unlocked with %q: %v", pass, err)
		}
		for _, wrong := range []string{pass + "x", "", "a\nb", strings.Repeat("p", keyfile.MaxPassphrase+1)} {
			if _, err := unlock(again, wrong, work); !errors.Is(err, keyfile.ErrPassphrase) || errors.Is(err, keyfile.ErrFormat) {
				t.Errorf("unlock with %q = %v", wrong, err)
			}
		}
	}
	for _, pass := range []string{"", "a\nb", strings.Repeat("p", keyfile.MaxPassphrase+1)} {
		if _, err := Lock(key, secret, pass); !errors.Is(err, keyfile.ErrPassphrase) {
			t.Errorf("Lock with %q = %v", pass, err)
		}
	}
}

func TestLockIsNeverTheSame(t *testing.T) {
	one, err := lock(key, secret, passphrase, 2)
	if err != nil {
		t.Fatal(err)
	}
	two, err := lock(key, secret, passphrase, 2)
	if err != nil || bytes.Equal(one.Encode(), two.Encode()) {
		t.Errorf("the same text twice, %v", err)
	}
}

// The locked example in keyfile's FORMAT.md opens with its passphrase, and has the seed given there.
func TestFormat(t *testing.T) {
	text, err := os.ReadFile("../keyfile/FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile(`(?m)(^    .*\n)+`).FindAll(text, -1)
	if len(examples) != 2 {
		t.Fatalf("FORMAT.md has %d examples, want 2", len(examples))
	}
	locked, err := keyfile.Decode(regexp.MustCompile(`(?m)^    `).ReplaceAll(examples[1], nil))
	if err != nil || !locked.Locked() {
		t.Fatalf("Decode = %v, %v", locked, err)
	}
	opened, err := Unlock(locked, passphrase)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := opened.Secret(); err != nil || got.Seed() != seed {
		t.Errorf("Secret() = another one, %v", err)
	}
}

// Files that others made are opened, or refused with the reason.
func TestUnlockSamples(t *testing.T) {
	for _, test := range []struct {
		name string
		want error
		word string
	}{
		{"good", nil, ""},
		{"otherkey", keyfile.ErrFormat, "another core"},
		{"noise", keyfile.ErrFormat, "opens is not one"},
		{"version1", keyfile.ErrFormat, "another core"},
		{"xrecipient", keyfile.ErrFormat, "not passphrase-encrypted"},
		{"work19", keyfile.ErrFormat, "work factor too large"},
	} {
		f, err := keyfile.Decode(sample(t, test.name))
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		start := time.Now()
		plain, err := Unlock(f, passphrase)
		if !errors.Is(err, test.want) || errors.Is(err, keyfile.ErrPassphrase) || err != nil && !strings.Contains(err.Error(), test.word) {
			t.Errorf("%s: Unlock = %v, want %v with %q", test.name, err, test.want, test.word)
		}
		if err != nil && strings.Contains(err.Error(), seedHex[:8]) {
			t.Errorf("%s: the error has the secret in it: %v", test.name, err)
		}
		if err == nil {
			if s, err := plain.Secret(); err != nil || s.Seed() != seed {
				t.Errorf("%s: another secret, %v", test.name, err)
			}
		}
		t.Logf("%s: %v", test.name, time.Since(start))
	}
	f, err := keyfile.Decode(sample(t, "good"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := unlock(f, passphrase, 9); !errors.Is(err, keyfile.ErrFormat) {
		t.Errorf("with a work factor of 10 where 9 is the most: %v", err)
	}
}

func TestWith(t *testing.T) {
	locked, err := lock(key, secret, passphrase, 2)
	if err != nil {
		t.Fatal(err)
	}
	asked := keys.Key{}
	opened, err := With(func(_ context.Context, of keys.Key) (string, error) {
		asked = of
		return passphrase, nil
	})(t.Context(), locked)
	if err != nil || asked != key || opened.Locked() {
		t.Errorf("opened %v, %v, with the passphrase of %v", opened, err, asked)
	}
	nobody := errors.New("nobody is there")
	if _, err := With(func(context.Context, keys.Key) (string, error) { return "", nobody })(t.Context(), locked); !errors.Is(err, nobody) {
		t.Errorf("without an answer: %v", err)
	}
}

func FuzzUnlock(f *testing.F) {
	for _, name := range []string{"good", "otherkey", "noise", "version1", "xrecipient", "work19"} {
		_, armored, _ := bytes.Cut(sample(f, name), []byte("\n"))
		f.Add(string(armored))
	}
	f.Fuzz(func(t *testing.T, armored string) {
		locked, err := keyfile.NewLocked(key, armored)
		if err != nil {
			return
		}
		unlocked, err := unlock(locked, passphrase, 10) // no more work than that
		if of, _ := unlocked.Key(); err == nil && (unlocked.Locked() || of != key) {
			t.Errorf("unlock = %v", unlocked)
		}
	})
}
