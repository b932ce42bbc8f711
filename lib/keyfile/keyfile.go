// Package keyfile is the text form of a secret key, plain or locked with a passphrase, that says which core it is for.
//
// Use [New] to make one, and [Decode] or [Parse] to read one; [File.Secret] returns the secret. A [File] shows itself
// in no format but [File.Encode]. [CheckPrivate] checks that a file on disk is private to its owner, [WriteNew] makes
// one that is.
//
// FORMAT.md specifies the format. The locked part is an armored age file, which lib/keylock makes and opens.
package keyfile

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"

	"hc/lib/keys"
)

// Sentinel errors, to be tested with errors.Is.
var (
	ErrFormat     = errors.New("not a secret key")          // malformed, or its checksum does not match
	ErrLocked     = errors.New("the secret key is locked")  // it takes a passphrase
	ErrPassphrase = errors.New("wrong passphrase")          // or one that cannot be a passphrase
	ErrNotPrivate = errors.New("secret key is not private") // mode or owner of a file
)

const (
	// MaxSize is the largest size in bytes of a secret key as text.
	MaxSize = 4096

	magic1      = "hc-secret 1 "
	magic2      = "hc-secret 2 "
	magicLocked = "hc-locked-secret 1 "

	keyDigits = 2 * keys.Size
)

// File is a secret key, plain or locked, and the core that it is for. The zero File holds none.
type File struct {
	key    keys.Key // zero: the file does not say
	secret keys.Secret
	age    lockedText // of a locked file
}

// New returns the plain form of the secret key of core key.
func New(key keys.Key, secret keys.Secret) File { return File{key: key, secret: secret} }

// Key returns the core that the secret key is for. ok is false if the file does not say.
func (f File) Key() (keys.Key, bool) { return f.key, f.key != keys.Key{} }

// For returns the same secret key for core key, if the file does not name a core. ErrFormat if it names another.
func (f File) For(key keys.Key) (File, error) {
	if own, ok := f.Key(); ok && own != key {
		return File{}, fmt.Errorf("%w of core %v: it is that of core %v", ErrFormat, key, own)
	}
	f.key = key
	return f, nil
}

// Locked reports whether it takes a passphrase to get the secret.
func (f File) Locked() bool { return f.age != "" }

// Secret returns the secret of a plain file. It returns ErrLocked for a locked one, which lib/keylock opens.
func (f File) Secret() (keys.Secret, error) {
	if f.Locked() {
		return keys.Secret{}, ErrLocked
	}
	return f.secret, nil
}

// Encode returns the text that [Decode] reads. A plain file that does not name its core is written in version 1.
func (f File) Encode() []byte {
	if f.Locked() {
		head := magicLocked + f.key.String()
		body := "\n" + string(f.age)
		return fmt.Appendf(nil, "%s %08x%s", head, checksum(head+body), body)
	}
	line := magic1
	if _, ok := f.Key(); ok {
		line = magic2 + f.key.String() + " "
	}
	seed := f.secret.Seed()
	line += hex.EncodeToString(seed[:])
	return fmt.Appendf(nil, "%s %08x\n", line, checksum(line))
}

// Decode reads the text that Encode writes, in its only spelling. The error wraps [ErrFormat], and contains nothing
// of the text.
func Decode(text []byte) (File, error) {
	if len(text) > MaxSize {
		return File{}, fmt.Errorf("%w: more than %d bytes", ErrFormat, MaxSize)
	}
	if bytes.HasPrefix(text, []byte(magicLocked)) {
		return decodeLocked(string(text))
	}
	return decodePlain(string(text))
}

