package keys

import (
	"crypto/ed25519"
	"fmt"
	"slices"

	"hc/lib/compact"
	"hc/lib/hash"
)

// reserveNamespace distinguishes a reservation from everything else that a signer signs, heads above all.
var reserveNamespace = hash.Namespace("hc/publish", 0)

// Reservation is a signer's request to be the one who signs next on top of base, made to a peer that gives each
// length away once. It is not a head: it says nothing about the signature, and is valid on one connection only.
type Reservation struct {
	Connection [64]byte // known to both ends of the connection, and to nobody else
	Base, Next Head     // an empty log is the zero Head
}

func (a *Auth) reservable(r Reservation) []byte {
	b := make([]byte, 0, 224)
	b = append(b, reserveNamespace[:]...)
	b = append(b, r.Connection[:]...)
	b = append(b, a.key[:]...)
	for _, h := range []Head{r.Base, r.Next} {
		b = compact.AppendUint64(b, h.Fork)
		b = compact.AppendUint64(b, h.Length)
		b = append(b, h.TreeHash[:]...)
	}
	return b
}

// SignReservation returns a signer's signature of r. s must be a signer's, else the error wraps [ErrKey].
func (a *Auth) SignReservation(s Secret, r Reservation) (signature [64]byte, err error) {
	public := s.Public()
	if !slices.ContainsFunc(a.manifest.Signers, func(signer Signer) bool { return signer.PublicKey == public }) {
		return signature, fmt.Errorf("%w: the secret key of %s may not sign for core %s", ErrKey, public.Short(), a.key.Short())
	}
	return s.Sign(a.reservable(r)), nil
}

// VerifyReservation returns nil only if one of the core's signers signed r. Other errors wrap [ErrSignature].
func (a *Auth) VerifyReservation(r Reservation, signature [64]byte) error {
	text := a.reservable(r)
	for _, signer := range a.manifest.Signers {
		if ed25519.Verify(signer.PublicKey[:], text, signature[:]) {
			return nil
		}
	}
	return fmt.Errorf("%w: none of the signers of core %s made this reservation", ErrSignature, a.key.Short())
}
