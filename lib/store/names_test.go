package store

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hc/lib/keyfile"
	"hc/lib/keys"
)

func TestCheckName(t *testing.T) {
	for _, c := range []struct {
		name string
		ok   bool
	}{
		{"a", true}, {"table", true}, {"A.b_c-1", true}, {strings.Repeat("x", 255), true}, {strings.Repeat("a", 63), true},
		{"", false}, {".", false}, {"..", false}, {".hidden", false}, {"-flag", false}, {"a/b", false}, {"a b", false}, {"ä", false},
		{"a\x00", false}, {"a\n", false}, {strings.Repeat("x", 256), false}, {strings.Repeat("a", 64), false}, {strings.Repeat("AB", 32), false},
		{strings.Repeat("y", 52), false}, {strings.Repeat("v", 52), true},
	} {
		if err := CheckName(c.name); (err == nil) != c.ok || err != nil && !errors.Is(err, ErrName) {
			t.Errorf("CheckName(%q) = %v, want ok %v", c.name, err, c.ok)
		}
	}
}

func TestNames(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir, Options{})
	if _, err := s.Resolve("table"); !errors.Is(err, ErrNotFound) {
		t.Fatalf("Resolve = %v, want ErrNotFound", err)
	}
	for i, name := range []string{"table", "b", "table"} {
		if err := s.SetName(t.Context(), name, keys.Key{byte(i)}); err != nil {
			t.Fatal(err)
		}
	}
	names, err := openTest(t, dir, Options{ReadOnly: true}).Names()
	if err != nil || len(names) != 2 || names[0] != (Name{"b", keys.Key{1}}) || names[1] != (Name{"table", keys.Key{2}}) {
		t.Fatalf("Names() = %v, %v", names, err)
	}
	path := filepath.Join(dir, "names", "b")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw {
		raw[i] ^= 1
		if err := os.WriteFile(path, raw, 0o644); err != nil {
			t.Fatal(err)
		}
		if key, err := s.Resolve("b"); !errors.Is(err, ErrDamaged) {
			t.Fatalf("with byte %d changed Resolve = %v, %v", i, key, err)
		}
		raw[i] ^= 1
	}
	if err := openTest(t, dir, Options{ReadOnly: true}).SetName(t.Context(), "c", keys.Key{}); !errors.Is(err, ErrReadOnly) {
		t.Fatalf("SetName on a read-only store = %v", err)
	}
}

func TestSecrets(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir, Options{})
	key := keys.Key{5}
	if _, err := s.Secret(key); !errors.Is(err, ErrNotFound) {
		t.Fatalf("Secret = %v, want ErrNotFound", err)
	}
	secret := keys.SecretFromSeed([32]byte{1, 2, 3})
	if err := s.PutSecret(t.Context(), key, secret); err != nil {
		t.Fatal(err)
	}
	got, err := s.Secret(key)
	if err != nil || got.Seed() != secret.Seed() {
		t.Fatalf("Secret = another one, %v", err)
	}
	path := filepath.Join(dir, "keys", key.String())
	for file, mode := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s has mode %v, want %v, %v", file, info.Mode(), mode, err)
		}
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = s.Secret(key)
	if !errors.Is(err, ErrPermission) || !strings.Contains(err.Error(), "chmod 600") {
		t.Fatalf("Secret of a file that all can read = %v", err)
	}
	seed := secret.Seed()
	if strings.Contains(err.Error(), keys.Key(seed).String()) {
		t.Fatal("an error has the secret in it")
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("hc-secret 1 garbage\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Secret(key); !errors.Is(err, ErrDamaged) {
		t.Fatalf("Secret of a damaged file = %v", err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "keys", ".tmp-*"))
	if err != nil || len(left) > 0 {
		t.Fatalf("temporary files are left: %v, %v", left, err)
	}
}

// A secret key is stored as it came, and must belong to the core that its file is named after.
func TestSecretFiles(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir, Options{})
	if list, err := s.Secrets(); len(list) > 0 || err != nil {
		t.Errorf("Secrets() = %v, %v", list, err)
	}
	sample, err := os.ReadFile("../keyfile/testdata/locked/good")
	if err != nil {
		t.Fatal(err)
	}
	locked, err := keyfile.Decode(sample)
	if err != nil {
		t.Fatal(err)
	}
	key, _ := locked.Key()
	plain := keyfile.New(keys.Key{3}, keys.SecretFromSeed([32]byte{1, 2, 3}))
	for _, file := range []keyfile.File{locked, plain} {
		if err := s.PutSecretFile(t.Context(), file); err != nil {
			t.Fatal(err)
		}
		of, _ := file.Key()
		if raw, err := os.ReadFile(filepath.Join(dir, "keys", of.String())); err != nil || string(raw) != string(file.Encode()) {
			t.Errorf("the file has %q, %v", raw, err)
		}
	}
	if got, err := s.SecretFile(key); err != nil || !got.Locked() {
		t.Errorf("SecretFile = %v, %v", got, err)
	}
	if _, err := s.Secret(key); !errors.Is(err, keyfile.ErrLocked) {
		t.Errorf("Secret of a locked one = %v", err)
	}
	if err := s.PutSecretFile(t.Context(), keyfile.File{}); !errors.Is(err, keyfile.ErrFormat) {
		t.Errorf("PutSecretFile of one that says no core = %v", err)
	}
	if err := openTest(t, dir, Options{ReadOnly: true}).PutSecretFile(t.Context(), plain); !errors.Is(err, ErrReadOnly) {
		t.Errorf("PutSecretFile on a read-only store = %v", err)
	}

	// A file from an earlier version names no core; one in another's place names the wrong one.
	old := keys.Key{7}
	line := "hc-secret 1 " + strings.Repeat("01", 32) + " 567f719c\n"
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, "keys", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(old.String(), line)
	if secret, err := s.Secret(old); err != nil || keys.Key(secret.Seed()).String() != strings.Repeat("01", 32) {
		t.Errorf("Secret of version 1 = another one, %v", err)
	}
	if file, err := s.SecretFile(old); err != nil || !strings.HasPrefix(string(file.Encode()), "hc-secret 2 "+old.String()) {
		t.Errorf("SecretFile of version 1 = %v", err)
	}
	strange := keys.Key{8}
	write(strange.String(), string(plain.Encode()))
	if _, err := s.SecretFile(strange); !errors.Is(err, ErrDamaged) {
		t.Errorf("SecretFile of another core's = %v", err)
	}
	write(".tmp-1", "")
	write("README", "")
	list, err := s.Secrets()
	if err != nil || !slices.Equal(list, []keys.Key{{3}, {7}, {8}, key}) {
		t.Errorf("Secrets() = %v, %v", list, err)
	}
}