func decodePlain(text string) (File, error) {
	line, sum, ok := cutLast(strings.TrimSuffix(text, "\n"))
	if !ok || text != fmt.Sprintf("%s %s\n", line, sum) {
		return File{}, fmt.Errorf("%w: not one line that begins with %q or %q", ErrFormat, strings.TrimSpace(magic2), strings.TrimSpace(magicLocked))
	}
	rest, keyed := strings.CutPrefix(line, magic2)
	if !keyed {
		if rest, ok = strings.CutPrefix(line, magic1); !ok {
			return File{}, fmt.Errorf("%w: it does not begin with %q or %q", ErrFormat, strings.TrimSpace(magic2), strings.TrimSpace(magicLocked))
		}
	}
	if sum != fmt.Sprintf("%08x", checksum(line)) {
		return File{}, fmt.Errorf("%w: its checksum does not match", ErrFormat)
	}
	var f File
	if keyed {
		digits, seed, _ := strings.Cut(rest, " ")
		if f.key, ok = digits32(digits); !ok || f.key == (keys.Key{}) {
			return File{}, fmt.Errorf("%w: the core's key in it is invalid", ErrFormat)
		}
		rest = seed
	}
	seed, ok := digits32(rest)
	if !ok {
		return File{}, fmt.Errorf("%w: the seed is not %d hex digits", ErrFormat, keyDigits)
	}
	f.secret = keys.SecretFromSeed(seed)
	return f, nil
}

func decodeLocked(text string) (File, error) {
	line, body, _ := strings.Cut(text, "\n")
	head, sum, _ := cutLast(line)
	if sum != fmt.Sprintf("%08x", checksum(head+"\n"+body)) {
		return File{}, fmt.Errorf("%w: its checksum does not match", ErrFormat)
	}
	key, ok := digits32(strings.TrimPrefix(head, magicLocked))
	if !ok || key == [32]byte{} {
		return File{}, fmt.Errorf("%w: the core's key in it is invalid", ErrFormat)
	}
	if err := lockedText(body).check(); err != nil {
		return File{}, err
	}
	return File{key: key, age: lockedText(body)}, nil
}

// Parse reads a user's input: text for [Decode], with space around it and CR LF for LF, or 64 hex digits (a seed), or
// 128 (seed and public key, as stock keeps them). The error wraps [ErrFormat], and contains nothing of the text.
func Parse(text []byte) (File, error) {
	text = bytes.TrimSpace(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")))
	if bytes.HasPrefix(text, []byte("hc-")) {
		return Decode(append(text, '\n'))
	}
	if len(text) != 64 && len(text) != 128 {
		return File{}, fmt.Errorf("%w: expected the output of 'hc keys export', or 64 or 128 hex digits; got %d characters", ErrFormat, len(text))
	}
	raw := make([]byte, len(text)/2)
	if _, err := hex.Decode(raw, text); err != nil { // the error would quote a digit of the key
		return File{}, fmt.Errorf("%w: expected the output of 'hc keys export', or 64 or 128 hex digits; not all characters are hex digits", ErrFormat)
	}
	seed := [ed25519.SeedSize]byte(raw)
	secret := keys.SecretFromSeed(seed)
	if public := secret.Public(); len(raw) == 64 && !bytes.Equal(public[:], raw[32:]) {
		return File{}, fmt.Errorf("%w: the two halves do not belong together", ErrFormat)
	}
	return File{secret: secret}, nil
}

// cutLast cuts text at its last space.
func cutLast(text string) (before, after string, ok bool) {
	i := strings.LastIndexByte(text, ' ')
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+1:], true
}

// digits32 reads 32 bytes in lower-case hex.
func digits32(s string) (b [32]byte, ok bool) {
	if len(s) != 2*len(b) || strings.Trim(s, "0123456789abcdef") != "" {
		return b, false
	}
	_, err := hex.Decode(b[:], []byte(s))
	return b, err == nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(text string) uint32 { return crc32.Checksum([]byte(text), castagnoli) }

// String returns which core the key is for, and nothing else.
func (f File) String() string {
	if key, ok := f.Key(); ok {
		return "[secret key of core " + key.Short() + "]"
	}
	return "[secret key]"
}

// GoString returns the same as String: it does not show the locked text either.
func (f File) GoString() string { return f.String() }

// MarshalText returns the same as [File.String]: only Encode returns the key.
func (f File) MarshalText() ([]byte, error) { return []byte(f.String()), nil }
