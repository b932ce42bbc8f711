package hypercore

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"hc/lib/keyfile"
	"hc/lib/keylock"
	"hc/lib/keys"
	"hc/lib/store"
)

// lockedFile is the sample of lib/keyfile: the secret key of seed 01…01, locked.
func lockedFile(t *testing.T) (file keyfile.File, key keys.Key, secret keys.Secret) {
	t.Helper()
	text, err := os.ReadFile("../keyfile/testdata/locked/good")
	if err != nil {
		t.Fatal(err)
	}
	if file, err = keyfile.Decode(text); err != nil {
		t.Fatal(err)
	}
	secret = keys.SecretFromSeed([32]byte(bytes.Repeat([]byte{1}, 32)))
	return file, keys.DefaultManifest(secret.Public()).Key(), secret
}

// asked is a passphrase, and how often it was asked for.
type asked struct {
	passphrase string
	times      int
}

func (a *asked) unlock(ctx context.Context, file keyfile.File) (keyfile.File, error) {
	a.times++
	return keylock.Unlock(file, a.passphrase)
}

var theirs = asked{passphrase: "correct horse battery staple"}

// A secret key that comes locked is kept locked, and every append asks for its passphrase once.
func TestLockedSecret(t *testing.T) {
	in := newStore(t)
	file, want, _ := lockedFile(t)
	right := theirs
	key, head := appended(t, in, "log", AppendOptions{SecretFile: &file, Unlock: right.unlock}, []byte("a"))
	if key != want || head.Length != 1 || right.times != 1 {
		t.Errorf("core %v of %d blocks, asked %d times", key, head.Length, right.times)
	}
	kept, err := in.SecretFile(key)
	if err != nil || !bytes.Equal(kept.Encode(), file.Encode()) {
		t.Errorf("the store keeps %v, %v", kept, err)
	}
	right.times = 0
	if _, head := appended(t, in, "log", AppendOptions{Unlock: right.unlock}, []byte("b")); head.Length != 2 || right.times != 1 {
		t.Errorf("%d blocks, asked %d times", head.Length, right.times)
	}
	if snapshot, err := OpenSnapshot(t.Context(), in, key); err != nil || !snapshot.Writable() {
		t.Errorf("a snapshot that takes the core for somebody else's, %v", err)
	}

	wrong := asked{passphrase: "wrong"}
	gone := errors.New("nobody is there")
	for _, test := range []struct {
		name   string
		unlock Unlocker
		want   error
	}{
		{"nobody to ask", nil, keyfile.ErrLocked},
		{"wrong", wrong.unlock, keyfile.ErrPassphrase},
		{"no answer", func(context.Context, keyfile.File) (keyfile.File, error) { return keyfile.File{}, gone }, gone},
	} {
		if _, err := OpenWriter(t.Context(), in, "log", AppendOptions{Unlock: test.unlock}); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", test.name, err, test.want)
		}
	}
	if got := readBlocks(t, in, key); len(got) != 2 {
		t.Errorf("%d blocks", len(got))
	}
}

// A passphrase is asked for once, however often lines are published.
func TestLockedSecretOfLines(t *testing.T) {
	file, key, secret := lockedFile(t)
	for _, test := range []struct {
		name    string
		prepare func(t *testing.T, in *store.Store)
		options AppendOptions
	}{
		{"a new log", func(*testing.T, *store.Store) {}, AppendOptions{SecretFile: &file}},
		{"one that is here", func(t *testing.T, in *store.Store) {
			appended(t, in, "log", AppendOptions{Secret: &secret, SecretFile: &file}, []byte("a"))
		}, AppendOptions{}},
		{"one that was only named", func(t *testing.T, in *store.Store) {
			if err := errors.Join(in.PutSecretFile(t.Context(), file), in.SetName(t.Context(), "log", key)); err != nil {
				t.Fatal(err)
			}
		}, AppendOptions{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			in := newStore(t)
			test.prepare(t, in)
			right := theirs
			test.options.Unlock = right.unlock
			result, err := AppendLines(t.Context(), in, "log", strings.NewReader("1\n2\n3\n"), test.options, Flush{Count: 1}, nil)
			if err != nil || result.Blocks != 3 || right.times != 1 {
				t.Errorf("%+v, %v, asked %d times", result, err, right.times)
			}
			if kept, err := in.SecretFile(key); err != nil || !kept.Locked() {
				t.Errorf("the store keeps %v, locked %v, %v", kept, kept.Locked(), err)
			}
		})
	}
}

