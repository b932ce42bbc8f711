package keys

import (
	"crypto/ed25519"
	"fmt"
	"io"
)

// redacted is the text that a secret prints.
const redacted = "[secret key]"

// Secret is an Ed25519 signing key. It prints as "[secret key]" in every format and encoding, and cannot be compared;
// only [Secret.Seed] reveals it. The zero Secret is no key: its public key is zero, and it must not sign.
type Secret struct {
	// A function, since fmt calls no method of an unexported field: inside a caller's struct it would print the
	// bytes, even through a pointer. Of a function it only has the address. Functions have no == either.
	private func() *[ed25519.PrivateKeySize]byte // never changed; nil in the zero Secret
}

// NewSecret makes a secret from 32 bytes of rand, which should be crypto/rand.Reader.
func NewSecret(rand io.Reader) (Secret, error) {
	var seed [ed25519.SeedSize]byte
	if _, err := io.ReadFull(rand, seed[:]); err != nil {
		return Secret{}, fmt.Errorf("making a secret key: %w", err)
	}
	return SecretFromSeed(seed), nil
}

// SecretFromSeed returns the secret with that seed, which is the first half of a libsodium secret key.
func SecretFromSeed(seed [32]byte) Secret {
	private := (*[ed25519.PrivateKeySize]byte)(ed25519.NewKeyFromSeed(seed[:]))
	return Secret{private: func() *[ed25519.PrivateKeySize]byte { return private }}
}

// Seed returns the seed that [SecretFromSeed] takes: it is all that must be kept, and kept secret.
func (s Secret) Seed() (seed [32]byte) {
	if s.private != nil {
		copy(seed[:], s.private()[:])
	}
	return seed
}

// Public returns the public key.
func (s Secret) Public() (k Key) {
	if s.private != nil {
		copy(k[:], s.private()[ed25519.SeedSize:])
	}
	return k
}

// Sign returns the Ed25519 signature of message (RFC 8032). The zero Secret panics.
func (s Secret) Sign(message []byte) (signature [64]byte) {
	copy(signature[:], ed25519.Sign(s.private()[:], message))
	return signature
}

// String returns "[secret key]".
func (s Secret) String() string { return redacted }

// GoString returns "[secret key]".
func (s Secret) GoString() string { return redacted }

// Format writes "[secret key]", whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

// MarshalText returns "[secret key]".
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON returns "[secret key]" as a JSON string.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }
