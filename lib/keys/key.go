// Package keys names cores, and says who may sign for them: keys, manifests, signatures.
//
// A [Key] is what an owner hands to readers. It is either the hash of a [Manifest], a small record that names the
// signers, or ("compat", as Hypercore 10 made them) the only signer's Ed25519 public key; its 32 bytes do not show
// which. An [Auth] is a key together with what is known of its manifest; it verifies and makes signatures of heads. A
// [Secret] signs, and never shows itself in text. A [Ref] is a key that may pin a version, as users write it.
//
// The only randomness here is from the io.Reader that a caller passes. All types are safe for concurrent reading.
package keys

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"hc/lib/hash"
)

var (
	// ErrKey is returned for text that is not a key, and for a secret key that does not match.
	ErrKey = errors.New("invalid key")

	// ErrManifest is returned for a manifest that is malformed or not the core's.
	ErrManifest = errors.New("invalid manifest")

	// ErrSignature is returned for a head that is not signed as the core's key requires.
	ErrSignature = errors.New("invalid signature")

	// ErrUnsupported is returned for features of stock that this package does not have: patched signatures, and
	// manifests of versions above 3.
	ErrUnsupported = errors.New("not supported")
)

// Size is the length of a [Key] in bytes.
const Size = 32

// Key is the public id of a core, or the public key of a signer.
type Key [Size]byte

// String returns the key as 64 lower-case hex digits.
func (k Key) String() string { return hex.EncodeToString(k[:]) }

// Short returns the first 8 hex digits, for messages.
func (k Key) Short() string { return hex.EncodeToString(k[:4]) }

// MarshalText returns the same as [Key.String].
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText accepts the same as [ParseKey].
func (k *Key) UnmarshalText(text []byte) error {
	parsed, err := ParseKey(string(text))
	if err == nil {
		*k = parsed
	}
	return err
}

// DiscoveryKey returns BLAKE2b-256 of "hypercore" under the key k: it names a core to others without revealing k.
// Source: hypercore-crypto, discoveryKey; vectors: crypto.json, manifests.json.
func DiscoveryKey(k Key) Key { return Key(hash.Keyed(k[:], []byte("hypercore"))) }

// schemes may precede a key.
var schemes = []string{"hc://", "pear://"}

// ParseKey reads a key: 64 hex digits of either case, or 52 characters of z-base-32, as stock prints it, optionally
// preceded by hc:// or pear://. The error wraps [ErrKey]. Only [ParseRef] reads a link that pins a version.
func ParseKey(s string) (Key, error) {
	bare, err := trimLink(s)
	if err != nil {
		return Key{}, err
	}
	k, err := parse32(bare)
	if err != nil {
		return Key{}, fmt.Errorf("%w: %q: %w", ErrKey, abbreviate(s), err)
	}
	return Key(k), nil
}

// trimLink returns s without a scheme, and refuses a path, a query or a fragment after the key.
func trimLink(s string) (string, error) {
	for _, scheme := range schemes {
		rest, ok := strings.CutPrefix(s, scheme)
		if !ok {
			continue
		}
		if i := strings.IndexAny(rest, "/?#"); i >= 0 {
			return "", fmt.Errorf("%w: %q has %q after the key: give a path separately from the key", ErrKey, abbreviate(s), abbreviate(rest[i:]))
		}
		return rest, nil
	}
	return s, nil
}

// parse32 reads 32 bytes in hex or z-base-32.
func parse32(s string) (b [32]byte, err error) {
	switch len(s) {
	case 64:
		if _, err := hex.Decode(b[:], []byte(s)); err != nil {
			return b, errors.New("not all characters are hex digits")
		}
		return b, nil
	case zBase32Length:
		return parseZBase32(s)
	}
	return b, fmt.Errorf("%d characters, expected 64 (hex) or %d (z-base-32)", len(s), zBase32Length)
}

// abbreviate shortens text that a message quotes.
func abbreviate(s string) string {
	const most = 100
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
