package keyfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"

	"hc/lib/keys"
)

const (
	// MaxPassphrase is the most bytes of a passphrase.
	MaxPassphrase = 1024

	// workFactor is the binary logarithm of scrypt's cost: 256 MiB and about a second, age's own choice. It is also the
	// most that is done for a file, whoever wrote it.
	workFactor = 18
)

// lockedText is an armored age file.
type lockedText string

// check returns an error wrapping ErrFormat if it is not in armor.
func (t lockedText) check() error {
	_, err := io.Copy(io.Discard, armor.NewReader(strings.NewReader(string(t))))
	if err != nil || !strings.HasPrefix(string(t), armor.Header+"\n") || !strings.HasSuffix(string(t), "\n"+armor.Footer+"\n") ||
		strings.ContainsRune(string(t), '\r') {
		return fmt.Errorf("%w: no armored age file behind its first line", ErrFormat)
	}
	return nil
}

// Lock returns the secret key of core key in a form that takes the passphrase to open. ErrPassphrase if it cannot be one.
func Lock(key keys.Key, secret keys.Secret, passphrase string) (File, error) {
	return lock(key, secret, passphrase, workFactor)
}

func lock(key keys.Key, secret keys.Secret, passphrase string, work int) (File, error) {
	if err := CheckPassphrase(passphrase); err != nil {
		return File{}, err
	}
	recipient, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return File{}, fmt.Errorf("%w: %w", ErrPassphrase, err)
	}
	recipient.SetWorkFactor(work)
	var text bytes.Buffer
	armored := armor.NewWriter(&text)
	defer returnMemory()
	sealed, err := age.Encrypt(armored, recipient)
	if err == nil {
		_, err = sealed.Write(New(key, secret).Encode())
	}
	if err == nil {
		err = sealed.Close()
	}
	if err == nil {
		err = armored.Close()
	}
	if err != nil {
		return File{}, fmt.Errorf("locking the secret key of core %v: %w", key, err)
	}
	return File{key: key, age: lockedText(text.String())}, nil
}

// CheckPassphrase returns an error wrapping [ErrPassphrase] if no key can be locked with it.
func CheckPassphrase(passphrase string) error {
	switch {
	case passphrase == "":
		return fmt.Errorf("%w: it is empty", ErrPassphrase)
	case len(passphrase) > MaxPassphrase:
		return fmt.Errorf("%w: it has more than %d bytes", ErrPassphrase, MaxPassphrase)
	case strings.ContainsRune(passphrase, '\n'):
		return fmt.Errorf("%w: it has more than one line", ErrPassphrase)
	}
	return nil
}

// Unlock returns the plain form of a locked file. ErrPassphrase if that is not its passphrase; ErrFormat if the file is
// not what its first line says, or would take more than a second's work. A plain file is returned as it is.
func (f File) Unlock(passphrase string) (File, error) { return f.unlock(passphrase, workFactor) }

func (f File) unlock(passphrase string, maxWork int) (File, error) {
	if !f.Locked() {
		return f, nil
	}
	if err := CheckPassphrase(passphrase); err != nil {
		return File{}, err
	}
	identity, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return File{}, fmt.Errorf("%w: %w", ErrPassphrase, err)
	}
	identity.SetMaxWorkFactor(maxWork)
	defer returnMemory()
	plain, err := age.Decrypt(armor.NewReader(strings.NewReader(string(f.age))), identity)
	var wrong *age.NoIdentityMatchError
	if errors.As(err, &wrong) && len(wrong.StanzaTypes) == 1 && wrong.StanzaTypes[0] == "scrypt" {
		return File{}, fmt.Errorf("%w for the secret key of core %v", ErrPassphrase, f.key)
	}
	if err != nil {
		return File{}, f.bad(err)
	}
	text, err := io.ReadAll(io.LimitReader(plain, MaxSize+1))
	if err != nil {
		return File{}, f.bad(err)
	}
	inner, err := Decode(text)
	if err != nil || inner.Locked() {
		return File{}, f.bad(errors.New("what its passphrase opens is none"))
	}
	if inner.key != f.key {
		return File{}, f.bad(errors.New("its passphrase opens that of another core"))
	}
	return inner, nil
}

func (f File) bad(why error) error {
	return fmt.Errorf("locked secret key of core %v: %w: %w", f.key, ErrFormat, why)
}

// returnMemory gives back what scrypt took, 256 MiB: a tool may go on for days with a few.
func returnMemory() { debug.FreeOSMemory() }
