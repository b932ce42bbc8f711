package secretstream

import (
	"crypto/ed25519"
	"crypto/sha512"
	"errors"
	"io"

	"filippo.io/edwards25519"
	"github.com/flynn/noise"
)

// pointSize is the length in bytes of a seed, of a public key, and of what two of them share.
const pointSize = 32

// errPoint says that a public key is not the canonical encoding of a point in the prime order subgroup.
var errPoint = errors.New("invalid public key")

// curve is the Diffie-Hellman function that stock calls Ed25519: points of the Edwards curve itself, compressed, where
// Noise usually has X25519. Source: noise-curve-ed; vectors: crypto.json, ed25519dh.
type curve struct{}

func (curve) DHLen() int     { return pointSize }
func (curve) DHName() string { return "Ed25519" }

// GenerateKeypair reads the 32 byte seed of a new key pair, which is its private key, too.
func (curve) GenerateKeypair(rng io.Reader) (noise.DHKey, error) {
	seed := make([]byte, pointSize)
	if _, err := io.ReadFull(rng, seed); err != nil {
		return noise.DHKey{}, err
	}
	return keyPair(seed), nil
}

func keyPair(seed []byte) noise.DHKey {
	return noise.DHKey{Private: seed, Public: ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)}
}

// DH returns scalar(seed) · public, compressed.
func (curve) DH(seed, public []byte) ([]byte, error) {
	p, err := parsePoint(public)
	if err != nil {
		return nil, err
	}
	digest := sha512.Sum512(seed)
	scalar, err := edwards25519.NewScalar().SetBytesWithClamping(digest[:32])
	if err != nil {
		return nil, err
	}
	shared := new(edwards25519.Point).ScalarMult(scalar, p)
	if shared.Equal(edwards25519.NewIdentityPoint()) == 1 {
		return nil, errPoint
	}
	return shared.Bytes(), nil
}

// parsePoint refuses what libsodium's crypto_core_ed25519_is_valid_point refuses: a second spelling of a point, points
// of small order, and points outside of the prime order subgroup.
func parsePoint(b []byte) (*edwards25519.Point, error) {
	p, err := new(edwards25519.Point).SetBytes(b)
	if err != nil {
		return nil, errPoint
	}
	identity := edwards25519.NewIdentityPoint()
	if string(p.Bytes()) != string(b) || p.Equal(identity) == 1 {
		return nil, errPoint
	}
	// order · p, as (order - 1) · p + p: the order itself is no scalar. That tells small orders, too. p is public.
	q := new(edwards25519.Point).VarTimeDoubleScalarBaseMult(minusOne, p, edwards25519.NewScalar())
	if q.Add(q, p).Equal(identity) != 1 {
		return nil, errPoint
	}
	return p, nil
}

// minusOne is the group's order less one.
var minusOne = func() *edwards25519.Scalar {
	one, err := edwards25519.NewScalar().SetCanonicalBytes(append([]byte{1}, make([]byte, 31)...))
	if err != nil {
		panic("secretstream: internal error: " + err.Error())
	}
	return one.Negate(one)
}()
