package keyfile

import (
	"fmt"
	"io"
	"strings"

	"filippo.io/age/armor"

	"hc/lib/keys"
)

// MaxPassphrase is the largest size of a passphrase in bytes.
const MaxPassphrase = 1024

// lockedText is an armored age file.
type lockedText string

// check returns an error wrapping ErrFormat if the text is not armored.
func (t lockedText) check() error {
	_, err := io.Copy(io.Discard, armor.NewReader(strings.NewReader(string(t))))
	if err != nil || !strings.HasPrefix(string(t), armor.Header+"\n") || !strings.HasSuffix(string(t), "\n"+armor.Footer+"\n") ||
		strings.ContainsRune(string(t), '\r') {
		return fmt.Errorf("%w: no armored age file after its first line", ErrFormat)
	}
	return nil
}

// NewLocked returns the locked form of the secret key of core key, from the armored age file with its plain form. The
// error wraps [ErrFormat] if armored is not one.
func NewLocked(key keys.Key, armored string) (File, error) {
	if key == (keys.Key{}) {
		return File{}, fmt.Errorf("%w: a locked one must name its core", ErrFormat)
	}
	if err := lockedText(armored).check(); err != nil {
		return File{}, err
	}
	return File{key: key, age: lockedText(armored)}, nil
}

// Armored returns the age file of a locked file, the empty string for a plain one.
func (f File) Armored() string { return string(f.age) }

// CheckPassphrase returns an error wrapping [ErrPassphrase] if the passphrase cannot lock a key.
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