// The core that a secret key file names counts.
func TestSecretFile(t *testing.T) {
	_, key, secret := lockedFile(t)
	other, err := keys.NewSecret(strings.NewReader(strings.Repeat("o", 64)))
	if err != nil {
		t.Fatal(err)
	}
	unkeyed, err := keyfile.Parse([]byte(strings.Repeat("01", 32)))
	if err != nil {
		t.Fatal(err)
	}
	usual, compat := keyfile.New(key, secret), keyfile.New(secret.Public(), secret)
	foreign, theirs := keyfile.New(keys.Key{9}, secret), keyfile.New(key, other)
	for _, test := range []struct {
		name    string
		options AppendOptions
		want    keys.Key
		wantErr error
	}{
		{"usual", AppendOptions{SecretFile: &usual}, key, nil},
		{"compat", AppendOptions{SecretFile: &compat}, secret.Public(), nil},
		{"compat asked for, too", AppendOptions{SecretFile: &compat, Compat: true}, secret.Public(), nil},
		{"another was asked for", AppendOptions{SecretFile: &usual, Compat: true}, keys.Key{}, ErrReadOnly},
		{"says nothing", AppendOptions{SecretFile: &unkeyed}, key, nil},
		{"says nothing, compat asked for", AppendOptions{SecretFile: &unkeyed, Compat: true}, secret.Public(), nil},
		{"an unusual manifest", AppendOptions{SecretFile: &foreign}, keys.Key{}, ErrReadOnly},
		{"another signer", AppendOptions{SecretFile: &theirs}, keys.Key{}, ErrReadOnly},
	} {
		in := newStore(t)
		w, err := OpenWriter(t.Context(), in, "log", test.options)
		if !errors.Is(err, test.wantErr) {
			t.Errorf("%s: %v, want %v", test.name, err, test.wantErr)
		}
		if err != nil {
			continue
		}
		if _, err := w.Commit(t.Context()); err != nil || w.Key() != test.want {
			t.Errorf("%s: core %v, want %v, %v", test.name, w.Key(), test.want, err)
		}
		if kept, err := in.SecretFile(test.want); err != nil || !strings.HasPrefix(string(kept.Encode()), "hc-secret 2 "+test.want.String()) {
			t.Errorf("%s: the store keeps %v, %v", test.name, kept, err)
		}
	}

	in := newStore(t)
	appended(t, in, "log", AppendOptions{Secret: &secret}, []byte("a"))
	if _, err := OpenWriter(t.Context(), in, "log", AppendOptions{SecretFile: &compat}); !errors.Is(err, ErrReadOnly) {
		t.Errorf("the file of another core: %v", err)
	}
}

// A locked secret key stays locked when its log gets another name by way of the plain one.
func TestLockedSecretStaysLocked(t *testing.T) {
	in := newStore(t)
	file, key, secret := lockedFile(t)
	appended(t, in, "log", AppendOptions{Secret: &secret, SecretFile: &file}, []byte("a"))
	if got, head := appended(t, in, "other", AppendOptions{Secret: &secret}, []byte("b")); got != key || head.Length != 2 {
		t.Fatalf("core %v of %d blocks", got, head.Length)
	}
	if kept, err := in.SecretFile(key); err != nil || !kept.Locked() {
		t.Errorf("the store keeps %v, locked %v, %v", kept, kept.Locked(), err)
	}
}

// Whether a secret key belongs to a core is decided by the manifest in the store, else by the one that follows from
// the key.
func TestCheckSecret(t *testing.T) {
	kinds := map[string]int{}
	for _, c := range stockCores(t) {
		secret := *c.secret(t)
		key, err := keys.ParseKey(c.Key)
		if err != nil {
			t.Fatal(err)
		}
		if kinds[c.Kind]++; kinds[c.Kind] > 1 {
			continue
		}
		in := newStore(t)
		err = CheckSecret(t.Context(), in, key, secret)
		if follows := c.Kind == "v1" || c.Kind == "compat"; follows != (err == nil) || err != nil && !errors.Is(err, ErrReadOnly) {
			t.Errorf("kind %s, core not here: %v", c.Kind, err)
		}
		if err := CheckSecret(t.Context(), in, keys.Key{9}, secret); !errors.Is(err, ErrReadOnly) {
			t.Errorf("kind %s, for another core: %v", c.Kind, err)
		}
	}
	if kinds["v0"] == 0 || kinds["v1"] == 0 || kinds["compat"] == 0 {
		t.Fatalf("cores in the vectors: %v", kinds)
	}
}

// The store's manifest counts, and it may have several signers.
func TestCheckSecretByTheManifest(t *testing.T) {
	one, two, other := secretOfSeed(1), secretOfSeed(2), secretOfSeed(3)
	manifest := keys.DefaultManifest(one.Public())
	manifest.Signers = append(manifest.Signers, keys.DefaultManifest(two.Public()).Signers...)
	key := manifest.Key()
	in := newStore(t)
	tx, err := in.Begin(t.Context(), key, store.TxOptions{Manifest: manifest.Encode(), Durable: true})
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Abort()
	if err := tx.Commit(t.Context(), func() (store.Head, error) { return store.Head{}, nil }); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []keys.Secret{one, two} {
		if err := CheckSecret(t.Context(), in, key, secret); err != nil {
			t.Error(err)
		}
	}
	if err := CheckSecret(t.Context(), in, key, other); !errors.Is(err, ErrReadOnly) {
		t.Errorf("of somebody who does not sign: %v", err)
	}
}

func secretOfSeed(b byte) keys.Secret {
	return keys.SecretFromSeed([32]byte(bytes.Repeat([]byte{b}, 32)))
}

func TestSecretOf(t *testing.T) {
	in := newStore(t)
	file, key, secret := lockedFile(t)
	if _, err := SecretOf(t.Context(), in, key, nil, nil); !errors.Is(err, ErrReadOnly) {
		t.Errorf("of a store without it: %v", err)
	}
	if err := in.PutSecretFile(t.Context(), file); err != nil {
		t.Fatal(err)
	}
	right := theirs
	plain, other := keyfile.New(key, secret), keyfile.New(keys.Key{9}, secret)
	for _, test := range []struct {
		name   string
		from   *keyfile.File
		unlock Unlocker
		asked  int
		want   error
	}{
		{"the store's", nil, right.unlock, 1, nil},
		{"the store's, and nobody to ask", nil, nil, 0, keyfile.ErrLocked},
		{"plain from outside", &plain, right.unlock, 0, nil},
		{"locked from outside", &file, right.unlock, 1, nil},
		{"another core's", &other, right.unlock, 0, ErrReadOnly},
	} {
		right.times = 0
		got, err := SecretOf(t.Context(), in, key, test.from, test.unlock)
		if !errors.Is(err, test.want) || right.times != test.asked || err == nil && got.Seed() != secret.Seed() {
			t.Errorf("%s: %v, asked %d times", test.name, err, right.times)
		}
	}
}
