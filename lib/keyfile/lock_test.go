package keyfile

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestLock(t *testing.T) {
	const work = 4
	for _, pass := range []string{"x", passphrase, " spaces ", "ünïcode", strings.Repeat("p", MaxPassphrase)} {
		locked, err := lock(key, secret, pass, work)
		if err != nil {
			t.Fatalf("lock with %q: %v", pass, err)
		}
		text := locked.Encode()
		if bytes.Contains(text, []byte(seedHex)) || len(text) > MaxSize {
			t.Errorf("locked: %s", text)
		}
		again, err := Decode(text)
		if err != nil || !again.Locked() {
			t.Fatalf("Decode = %v, %v", again, err)
		}
		if _, err := again.Secret(); !errors.Is(err, ErrLocked) {
			t.Errorf("Secret of a locked file = %v", err)
		}
		plain, err := again.unlock(pass, work)
		if err != nil || plain.Locked() || !bytes.Equal(plain.Encode(), New(key, secret).Encode()) {
			t.Errorf("unlocked with %q: %v", pass, err)
		}
		for _, wrong := range []string{pass + "x", "", "a\nb", strings.Repeat("p", MaxPassphrase+1)} {
			if _, err := again.unlock(wrong, work); !errors.Is(err, ErrPassphrase) || errors.Is(err, ErrFormat) {
				t.Errorf("unlock with %q = %v", wrong, err)
			}
		}
	}
	for _, pass := range []string{"", "a\nb", strings.Repeat("p", MaxPassphrase+1)} {
		if _, err := Lock(key, secret, pass); !errors.Is(err, ErrPassphrase) {
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

// What others made is opened, or refused with its reason.
func TestUnlockSamples(t *testing.T) {
	for _, test := range []struct {
		name string
		want error
		word string
	}{
		{"good", nil, ""},
		{"otherkey", ErrFormat, "another core"},
		{"noise", ErrFormat, "opens is none"},
		{"version1", ErrFormat, "another core"},
		{"xrecipient", ErrFormat, "not passphrase-encrypted"},
		{"work19", ErrFormat, "work factor too large"},
	} {
		f, err := Decode(sample(t, test.name))
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		start := time.Now()
		plain, err := f.Unlock(passphrase)
		if !errors.Is(err, test.want) || errors.Is(err, ErrPassphrase) || err != nil && !strings.Contains(err.Error(), test.word) {
			t.Errorf("%s: Unlock = %v, want %v with %q", test.name, err, test.want, test.word)
		}
		untold(t, test.name, err)
		if err == nil {
			if s, err := plain.Secret(); err != nil || s.Seed() != seed {
				t.Errorf("%s: another secret, %v", test.name, err)
			}
		}
		t.Logf("%s: %v", test.name, time.Since(start))
	}
	f, err := Decode(sample(t, "good"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.unlock(passphrase, 9); !errors.Is(err, ErrFormat) {
		t.Errorf("with a work factor of 10 where 9 is the most: %v", err)
	}
}
