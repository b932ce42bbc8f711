// Package keylock locks a secret key with a passphrase, and opens a locked one.
//
// The locking is age's (age-encryption.org/v1), with scrypt. The package is separate from [keyfile], which reads and
// writes both forms, since most tools never open a locked key and need not load what they do not use.
package keylock

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"

	"hc/lib/keyfile"
	"hc/lib/keys"
)

// workFactor is the binary logarithm of scrypt's cost: 256 MiB and about a second, age's own choice. It is also the
// most work that is done for a file, whoever wrote it.
const workFactor = 18

// Lock returns the secret key of core key in a form that needs the passphrase to open. keyfile.ErrPassphrase if the
// passphrase is unusable.
func Lock(key keys.Key, secret keys.Secret, passphrase string) (keyfile.File, error) {
	return lock(key, secret, passphrase, workFactor)
}

func lock(key keys.Key, secret keys.Secret, passphrase string, work int) (keyfile.File, error) {
	if err := keyfile.CheckPassphrase(passphrase); err != nil {
		return keyfile.File{}, err
	}
	recipient, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return keyfile.File{}, fmt.Errorf("%w: %w", keyfile.ErrPassphrase, err)
	}
	recipient.SetWorkFactor(work)
	var text bytes.Buffer
	armored := armor.NewWriter(&text)
	defer returnMemory()
	sealed, err := age.Encrypt(armored, recipient)
	if err == nil {
		_, err = sealed.Write(keyfile.New(key, secret).Encode())
	}
	if err == nil {
		err = sealed.Close()
	}
	if err == nil {
		err = armored.Close()
	}
	if err != nil {
		return keyfile.File{}, fmt.Errorf("locking the secret key of core %v: %w", key, err)
	}
	return keyfile.NewLocked(key, text.String())
}

// Unlock returns the plain form of a locked file. keyfile.ErrPassphrase if the passphrase is wrong; keyfile.ErrFormat
// if the file is not what its first line says, or would take more work than workFactor. A plain file is returned as
// it is.
func Unlock(file keyfile.File, passphrase string) (keyfile.File, error) {
	return unlock(file, passphrase, workFactor)
}

func unlock(file keyfile.File, passphrase string, maxWork int) (keyfile.File, error) {
	if !file.Locked() {
		return file, nil
	}
	if err := keyfile.CheckPassphrase(passphrase); err != nil {
		return keyfile.File{}, err
	}
	identity, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return keyfile.File{}, fmt.Errorf("%w: %w", keyfile.ErrPassphrase, err)
	}
	identity.SetMaxWorkFactor(maxWork)
	key, _ := file.Key()
	defer returnMemory()
	plain, err := age.Decrypt(armor.NewReader(strings.NewReader(file.Armored())), identity)
	var wrong *age.NoIdentityMatchError
	if errors.As(err, &wrong) && len(wrong.StanzaTypes) == 1 && wrong.StanzaTypes[0] == "scrypt" {
		return keyfile.File{}, fmt.Errorf("%w for the secret key of core %v", keyfile.ErrPassphrase, key)
	}
	if err != nil {
		return keyfile.File{}, bad(key, err)
	}
	text, err := io.ReadAll(io.LimitReader(plain, keyfile.MaxSize+1))
	if err != nil {
		return keyfile.File{}, bad(key, err)
	}
	inner, err := keyfile.Decode(text)
	if err != nil || inner.Locked() {
		return keyfile.File{}, bad(key, errors.New("what its passphrase opens is not one"))
	}
	if of, _ := inner.Key(); of != key {
		return keyfile.File{}, bad(key, errors.New("its passphrase opens the key of another core"))
	}
	return inner, nil
}

// With returns a function that opens a locked file with the passphrase that ask returns for its core.
func With(ask func(context.Context, keys.Key) (string, error)) func(context.Context, keyfile.File) (keyfile.File, error) {
	return func(ctx context.Context, file keyfile.File) (keyfile.File, error) {
		key, _ := file.Key()
		passphrase, err := ask(ctx, key)
		if err != nil {
			return keyfile.File{}, err
		}
		return Unlock(file, passphrase)
	}
}

func bad(key keys.Key, why error) error {
	return fmt.Errorf("locked secret key of core %v: %w: %w", key, keyfile.ErrFormat, why)
}

// returnMemory frees the 256 MiB that scrypt took: a tool may run for days with a few.
func returnMemory() { debug.FreeOSMemory() }
