package keys

import (
	"crypto/ed25519"
	"fmt"
	"slices"

	"hc/lib/compact"
	"hc/lib/hash"
)

// Head is the part of a log's state that is signed.
type Head struct {
	Fork     uint64
	Length   uint64 // blocks
	TreeHash hash.Digest
}

// Auth is a core's key with the way to verify its heads. It is immutable, and safe for concurrent use.
type Auth struct {
	key      Key
	manifest Manifest
	encoded  []byte // nil: compat
}

// NewAuth returns the Auth of the core key. manifest is its encoded manifest, nil for a compat core. A manifest whose
// only signer's public key is the core key makes it a compat core, too, whatever the manifest hashes to, as in stock.
// Any other manifest must hash to key. Errors wrap [ErrManifest].
func NewAuth(key Key, manifest []byte) (*Auth, error) {
	if manifest == nil {
		return &Auth{key: key, manifest: DefaultManifest(key)}, nil
	}
	m, err := DecodeManifest(manifest)
	if err != nil {
		return nil, err
	}
	if len(m.Signers) == 1 && m.Signers[0].PublicKey == key {
		return &Auth{key: key, manifest: DefaultManifest(key)}, nil
	}
	if got := m.Key(); got != key {
		return nil, fmt.Errorf("%w: it is that of core %s, not of %s", ErrManifest, got, key)
	}
	return &Auth{key: key, manifest: m, encoded: slices.Clone(manifest)}, nil
}

// Key returns the core's key.
func (a *Auth) Key() Key { return a.key }

// Compat reports whether the core's key is itself the public key of its only signer.
func (a *Auth) Compat() bool { return a.encoded == nil }

// Manifest returns the encoded manifest, nil for a compat core. It must not be changed.
func (a *Auth) Manifest() []byte { return a.encoded }

// Prologue returns the start of the log that the manifest fixes, nil if there is none.
func (a *Auth) Prologue() *Prologue {
	if a.Compat() {
		return nil
	}
	return a.manifest.Prologue
}

// signable returns the bytes that signer i signs for a head: namespace ‖ context ‖ tree hash ‖ u64le(length) ‖
// u64le(fork). The context is the core key, for version 0 the signer's namespace; a compat core has none. Source:
// hypercore, caps; vectors: cores.json.
func (a *Auth) signable(i int, h Head) []byte {
	b := make([]byte, 0, 112)
	b = append(b, treeNamespace[:]...)
	switch {
	case a.Compat():
	case a.manifest.Version == 0:
		b = append(b, a.manifest.Signers[i].Namespace[:]...)
	default:
		b = append(b, a.key[:]...)
	}
	b = append(b, h.TreeHash[:]...)
	b = compact.AppendUint64(b, h.Length)
	return compact.AppendUint64(b, h.Fork)
}

// bare reports whether the signature field is one signature and nothing more.
func (a *Auth) bare() bool {
	m := a.manifest
	return a.Compat() || m.Version == 0 && len(m.Signers) == 1 && m.Quorum == 1 && !m.AllowPatch
}

// Verify returns nil only if field is a signature field that signs h for the core. Otherwise the error wraps
// [ErrSignature]; for a field with a patch, by which a signer may have signed a longer log, it also wraps
// [ErrUnsupported].
//
// A head within the manifest's prologue needs no signature: it must be the whole prologue.
func (a *Auth) Verify(h Head, field []byte) error {
	if p := a.Prologue(); p != nil && h.Length <= p.Length {
		if h.Length != p.Length || h.TreeHash != p.TreeHash {
			return fmt.Errorf("%w: not the prologue of %d blocks", ErrSignature, p.Length)
		}
		return nil
	}
	if a.bare() {
		if len(field) != ed25519.SignatureSize {
			return fmt.Errorf("%w: %d bytes, expected %d", ErrSignature, len(field), ed25519.SignatureSize)
		}
		return a.check(0, h, field)
	}
	parts, err := decodeField(a.manifest.Version, field)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSignature, err)
	}
	return a.checkQuorum(h, parts)
}

// checkQuorum checks as many of the parts as must sign: like stock the first ones, whatever follows.
func (a *Auth) checkQuorum(h Head, parts []part) error {
	quorum := a.manifest.Quorum
	if quorum == 0 {
		return fmt.Errorf("%w: nobody may sign for this core", ErrSignature)
	}
	if uint64(len(parts)) < quorum {
		return fmt.Errorf("%w: %d signers of the %d needed", ErrSignature, len(parts), quorum)
	}
	signed := make(map[uint64]bool)
	for _, p := range parts[:quorum] {
		if p.signer >= uint64(len(a.manifest.Signers)) {
			return fmt.Errorf("%w: signer %d of %d", ErrSignature, p.signer, len(a.manifest.Signers))
		}
		if signed[p.signer] {
			return fmt.Errorf("%w: signer %d twice", ErrSignature, p.signer)
		}
		signed[p.signer] = true
		if p.patch > 0 && a.manifest.AllowPatch {
			return fmt.Errorf("%w: %w: signer %d signed a longer log and patches that", ErrSignature, ErrUnsupported, p.signer)
		}
		if err := a.check(int(p.signer), h, p.signature[:]); err != nil {
			return err
		}
	}
	return nil
}

func (a *Auth) check(signer int, h Head, signature []byte) error {
	public := a.manifest.Signers[signer].PublicKey
	if !ed25519.Verify(public[:], a.signable(signer, h), signature) {
		return fmt.Errorf("%w: head of %d blocks, fork %d, by signer %s", ErrSignature, h.Length, h.Fork, public.Short())
	}
	return nil
}

// Sign returns the signature field of a head. It does not remember what it signed: never sign two heads of one length
// and fork.
//
// s must be a signer's, else the error wraps [ErrKey]; if one signature is not enough, it wraps [ErrUnsupported].
func (a *Auth) Sign(s Secret, h Head) (field []byte, err error) {
	public := s.Public()
	i := slices.IndexFunc(a.manifest.Signers, func(signer Signer) bool { return signer.PublicKey == public })
	if i < 0 {
		return nil, fmt.Errorf("%w: the secret key of %s may not sign for core %s", ErrKey, public.Short(), a.key.Short())
	}
	if a.manifest.Quorum != 1 {
		return nil, fmt.Errorf("signing for core %s, which needs %d signers at once: %w", a.key.Short(), a.manifest.Quorum, ErrUnsupported)
	}
	if a.bare() {
		signature := s.Sign(a.signable(i, h))
		return signature[:], nil
	}
	if a.manifest.Version == 0 {
		return nil, fmt.Errorf("signing for core %s, of manifest version 0 with several signers: %w", a.key.Short(), ErrUnsupported)
	}
	return appendField(nil, part{signer: uint64(i), signature: s.Sign(a.signable(i, h))}), nil
}
