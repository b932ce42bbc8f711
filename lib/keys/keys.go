// Package keys names cores, and says who may sign for them.
package keys

import (
	"encoding/hex"
	"errors"
	"io"

	"hc/lib/hash"
)

var (
	// ErrKey is returned for text that is no key, and for a secret key of another core.
	ErrKey = errors.New("not a key")

	// ErrManifest is returned for a manifest that is malformed or not the core's.
	ErrManifest = errors.New("not the manifest of the core")

	// ErrSignature is returned for a head that is not signed as the core's manifest demands.
	ErrSignature = errors.New("head is not signed by the core's key")

	// ErrUnsupported is returned for forms that stock knows and this package does not.
	ErrUnsupported = errors.New("not supported")
)

// Size is the length of a [Key] in bytes.
const Size = 32

// Key is a core's public id.
type Key [Size]byte

// String returns the key as 64 lower-case hex digits.
func (k Key) String() string { return hex.EncodeToString(k[:]) }

// Short returns the first 8 hex digits, for messages.
func (k Key) Short() string { return hex.EncodeToString(k[:4]) }

// ParseKey reads a key.
func ParseKey(s string) (Key, error) { return Key{}, ErrKey }

// Ref is a key that may pin a version.
type Ref struct {
	Key      Key
	Pinned   bool // Fork and Length are set
	Fork     uint64
	Length   uint64       // blocks
	TreeHash *hash.Digest // nil: not pinned
}

// ParseRef reads a ref.
func ParseRef(s string) (Ref, error) { return Ref{}, ErrKey }

// String returns the ref as [ParseRef] reads it.
func (r Ref) String() string { return r.Key.String() }

// DiscoveryKey returns BLAKE2b-256 of "hypercore", keyed with k.
func DiscoveryKey(k Key) Key { return Key(hash.Keyed(k[:], []byte("hypercore"))) }

// Secret is a signing key.
type Secret struct {
	_       [0]func()
	private [64]byte
}

// NewSecret makes a secret from 32 random bytes.
func NewSecret(rand io.Reader) (Secret, error) { return Secret{}, ErrKey }

// SecretFromSeed returns the secret of a seed.
func SecretFromSeed(seed [32]byte) Secret { return Secret{} }

// Seed returns what SecretFromSeed takes.
func (s Secret) Seed() (seed [32]byte) { return seed }

// Public returns the public key.
func (s Secret) Public() Key { return Key{} }

// Sign returns the Ed25519 signature of message.
func (s Secret) Sign(message []byte) (signature [64]byte) { return signature }

// Manifest names the signers of a core.
type Manifest struct {
	Version    uint64 // 0 to 3
	Static     *hash.Digest
	AllowPatch bool
	Quorum     uint64
	Signers    []Signer
	Prologue   *Prologue
	Linked     []Key
	UserData   []byte
}

// Signer is one of those who may sign.
type Signer struct {
	Namespace hash.Digest
	PublicKey Key
}

// Prologue is a head that needs no signature.
type Prologue struct {
	TreeHash hash.Digest
	Length   uint64 // blocks
}

// DefaultManifest returns the usual manifest.
func DefaultManifest(public Key) Manifest { return Manifest{Version: 1} }

// Encode returns the manifest's bytes.
func (m Manifest) Encode() []byte { return nil }

// DecodeManifest reads a manifest.
func DecodeManifest(b []byte) (Manifest, error) { return Manifest{}, ErrManifest }

// Key returns the core key of the manifest.
func (m Manifest) Key() Key { return Key{} }

// Head is what is signed of a log.
type Head struct {
	Fork     uint64
	Length   uint64 // blocks
	TreeHash hash.Digest
}

// Auth is a core key and how heads are verified.
type Auth struct{ key Key }

// NewAuth returns the auth of a core.
func NewAuth(key Key, manifest []byte) (*Auth, error) { return &Auth{key: key}, nil }

// Key returns the core key.
func (a *Auth) Key() Key { return a.key }

// Compat reports whether the key is the signer's public key.
func (a *Auth) Compat() bool { return false }

// Manifest returns the encoded manifest, nil if compat.
func (a *Auth) Manifest() []byte { return nil }

// Verify checks the signature field of a head.
func (a *Auth) Verify(h Head, field []byte) error { return ErrSignature }

// Sign returns the signature field of a head.
func (a *Auth) Sign(s Secret, h Head) (field []byte, err error) { return nil, ErrKey }
